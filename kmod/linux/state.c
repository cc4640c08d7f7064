// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of a vCPU: KVM's structures on one side, core.h on the other. What each means: KVM's api.rst. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/trapnr.h>

#include "nestvmx.h"
#include "compat.h"

/* --- KVM_RUN and its exits --- */

static void copy_port(struct nvx_vcpu *x)
{
	struct kvm_run *run = x->run;
	struct nv_ux *ux = &x->v.ux;

	run->io.direction = ux->io.write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = ux->io.size;
	run->io.port = ux->io.addr;
	run->io.count = 1;
	run->io.data_offset = NVX_PIO_PAGE * PAGE_SIZE;
	memcpy(x->pio, ux->io.data, sizeof(ux->io.data));
	x->io_pending = true;
}

static void copy_mmio(struct nvx_vcpu *x)
{
	struct kvm_run *run = x->run;
	struct nv_ux *ux = &x->v.ux;

	run->mmio.phys_addr = ux->io.addr;
	run->mmio.len = ux->io.size;
	run->mmio.is_write = ux->io.write;
	memcpy(run->mmio.data, ux->io.data, sizeof(ux->io.data));
	x->io_pending = true;
}

static const u8 exit_reasons[] = {
	[NV_UX_IO] = KVM_EXIT_IO, [NV_UX_MMIO] = KVM_EXIT_MMIO, [NV_UX_HLT] = KVM_EXIT_HLT,
	[NV_UX_IRQ_WINDOW] = KVM_EXIT_IRQ_WINDOW_OPEN, [NV_UX_SHUTDOWN] = KVM_EXIT_SHUTDOWN, [NV_UX_HYPERCALL] = KVM_EXIT_HYPERCALL,
	[NV_UX_FAIL_ENTRY] = KVM_EXIT_FAIL_ENTRY, [NV_UX_INTERNAL] = KVM_EXIT_INTERNAL_ERROR, [NV_UX_SET_TPR] = KVM_EXIT_SET_TPR,
	[NV_UX_DEBUG] = KVM_EXIT_DEBUG,
};

static void copy_exit(struct nvx_vcpu *x)
{
	struct kvm_run *run = x->run;
	struct nv_ux *ux = &x->v.ux;

	run->exit_reason = ux->type < ARRAY_SIZE(exit_reasons) ? exit_reasons[ux->type] : KVM_EXIT_UNKNOWN;
	switch (ux->type) {
	case NV_UX_IO:
		copy_port(x);
		break;
	case NV_UX_MMIO:
		copy_mmio(x);
		break;
	case NV_UX_HYPERCALL:
		run->hypercall.nr = x->v.regs[R_RAX];
		run->hypercall.args[0] = x->v.regs[R_RBX];
		run->hypercall.args[1] = x->v.regs[R_RCX];
		run->hypercall.args[2] = x->v.regs[R_RDX];
		run->hypercall.args[3] = x->v.regs[R_RSI];
		break;
	case NV_UX_FAIL_ENTRY:
		run->fail_entry.hardware_entry_failure_reason = ux->hw;
		run->fail_entry.cpu = x->cpu;
		break;
	case NV_UX_INTERNAL:
		run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
		run->internal.ndata = 1;
		run->internal.data[0] = ux->hw;
		break;
	default:
		break;
	}
}

/* Before the next entry: what the VMM answered. The shared page is read once. */
static int complete_io(struct nvx_vcpu *x)
{
	struct nv_ux *ux = &x->v.ux;

	if (!x->io_pending)
		return 0;
	x->io_pending = false;
	if (!ux->io.write)
		memcpy(ux->io.data, ux->type == NV_UX_IO ? x->pio : (void *)x->run->mmio.data, sizeof(ux->io.data));
	return nv_complete_io(&x->v);
}

