// SPDX-License-Identifier: GPL-2.0-only
/* State that user space reads and writes: registers of the running level, and the nested state (KVM_GET/SET_NESTED_STATE). */
#include "internal.h"

#define V(f) V12(v, f)

static const struct {
	u8 sel, base, limit, ar;
} segs[8] = {
#define S(n) { F_GUEST_##n##_SEL, F_GUEST_##n##_BASE, F_GUEST_##n##_LIMIT, F_GUEST_##n##_AR }
	S(ES), S(CS), S(SS), S(DS), S(FS), S(GS), S(LDTR), S(TR)
#undef S
};

void nv_get_sregs(struct nv_vcpu *v, struct nv_sregs *s)
{
	struct nv_vmcs *m = v->cur;
	int i;

	for (i = 0; i < 8; i++) {
		s->seg[i].sel = (u16)nv_get(m, (enum nv_field)segs[i].sel);
		s->seg[i].base = nv_get(m, (enum nv_field)segs[i].base);
		s->seg[i].limit = (u32)nv_get(m, (enum nv_field)segs[i].limit);
		s->seg[i].ar = (u32)nv_get(m, (enum nv_field)segs[i].ar);
	}
	s->gdt_base = nv_get(m, F_GUEST_GDTR_BASE);
	s->gdt_limit = (u16)nv_get(m, F_GUEST_GDTR_LIMIT);
	s->idt_base = nv_get(m, F_GUEST_IDTR_BASE);
	s->idt_limit = (u16)nv_get(m, F_GUEST_IDTR_LIMIT);
	s->cr0 = v->in_l2 ? nv_mix_cr0(nv_get(m, F_GUEST_CR0), nv_get(m, F_CR0_SHADOW), nv_get(m, F_CR0_MASK)) : nv_read_cr0_01(v);
	s->cr4 = v->in_l2 ? nv_mix_cr0(nv_get(m, F_GUEST_CR4), nv_get(m, F_CR4_SHADOW), nv_get(m, F_CR4_MASK)) : nv_read_cr4_01(v);
	s->cr3 = nv_guest_cr3(v);
	s->cr2 = v->cr2;
	s->efer = nv_guest_efer(v);
}

static bool sregs_ok(struct nv_vcpu *v, const struct nv_sregs *s)
{
	if ((s->cr0 & C0_PG) && !(s->cr0 & C0_PE))
		return false;
	if (s->cr0 >> 32 || (s->cr4 & ~nv_caps.l1[CAP_CR4_1]) || (s->cr4 & (C4_PKE | C4_PKS)))
		return false;
	if (s->efer & ~(EF_SCE | EF_LME | EF_LMA | EF_NX))
		return false;
	if ((s->efer & EF_LMA) && (!(s->efer & EF_LME) || !(s->cr0 & C0_PG) || !(s->cr4 & C4_PAE)))
		return false;
	if (v->n->vmxon && !(s->cr4 & C4_VMXE))
		return false;
	if (!nv_params.ept && (s->cr4 & C4_PCIDE))
		return false;
	/* Without unrestricted guests the CPU runs nothing but protected mode with paging. */
	if (!nv_params.unrestricted && (s->cr0 & (C0_PE | C0_PG)) != (C0_PE | C0_PG))
		return s->cr0 == nv_read_cr0_01(v);
	return nv_params.ept || (s->efer & EF_LMA) || s->cr0 == nv_read_cr0_01(v);
}

