// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN: the loop around VM entry, and what of the host has to be right at each entry and after each exit (SDM 3C 27.5).
 */
#include <linux/hw_breakpoint.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/task_work.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "nestvmx.h"
#include "compat.h"

static DEFINE_PER_CPU(struct nvx_vcpu *, last_vcpu); /* compared only, never followed */

/* --- host state in the VMCS --- */

/* What never changes. Selectors of data segments are null: nvx_run() refuses tasks that use others. */
void mach_host_state(struct nv_vcpu *v, struct nv_vmcs *m)
{
	struct desc_ptr idt;
	u64 val;

	store_idt(&idt);
	nv_put(m, F_HOST_CR0, read_cr0() & ~X86_CR0_TS);
	nv_put(m, F_HOST_CS_SEL, __KERNEL_CS);
	nv_put(m, F_HOST_SS_SEL, __KERNEL_DS);
	nv_put(m, F_HOST_DS_SEL, 0);
	nv_put(m, F_HOST_ES_SEL, 0);
	nv_put(m, F_HOST_FS_SEL, 0);
	nv_put(m, F_HOST_GS_SEL, 0);
	nv_put(m, F_HOST_TR_SEL, GDT_ENTRY_TSS * 8);
	nv_put(m, F_HOST_IDTR_BASE, idt.address);
	nv_put(m, F_HOST_RIP, (u64)nvx_vmexit);
	rdmsrl(MSR_IA32_SYSENTER_CS, val);
	nv_put(m, F_HOST_SYSENTER_CS, (u32)val);
	rdmsrl(MSR_IA32_SYSENTER_EIP, val);
	nv_put(m, F_HOST_SYSENTER_EIP, val);
	rdmsrl(MSR_EFER, val);
	nv_put(m, F_HOST_EFER, val);
	rdmsrl(MSR_IA32_CR_PAT, val);
	nv_put(m, F_HOST_PAT, val);
	to_nvx(v)->host[m == &v->vmcs02] = (struct nvx_host){ .cpu = -1 };
}

static void host_field(u64 *last, enum nv_field_enc enc, u64 now)
{
	if (*last == now)
		return;
	*last = now;
	mach_vmwrite(enc, now);
}