static int vcpu_run(struct nvx_vcpu *x)
{
	struct kvm_run *run = x->run;
	int r;

	r = nvx_vcpu_load(x);
	if (r)
		return r;
	x->v.cr8 = READ_ONCE(run->cr8) & 15;
	x->v.want_irq_window = READ_ONCE(run->request_interrupt_window);
	r = complete_io(x);
	nvx_vcpu_put(x);
	if (r == NV_USER) { /* a second access of the same instruction */
		copy_exit(x);
		return 0;
	}
	if (r < 0)
		return r;
	run->exit_reason = KVM_EXIT_UNKNOWN;
	r = nvx_run(x);
	if (r == NV_USER) {
		copy_exit(x);
		r = 0;
	} else if (r == -EINTR) {
		run->exit_reason = KVM_EXIT_INTR;
	} else if (r == -EFAULT) {
		/* Memory of a slot that the VMM itself could not read. */
		run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
		run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
		run->internal.ndata = 0;
	}
	if (nvx_vcpu_load(x) == 0) {
		run->if_flag = nv_if_flag(&x->v);
		run->ready_for_interrupt_injection = nv_irq_ready(&x->v);
		nvx_vcpu_put(x);
	}
	run->cr8 = x->v.cr8;
	run->apic_base = x->v.apic_base;
	return r;
}

/* --- registers --- */

static void get_regs(struct nvx_vcpu *x, struct kvm_regs *r)
{
	u64 *g = x->v.regs;

	*r = (struct kvm_regs){
		.rax = g[0], .rcx = g[1], .rdx = g[2], .rbx = g[3], .rbp = g[5], .rsi = g[6], .rdi = g[7], .r8 = g[8], .r9 = g[9],
		.r10 = g[10], .r11 = g[11], .r12 = g[12], .r13 = g[13], .r14 = g[14], .r15 = g[15],
		.rsp = nv_get_rsp(&x->v), .rip = nv_get_rip(&x->v), .rflags = nv_get_rflags(&x->v),
	};
}

static void set_regs(struct nvx_vcpu *x, const struct kvm_regs *r)
{
	u64 *g = x->v.regs;

	g[0] = r->rax;
	g[1] = r->rcx;
	g[2] = r->rdx;
	g[3] = r->rbx;
	g[5] = r->rbp;
	g[6] = r->rsi;
	g[7] = r->rdi;
	g[8] = r->r8;
	g[9] = r->r9;
	g[10] = r->r10;
	g[11] = r->r11;
	g[12] = r->r12;
	g[13] = r->r13;
	g[14] = r->r14;
	g[15] = r->r15;
	nv_set_rip_rsp_rflags(&x->v, r->rip, r->rsp, r->rflags);
}

static void to_kvm_segment(const struct nv_seg *s, struct kvm_segment *k)
{
	*k = (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->sel, .type = s->ar & 15, .s = s->ar >> 4 & 1, .dpl = s->ar >> 5 & 3,
		.present = s->ar >> 7 & 1, .avl = s->ar >> 12 & 1, .l = s->ar >> 13 & 1, .db = s->ar >> 14 & 1, .g = s->ar >> 15 & 1,
		.unusable = s->ar >> 16 & 1,
	};
}

static void from_kvm_segment(const struct kvm_segment *k, struct nv_seg *s)
{
	*s = (struct nv_seg){ .base = k->base, .limit = k->limit, .sel = k->selector };
	s->ar = (k->type & 15) | (k->s & 1) << 4 | (k->dpl & 3) << 5 | (k->present & 1) << 7 | (k->avl & 1) << 12 | (k->l & 1) << 13 |
		(k->db & 1) << 14 | (k->g & 1) << 15 | (k->unusable || !k->present) << 16;
}

static void get_sregs(struct nvx_vcpu *x, struct kvm_sregs *k)
{
	struct kvm_segment *order[8] = { &k->es, &k->cs, &k->ss, &k->ds, &k->fs, &k->gs, &k->ldt, &k->tr };
	struct nv_sregs s;
	int i;

	memset(k, 0, sizeof(*k));
	nv_get_sregs(&x->v, &s);
	for (i = 0; i < 8; i++)
		to_kvm_segment(&s.seg[i], order[i]);
	k->gdt.base = s.gdt_base;
	k->gdt.limit = s.gdt_limit;
	k->idt.base = s.idt_base;
	k->idt.limit = s.idt_limit;
	k->cr0 = s.cr0;
	k->cr2 = x->v.cr2;
	k->cr3 = s.cr3;
	k->cr4 = s.cr4;
	k->efer = s.efer;
	k->cr8 = x->v.cr8;
	k->apic_base = x->v.apic_base;
}