int nv_set_sregs(struct nv_vcpu *v, const struct nv_sregs *s)
{
	struct nv_vmcs *m = v->cur;
	int i;

	if (!sregs_ok(v, s) || (s->cr3 & nv_caps.phys_mask))
		return -EINVAL;
	for (i = 0; i < 8; i++) {
		nv_put(m, (enum nv_field)segs[i].sel, s->seg[i].sel);
		nv_put(m, (enum nv_field)segs[i].base, s->seg[i].base);
		nv_put(m, (enum nv_field)segs[i].limit, s->seg[i].limit);
		nv_put(m, (enum nv_field)segs[i].ar, s->seg[i].ar);
	}
	nv_put(m, F_GUEST_GDTR_BASE, s->gdt_base);
	nv_put(m, F_GUEST_GDTR_LIMIT, s->gdt_limit);
	nv_put(m, F_GUEST_IDTR_BASE, s->idt_base);
	nv_put(m, F_GUEST_IDTR_LIMIT, s->idt_limit);
	v->cr2 = s->cr2;
	nv_put(m, F_GUEST_EFER, s->efer);
	nv_put(m, F_ENTRY_CTL, nv_caps.entry | (s->efer & EF_LMA ? ENTRY_IA32E : 0));
	if (nv_params.ept) {
		nv_put(m, F_GUEST_CR3, s->cr3);
	} else {
		struct nv_root *r = &v->mmu->shadow[v->in_l2];

		nv_root_drop(v, r);
		v->n->cr3[v->in_l2] = r->key = s->cr3;
	}
	/* CR0 and CR4 of L2 have three owners; user space sets them for L1 only, L2's come with its nested state. */
	if (!v->in_l2) {
		nv_write_cr0_01(v, s->cr0);
		nv_write_cr4_01(v, s->cr4);
	}
	nv_migrated(v);
	return 0;
}

u64 nv_get_rip(struct nv_vcpu *v)
{
	return nv_get(v->cur, F_GUEST_RIP);
}

u64 nv_get_rsp(struct nv_vcpu *v)
{
	return nv_get(v->cur, F_GUEST_RSP);
}

u64 nv_get_rflags(struct nv_vcpu *v)
{
	return nv_get(v->cur, F_GUEST_RFLAGS);
}

void nv_set_rip_rsp_rflags(struct nv_vcpu *v, u64 rip, u64 rsp, u64 rflags)
{
	nv_put(v->cur, F_GUEST_RIP, rip);
	nv_put(v->cur, F_GUEST_RSP, rsp);
	nv_put(v->cur, F_GUEST_RFLAGS, (rflags & 0x3f7fd5) | FL_FIXED);
}

u64 nv_get_dr7(struct nv_vcpu *v)
{
	return nv_get(v->cur, F_GUEST_DR7);
}

void nv_set_dr7(struct nv_vcpu *v, u64 val)
{
	nv_put(v->cur, F_GUEST_DR7, (val & 0xffff2fffu) | 0x400);
}

/* ---- nested state ---- */

int nv_get_nested_state(struct nv_vcpu *v, struct nv_nested_state *s)
{
	struct nv_nested *n = v->n;
	struct nv_events *ev = &n->ev;
	struct nv_vmcs12 *m = (struct nv_vmcs12 *)s->vmcs12;

	memset(s, 0, sizeof(*s));
	s->vmxon_pa = n->vmxon ? n->vmxon_ptr : NV_NOMAP;
	s->vmcs12_pa = n->ptr12;
	if (n->ptr12 == NV_NOMAP)
		return 0;
	s->has_vmcs12 = true;
	if (v->in_l2) {
		/* vmcs12 as an exit would leave it, but with the controls that L2 runs under. */
		n->seg_stale = true;
		nv_sync_seg12(v);
		nv_save_l2_state(v);
		s->flags |= NV_NS_GUEST_MODE;
		if (n->run_pending)
			s->flags |= NV_NS_RUN_PENDING;
		if (ev->mtf)
			s->flags |= NV_NS_MTF_PENDING;
		if (n->own_timer)
			s->preempt_deadline = mach_tsc() + v->tsc_offset +
					      ((u64)nv_timer_left(v) << (nv_caps.hw[CAP_MISC] & MISC_RATE));
	} else {
		nv_shadow_to_12(v, v->cur);
		nv_sync_seg12(v);
	}
	memcpy(m, n->vmcs12, sizeof(*m));
	if (v->in_l2) {
		/* An event on its way to L2 travels as an injection. */
		m->val[F_ENTRY_INTR_INFO] = ev->inj_info;
		m->val[F_ENTRY_EXC_ERR] = ev->inj_err;
		m->val[F_ENTRY_INSN_LEN] = ev->inj_len;
	}
	/* The entry has checked where it lies. Of what L1 has not entered yet the link may be anything. */
	if (v->in_l2 && V(VMCS_LINK) != NV_NOMAP && cpu2_12(v, CPU2_SHADOW_VMCS) &&
	    !mach_read_guest(v->vm, V(VMCS_LINK), s->shadow12, NV_PAGE_SIZE))
		s->has_shadow = true;
	return 0;
}