/* Interrupts off, v->cur current on this CPU. */
static void prepare_host(struct nvx_vcpu *x)
{
	struct nvx_host *h = &x->host[x->v.cur == &x->v.vmcs02];
	int cpu = smp_processor_id();
	unsigned long esp;

	if (unlikely(h->cpu != cpu)) {
		mach_vmwrite(ENC_HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
		mach_vmwrite(ENC_HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
		mach_vmwrite(ENC_HOST_GS_BASE, cpu_kernelmode_gs_base(cpu));
		rdmsrl(MSR_IA32_SYSENTER_ESP, esp);
		mach_vmwrite(ENC_HOST_SYSENTER_ESP, esp);
		mach_vmwrite(ENC_HOST_FS_BASE, x->host_fs_base);
		h->fs_base = x->host_fs_base;
		h->cpu = cpu;
	}
	host_field(&h->fs_base, ENC_HOST_FS_BASE, x->host_fs_base);
	host_field(&h->cr3, ENC_HOST_CR3, __native_read_cr3());
	host_field(&h->cr4, ENC_HOST_CR4, nvx_read_cr4());
}

/* --- guest state that VMX does not switch --- */

static void load_guest(struct nvx_vcpu *x)
{
	if (x->loaded)
		return;
	nvx_load_msrs(x);
	x->loaded = true;
}

/* Preemption off. The MSRs and limits that the next task or user space needs. */
static void put_guest(struct nvx_vcpu *x)
{
	if (!x->loaded)
		return;
	x->loaded = false;
	nvx_put_msrs(x);
	/* VM exits set the limits of GDTR to 64 KiB - 1 and of TR to 0x67 (SDM 3C 28.5.2). */
	load_fixmap_gdt(smp_processor_id());
	invalidate_tss_limit();
}

static void sched_in(struct preempt_notifier *pn, int cpu)
{
	struct nvx_vcpu *x = container_of(pn, struct nvx_vcpu, notifier);

	if (x->cpu != cpu) {
		nv_migrated(&x->v);
		x->cpu = cpu;
	}
	nvx_vmcs_load(x, x->v.cur);
	x->flush_l1d = true;
	if (__this_cpu_read(last_vcpu) != x) {
		__this_cpu_write(last_vcpu, x);
		nvx_ibpb();
	}
}

static void sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	put_guest(container_of(pn, struct nvx_vcpu, notifier));
}

static struct preempt_ops preempt_ops = { .sched_in = sched_in, .sched_out = sched_out };

int nvx_vcpu_load(struct nvx_vcpu *x)
{
	atomic_inc(&nvx_inside);
	smp_mb__after_atomic(); /* with the reboot notifier: it sees us, or we see it */
	if (atomic_read(&nvx_rebooting)) {
		atomic_dec(&nvx_inside);
		return -EIO;
	}
	preempt_notifier_init(&x->notifier, &preempt_ops);
	preempt_disable();
	preempt_notifier_register(&x->notifier);
	sched_in(&x->notifier, smp_processor_id());
	preempt_enable();
	return 0;
}

void nvx_vcpu_put(struct nvx_vcpu *x)
{
	preempt_disable();
	put_guest(x);
	preempt_notifier_unregister(&x->notifier);
	preempt_enable();
	atomic_dec(&nvx_inside);
}

/* --- kicks --- */

static void no_op(void *unused)
{
}

void mach_kick_sync(struct nv_vcpu *v)
{
	struct nvx_vcpu *x = to_nvx(v);

	/* Pairs with enter_guest(): the request was made before this looks at the mode. */
	smp_mb();
	if (READ_ONCE(x->mode) == NVX_IN_GUEST)
		smp_call_function_single(READ_ONCE(x->cpu), no_op, NULL, 1);
}

void mach_barrier(struct nv_vcpu *v)
{
	nvx_ibpb();
}

/* --- entry --- */

/* Called by the entry code after an exit, before the first RET: the kernel's own speculation control (legacy IBRS). */
void nvx_spec_ctrl_host(void);
noinstr void nvx_spec_ctrl_host(void)
{
	if (!cpu_feature_enabled(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	if (cpu_feature_enabled(X86_FEATURE_KERNEL_IBRS))
		native_wrmsrl(MSR_IA32_SPEC_CTRL, this_cpu_read(x86_spec_ctrl_current));
	barrier_nospec();
}

static void load_debug_registers(struct nvx_vcpu *x)
{
	set_debugreg(x->dr[0], 0);
	set_debugreg(x->dr[1], 1);
	set_debugreg(x->dr[2], 2);
	set_debugreg(x->dr[3], 3);
	set_debugreg(x->dr6, 6);
}

/* Breakpoints of the kernel or of user space on this CPU: the guest's replace DR0-DR3, and a VM exit resets DR7 (28.5.1). */
static void save_host_dr(unsigned long *dr)
{
	get_debugreg(dr[0], 0);
	get_debugreg(dr[1], 1);
	get_debugreg(dr[2], 2);
	get_debugreg(dr[3], 3);
	get_debugreg(dr[4], 7);
}

static void restore_host_dr(const unsigned long *dr)
{
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
	set_debugreg(dr[4], 7);
}

/* Interrupts off. What runs between here and the entry must not fault or schedule. */
static bool enter_guest(struct nvx_vcpu *x)
{
	struct nv_vcpu *v = &x->v;
	bool switch_xcr0 = x->xcr0_set && x->xcr0 != x->host_xcr0, failed;
	bool host_dr = hw_breakpoint_active();
	unsigned long dr[5];
	struct nvx_host *h;
	u32 pkru = 0;

	prepare_host(x);
	nv_commit_entry(v);
	h = &x->host[v->cur == &v->vmcs02];
	if (unlikely(switch_xcr0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, x->xcr0);
	if (unlikely(host_dr))
		save_host_dr(dr);
	if (unlikely(x->dr_used))
		load_debug_registers(x);
	if (static_cpu_has(X86_FEATURE_OSPKE))
		pkru = rdpkru();
	if (static_branch_unlikely(&nvx_l1d_flush_key))
		nvx_l1d_flush(x);
	if (x->v.cr2 != native_read_cr2())
		native_write_cr2(x->v.cr2);

	failed = nvx_enter(v, v->cur->launched, &h->rsp);

	x->v.cr2 = native_read_cr2();
	if (unlikely(switch_xcr0))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, x->host_xcr0);
	if (static_cpu_has(X86_FEATURE_OSPKE) && rdpkru() != pkru)
		wrpkru(pkru);
	if (unlikely(x->dr_used)) {
		unsigned long dr6;

		get_debugreg(dr6, 6);
		x->dr6 = dr6;
		set_debugreg(DR6_RESERVED, 6);
	}
	if (unlikely(host_dr))
		restore_host_dr(dr);
	nvx_flush_before_user(); /* of what the guest trained */
	return failed;
}

/*
 * The host's own events that made the guest exit. External interrupts stay pending (no acknowledge on exit) and are taken when
 * interrupts are enabled. An NMI or machine check is delivered by INT through the IDT: its gate switches to the right stack.
 */
static void host_event(u32 reason, struct nvx_vcpu *x)
{
	u64 info;

	if ((u16)reason != EXIT_REASON_EXCEPTION_NMI)
		return;
	info = nv_get(x->v.cur, F_EXIT_INTR_INFO);
	if ((info & (INTR_INFO_INTR_TYPE_MASK | INTR_INFO_VALID_MASK)) == (INTR_TYPE_NMI_INTR | INTR_INFO_VALID_MASK))
		asm volatile("int $2");
	else if ((info & (INTR_INFO_VECTOR_MASK | INTR_INFO_VALID_MASK)) == (MC_VECTOR | INTR_INFO_VALID_MASK))
		asm volatile("int $18");
}

/* NVX_ALONE: what nv_handle_exit() may read, before VMX goes off: out of here each VMREAD takes a VMXON. */
static void fetch_state(struct nv_vmcs *m)
{
	unsigned int f;

	for (f = 0; f < NV_NFIELDS; f++)
		if (nv_fields[f].group <= NV_G_SEG && nv_caps.needs[nv_fields[f].needs])
			(void)nv_get(m, f);
}

/* One entry and exit. -EINTR, or as nv_handle_exit(). */
static int run_once(struct nvx_vcpu *x)
{
	struct nv_vcpu *v = &x->v;
	bool failed;
	u32 reason;
	int r;

	preempt_disable();
	load_guest(x);
	local_irq_disable();
	WRITE_ONCE(x->mode, NVX_IN_GUEST);
	smp_mb(); /* mach_kick_sync() */
	r = nvx_vmx_begin();
	if (unlikely(r || need_resched() || signal_pending(current) || task_work_pending(current) || READ_ONCE(x->run->HINT_UNSAFE_IN_KVM(immediate_exit)) ||
		     atomic_read(&nvx_rebooting))) {
		if (!r)
			nvx_vmx_end();
		WRITE_ONCE(x->mode, NVX_OUTSIDE);
		local_irq_enable();
		preempt_enable();
		cond_resched();
		if (atomic_read(&nvx_rebooting))
			return -EIO;
		if (r && r != -EAGAIN)
			return r;
		return signal_pending(current) || task_work_pending(current) || READ_ONCE(x->run->HINT_UNSAFE_IN_KVM(immediate_exit)) ? -EINTR : NV_RESUME;
	}
	nvx_fpu_enter(x);
	failed = enter_guest(x);
	nvx_fpu_leave(x);
	WRITE_ONCE(x->mode, NVX_OUTSIDE);
	if (likely(!failed)) {
		v->cur->launched = true;
		reason = nv_exit_begin(v);
		host_event(reason, x);
	}
	if (NVX_ALONE)
		fetch_state(v->cur);
	nvx_vmx_end();
	local_irq_enable();
	preempt_enable();
	return nv_handle_exit(v, failed);
}

/* Selectors and LDT that our VM exits would lose: processes of today have none. */
static int check_task(void)
{
	u16 ds, es, fs, gs, ldt;

	savesegment(ds, ds);
	savesegment(es, es);
	savesegment(fs, fs);
	savesegment(gs, gs);
	store_ldt(ldt);
	return ds | es | fs | gs | ldt ? -EINVAL : 0;
}

int nvx_run(struct nvx_vcpu *x)
{
	int r;

	preempt_disable();
	r = check_task();
	preempt_enable();
	if (r)
		return r;
	rdmsrl(MSR_FS_BASE, x->host_fs_base);
	r = nvx_vcpu_load(x);
	if (r)
		return r;
	nvx_fpu_run_begin(x);
	do {
		r = nv_prepare_entry(&x->v);
		if (likely(r == NV_RESUME))
			r = run_once(x);
	} while (r == NV_RESUME);
	nvx_fpu_run_end(x);
	nvx_vcpu_put(x);
	return r;
}