static int set_sregs(struct nvx_vcpu *x, const struct kvm_sregs *k)
{
	const struct kvm_segment *order[8] = { &k->es, &k->cs, &k->ss, &k->ds, &k->fs, &k->gs, &k->ldt, &k->tr };
	struct nv_sregs s = { .gdt_base = k->gdt.base, .gdt_limit = k->gdt.limit, .idt_base = k->idt.base, .idt_limit = k->idt.limit,
			      .cr0 = k->cr0, .cr2 = k->cr2, .cr3 = k->cr3, .cr4 = k->cr4, .efer = k->efer };
	int i, r;

	for (i = 0; i < 8; i++)
		from_kvm_segment(order[i], &s.seg[i]);
	r = nv_set_sregs(&x->v, &s);
	if (r)
		return r;
	x->v.cr2 = k->cr2;
	x->v.cr8 = k->cr8 & 15;
	x->v.apic_base = k->apic_base;
	x->run->cr8 = x->v.cr8;
	for (i = 0; i < (int)ARRAY_SIZE(k->interrupt_bitmap); i++)
		if (k->interrupt_bitmap[i])
			return nv_queue_interrupt(&x->v, i * 64 + __ffs64(k->interrupt_bitmap[i]));
	return 0;
}

/* --- floating point --- */

static int get_fpu(struct nvx_vcpu *x, struct kvm_fpu *f)
{
	const struct fxregs_state *s = nvx_fxregs(x);

	memset(f, 0, sizeof(*f));
	memcpy(f->fpr, s->st_space, sizeof(f->fpr));
	f->fcw = s->cwd;
	f->fsw = s->swd;
	f->ftwx = s->twd;
	f->last_opcode = s->fop;
	f->last_ip = s->rip;
	f->last_dp = s->rdp;
	memcpy(f->xmm, s->xmm_space, sizeof(f->xmm));
	f->mxcsr = s->mxcsr;
	return 0;
}

static int set_fpu(struct nvx_vcpu *x, const struct kvm_fpu *f)
{
	struct fxregs_state *s = nvx_fxregs(x);

	if (f->mxcsr & ~NVX_MXCSR_MASK) /* XRSTOR would fault in the kernel */
		return -EINVAL;
	memcpy(s->st_space, f->fpr, sizeof(f->fpr));
	s->cwd = f->fcw;
	s->swd = f->fsw;
	s->twd = f->ftwx;
	s->fop = f->last_opcode;
	s->rip = f->last_ip;
	s->rdp = f->last_dp;
	memcpy(s->xmm_space, f->xmm, sizeof(f->xmm));
	s->mxcsr = f->mxcsr;
	nvx_fpu_mark_used(x);
	return 0;
}

static int get_xcrs(struct nvx_vcpu *x, struct kvm_xcrs *c)
{
	memset(c, 0, sizeof(*c));
	c->nr_xcrs = 1;
	c->xcrs[0].value = x->xcr0;
	return 0;
}

static int set_xcrs(struct nvx_vcpu *x, const struct kvm_xcrs *c)
{
	if (c->nr_xcrs > 1 || c->flags)
		return -EINVAL;
	return c->nr_xcrs ? mach_xsetbv(&x->v, c->xcrs[0].xcr, c->xcrs[0].value) : 0;
}

/* --- nested state: struct kvm_nested_state, VMX format, our own vmcs12 layout (revision NV_VMCS12_REV) --- */

#define VMCS12_BYTES KVM_STATE_NESTED_VMX_VMCS_SIZE