static bool state_ok(const struct nv_nested_state *s)
{
	const struct nv_vmcs12 *m = (const struct nv_vmcs12 *)s->vmcs12;

	if (s->flags & ~(NV_NS_GUEST_MODE | NV_NS_RUN_PENDING | NV_NS_MTF_PENDING))
		return false;
	if (s->vmxon_pa == NV_NOMAP)
		return s->vmcs12_pa == NV_NOMAP && !s->flags && !s->has_vmcs12;
	if ((s->vmxon_pa & ~NV_PAGE_MASK) || !nv_phys_ok(s->vmxon_pa))
		return false;
	if (s->vmcs12_pa == NV_NOMAP)
		return !s->flags && !s->has_vmcs12;
	if ((s->vmcs12_pa & ~NV_PAGE_MASK) || !nv_phys_ok(s->vmcs12_pa) || s->vmcs12_pa == s->vmxon_pa || !s->has_vmcs12)
		return false;
	if ((m->rev & ~NV_VMCS12_SHADOW) != NV_VMCS12_REV)
		return false;
	if ((s->flags & NV_NS_GUEST_MODE) && ((m->rev & NV_VMCS12_SHADOW) || !m->launched))
		return false;
	return true;
}

/*
 * Puts the vCPU where nv_get_nested_state() found another, from wherever it is: a VMM resets its machine, or loads a snapshot, also
 * while L2 runs. L1's memory may be the new state's already, so nothing of the old one goes there.
 */
int nv_set_nested_state(struct nv_vcpu *v, const struct nv_nested_state *s)
{
	struct nv_nested *n = v->n;

	if (!state_ok(s))
		return -EINVAL;
	if (v->in_l2)
		nv_abandon_l2(v);
	nv_forget12(v);
	n->aborted = n->shutdown = false;
	n->vmxon = s->vmxon_pa != NV_NOMAP;
	n->vmxon_ptr = s->vmxon_pa;
	if (!s->has_vmcs12)
		return 0;
	if (nv_load12(v, s->vmcs12_pa, (const struct nv_vmcs12 *)s->vmcs12))
		goto refuse;
	if (!(s->flags & NV_NS_GUEST_MODE))
		return 0;
	/* Everything an entry would check is checked: this memory comes from user space. */
	if (nv_check_controls(v, NV_G_ALL) || !nv_check_guest(v, NV_G_ALL))
		goto refuse;
	if (s->has_shadow && V(VMCS_LINK) != NV_NOMAP && mach_write_guest(v->vm, V(VMCS_LINK), s->shadow12, NV_PAGE_SIZE))
		goto refuse;
	nv_resume_l2(v, s->flags & NV_NS_RUN_PENDING, s->preempt_deadline);
	n->ev.mtf = (s->flags & NV_NS_MTF_PENDING) && cpu12(v, CPU_MTF);
	return 0;

refuse:
	n->ptr12 = NV_NOMAP;
	n->vmxon = false;
	n->vmxon_ptr = NV_NOMAP;
	n->shadow_used = false;
	nv_put(&v->vmcs01, F_VMCS_LINK, NV_NOMAP);
	nv_put(&v->vmcs01, F_CPU2_CTL, nv_caps.cpu2);
	return -EINVAL;
}