static long get_nested_state(struct nvx_vcpu *x, struct kvm_nested_state __user *u)
{
	struct kvm_vmx_nested_state_data __user *data = &u->data.vmx[0];
	struct kvm_nested_state k = { .format = KVM_STATE_NESTED_FORMAT_VMX };
	struct nv_nested_state *s;
	u32 room, need = sizeof(k);
	long r;

	if (get_user(room, &u->size))
		return -EFAULT;
	s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	r = nv_get_nested_state(&x->v, s);
	if (r)
		goto out;
	need += s->has_shadow ? 2 * VMCS12_BYTES : s->has_vmcs12 ? VMCS12_BYTES : 0;
	k.size = need;
	k.flags = (s->flags & NV_NS_GUEST_MODE ? KVM_STATE_NESTED_GUEST_MODE : 0) |
		  (s->flags & NV_NS_RUN_PENDING ? KVM_STATE_NESTED_RUN_PENDING : 0) |
		  (s->flags & NV_NS_MTF_PENDING ? KVM_STATE_NESTED_MTF_PENDING : 0);
	k.hdr.vmx.vmxon_pa = s->vmxon_pa;
	k.hdr.vmx.vmcs12_pa = s->vmcs12_pa;
	if (s->preempt_deadline) {
		k.hdr.vmx.flags = KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
		k.hdr.vmx.preemption_timer_deadline = s->preempt_deadline;
	}
	r = -E2BIG;
	if (put_user(need, &u->size))
		r = -EFAULT;
	else if (room >= need)
		r = copy_to_user(u, &k, sizeof(k)) || (s->has_vmcs12 && copy_to_user(data->vmcs12, s->vmcs12, VMCS12_BYTES)) ||
		    (s->has_shadow && copy_to_user(data->shadow_vmcs12, s->shadow12, VMCS12_BYTES)) ? -EFAULT : 0;
out:
	kvfree(s);
	return r;
}

static long set_nested_state(struct nvx_vcpu *x, struct kvm_nested_state __user *u)
{
	struct kvm_vmx_nested_state_data __user *data = &u->data.vmx[0];
	struct kvm_nested_state k;
	struct nv_nested_state *s;
	long r = -EFAULT;

	if (copy_from_user(&k, u, sizeof(k)))
		return -EFAULT;
	if (k.format != KVM_STATE_NESTED_FORMAT_VMX || k.size < sizeof(k) ||
	    k.flags & ~(KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING | KVM_STATE_NESTED_MTF_PENDING) || k.hdr.vmx.smm.flags ||
	    k.hdr.vmx.flags & ~KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE)
		return -EINVAL;
	s = kvzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	s->flags = (k.flags & KVM_STATE_NESTED_GUEST_MODE ? NV_NS_GUEST_MODE : 0) |
		   (k.flags & KVM_STATE_NESTED_RUN_PENDING ? NV_NS_RUN_PENDING : 0) |
		   (k.flags & KVM_STATE_NESTED_MTF_PENDING ? NV_NS_MTF_PENDING : 0);
	s->vmxon_pa = k.hdr.vmx.vmxon_pa;
	s->vmcs12_pa = k.hdr.vmx.vmcs12_pa;
	if (k.hdr.vmx.flags & KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE)
		s->preempt_deadline = k.hdr.vmx.preemption_timer_deadline;
	/* Without a current vmcs12 there is nothing in the data, however long it is: QEMU gives all it has room for. */
	s->has_vmcs12 = s->vmcs12_pa != NV_NOMAP && k.size >= sizeof(k) + VMCS12_BYTES;
	s->has_shadow = s->has_vmcs12 && k.size >= sizeof(k) + 2 * VMCS12_BYTES;
	if (s->has_vmcs12 && copy_from_user(s->vmcs12, data->vmcs12, VMCS12_BYTES))
		goto out;
	if (s->has_shadow && copy_from_user(s->shadow12, data->shadow_vmcs12, VMCS12_BYTES))
		goto out;
	r = nv_set_nested_state(&x->v, s);
out:
	kvfree(s);
	return r;
}

/* --- events --- */

/* As KVM does without KVM_CAP_EXCEPTION_PAYLOAD: a pending exception is an injected one, with CR2 or DR6 as it leaves them. */
static int get_events(struct nvx_vcpu *x, struct kvm_vcpu_events *e)
{
	struct nv_event_state s;

	nv_get_event_state(&x->v, &s);
	*e = (struct kvm_vcpu_events){
		.exception = { .injected = s.exc, .pending = s.exc, .nr = s.exc_vector, .has_error_code = s.exc_has_err, .error_code = s.exc_err },
		.interrupt = { .injected = s.irq, .nr = s.irq_vector },
		.nmi = { .injected = s.nmi_injected, .pending = s.nmi_pending, .masked = s.nmi_masked },
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
	};
	e->interrupt.shadow = (s.shadow & BIT(0) ? KVM_X86_SHADOW_INT_STI : 0) | (s.shadow & BIT(1) ? KVM_X86_SHADOW_INT_MOV_SS : 0);
	return 0;
}

#define EVENT_FLAGS (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

static int set_events(struct nvx_vcpu *x, const struct kvm_vcpu_events *e)
{
	struct nv_event_state s, now;

	if (e->flags & ~EVENT_FLAGS || (e->flags & KVM_VCPUEVENT_VALID_SMM && (e->smi.smm || e->smi.pending)))
		return -EINVAL;
	if ((e->exception.injected || e->exception.pending) && (e->exception.nr > 31 || e->exception.nr == X86_TRAP_NMI))
		return -EINVAL;
	nv_get_event_state(&x->v, &now);
	s = (struct nv_event_state){
		.exc = e->exception.injected || e->exception.pending,
		.exc_vector = e->exception.nr, .exc_has_err = e->exception.has_error_code, .exc_err = e->exception.error_code,
		.irq = e->interrupt.injected, .irq_vector = e->interrupt.nr,
		.nmi_injected = e->nmi.injected, .nmi_masked = e->nmi.masked,
		.nmi_pending = e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING ? e->nmi.pending : now.nmi_pending,
		.shadow = now.shadow,
	};
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW)
		s.shadow = (e->interrupt.shadow & KVM_X86_SHADOW_INT_STI ? BIT(0) : 0) |
			   (e->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS ? BIT(1) : 0);
	nv_set_event_state(&x->v, &s);
	return 0;
}

static int set_interrupt(struct nvx_vcpu *x, const struct kvm_interrupt *i)
{
	return i->irq > 255 ? -EINVAL : nv_queue_interrupt(&x->v, i->irq);
}

static int get_debugregs(struct nvx_vcpu *x, struct kvm_debugregs *d)
{
	memset(d, 0, sizeof(*d));
	memcpy(d->db, x->dr, sizeof(x->dr));
	d->dr6 = x->dr6;
	d->dr7 = nv_get_dr7(&x->v);
	return 0;
}

static int set_debugregs(struct nvx_vcpu *x, const struct kvm_debugregs *d)
{
	int i;

	if (d->flags || d->dr6 >> 32 || d->dr7 >> 32)
		return -EINVAL;
	for (i = 0; i < 4; i++)
		mach_set_dr(&x->v, i, d->db[i]);
	x->dr6 = d->dr6;
	nv_set_dr7(&x->v, d->dr7);
	return 0;
}

static int get_mp_state(struct nvx_vcpu *x, struct kvm_mp_state *m)
{
	m->mp_state = x->v.hlt ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
	return 0;
}

static int set_mp_state(struct nvx_vcpu *x, const struct kvm_mp_state *m)
{
	if (m->mp_state != KVM_MP_STATE_RUNNABLE && m->mp_state != KVM_MP_STATE_HALTED)
		return -EINVAL;
	x->v.hlt = m->mp_state == KVM_MP_STATE_HALTED;
	return 0;
}

static int get_xsave(struct nvx_vcpu *x, struct kvm_xsave *s)
{
	nvx_get_xsave(x, s);
	return 0;
}

static int set_xsave(struct nvx_vcpu *x, struct kvm_xsave *s)
{
	return nvx_set_xsave(x, s);
}

/* --- the table: structures of fixed size, copied in or out whole --- */

typedef int (*handler)(struct nvx_vcpu *x, void *data);

static int do_get_regs(struct nvx_vcpu *x, void *d)
{
	get_regs(x, d);
	return 0;
}

static int do_set_regs(struct nvx_vcpu *x, void *d)
{
	set_regs(x, d);
	return 0;
}

static int do_get_sregs(struct nvx_vcpu *x, void *d)
{
	get_sregs(x, d);
	return 0;
}

#define WRAP(name, type)					\
	static int do_##name(struct nvx_vcpu *x, void *d)	\
	{							\
		return name(x, (type *)d);			\
	}
WRAP(set_sregs, struct kvm_sregs)
WRAP(get_fpu, struct kvm_fpu)
WRAP(set_fpu, struct kvm_fpu)
WRAP(get_xsave, struct kvm_xsave)
WRAP(set_xsave, struct kvm_xsave)
WRAP(get_xcrs, struct kvm_xcrs)
WRAP(set_xcrs, struct kvm_xcrs)
WRAP(get_events, struct kvm_vcpu_events)
WRAP(set_events, struct kvm_vcpu_events)
WRAP(set_interrupt, struct kvm_interrupt)
WRAP(get_debugregs, struct kvm_debugregs)
WRAP(set_debugregs, struct kvm_debugregs)
WRAP(get_mp_state, struct kvm_mp_state)
WRAP(set_mp_state, struct kvm_mp_state)

static const struct {
	unsigned int cmd;
	handler handle;
} ioctls[] = {
	{ KVM_GET_REGS, do_get_regs },
	{ KVM_SET_REGS, do_set_regs },
	{ KVM_GET_SREGS, do_get_sregs },
	{ KVM_SET_SREGS, do_set_sregs },
	{ KVM_GET_FPU, do_get_fpu },
	{ KVM_SET_FPU, do_set_fpu },
	{ KVM_GET_XSAVE, do_get_xsave },
	{ KVM_SET_XSAVE, do_set_xsave },
	{ KVM_GET_XCRS, do_get_xcrs },
	{ KVM_SET_XCRS, do_set_xcrs },
	{ KVM_GET_VCPU_EVENTS, do_get_events },
	{ KVM_SET_VCPU_EVENTS, do_set_events },
	{ KVM_INTERRUPT, do_set_interrupt },
	{ KVM_GET_DEBUGREGS, do_get_debugregs },
	{ KVM_SET_DEBUGREGS, do_set_debugregs },
	{ KVM_GET_MP_STATE, do_get_mp_state },
	{ KVM_SET_MP_STATE, do_set_mp_state },
};

static long fixed_ioctl(struct nvx_vcpu *x, unsigned int cmd, handler handle, void __user *arg)
{
	size_t size = _IOC_SIZE(cmd);
	void *data = kzalloc(size, GFP_KERNEL_ACCOUNT);
	long r = 0;

	if (!data)
		return -ENOMEM;
	if (_IOC_DIR(cmd) & _IOC_WRITE && copy_from_user(data, arg, size))
		r = -EFAULT;
	if (!r)
		r = handle(x, data);
	if (!r && _IOC_DIR(cmd) & _IOC_READ && copy_to_user(arg, data, size))
		r = -EFAULT;
	kfree(data);
	return r;
}

static long loaded_ioctl(struct nvx_vcpu *x, unsigned int cmd, void __user *arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (ioctls[i].cmd == cmd)
			return fixed_ioctl(x, cmd, ioctls[i].handle, arg);
	switch (cmd) {
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return nvx_msrs(x, arg, cmd == KVM_SET_MSRS);
	case KVM_NMI:
		nv_queue_nmi(&x->v);
		return 0;
	case KVM_GET_NESTED_STATE:
		return get_nested_state(x, arg);
	case KVM_SET_NESTED_STATE:
		return set_nested_state(x, arg);
	case KVM_GET_TSC_KHZ:
		return mach_tsc_khz();
	default:
		return -ENOTTY;
	}
}

long nvx_vcpu_ioctl(struct nvx_vcpu *x, unsigned int cmd, void __user *arg)
{
	long r;

	switch (cmd) {
	case KVM_RUN:
		return arg ? -EINVAL : vcpu_run(x);
	case KVM_SET_CPUID2:
		return nvx_set_cpuid(x, arg);
	case KVM_GET_STATS_FD:
		return nvx_stats_fd(x);
	case KVM_SET_SIGNAL_MASK:
		return -ENOTTY;
	}
	r = nvx_vcpu_load(x);
	if (r)
		return r;
	r = loaded_ioctl(x, cmd, arg);
	nvx_vcpu_put(x);
	return r;
}
