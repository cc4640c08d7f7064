// SPDX-License-Identifier: GPL-2.0-only
/* VM exits: counted, sorted by level, and handled. */
#include "internal.h"

#define V(f) V12(v, f)

static int internal_error(struct nv_vcpu *v, u64 hw)
{
	v->ux.type = NV_UX_INTERNAL;
	v->ux.hw = hw;
	return NV_USER;
}

/* ---- exits that mean the same at both levels: L2 uses L1's ports, MSRs and CPU ---- */

static int handle_cpuid(struct nv_vcpu *v)
{
	u32 a = (u32)v->regs[R_RAX], b, c = (u32)v->regs[R_RCX], d;

	nv_cpuid_lookup(v, &a, &b, &c, &d);
	v->regs[R_RAX] = a;
	v->regs[R_RBX] = b;
	v->regs[R_RCX] = c;
	v->regs[R_RDX] = d;
	nv_skip_insn(v);
	return NV_RESUME;
}

static int handle_rdmsr(struct nv_vcpu *v)
{
	u64 val;

	if (nv_get_msr(v, (u32)v->regs[R_RCX], &val, false)) {
		nv_inject_gp(v, 0);
		return NV_RESUME;
	}
	v->regs[R_RAX] = (u32)val;
	v->regs[R_RDX] = val >> 32;
	nv_skip_insn(v);
	return NV_RESUME;
}

static int handle_wrmsr(struct nv_vcpu *v)
{
	u64 val = (u32)v->regs[R_RAX] | v->regs[R_RDX] << 32;

	if (nv_set_msr(v, (u32)v->regs[R_RCX], val, false))
		nv_inject_gp(v, 0);
	else
		nv_skip_insn(v);
	return NV_RESUME;
}

static int handle_xsetbv(struct nv_vcpu *v)
{
	u64 val = (u32)v->regs[R_RAX] | v->regs[R_RDX] << 32;

	if (nv_cpl(v) || mach_xsetbv(v, (u32)v->regs[R_RCX], val))
		nv_inject_gp(v, 0);
	else
		nv_skip_insn(v);
	return NV_RESUME;
}

static int handle_vmcall(struct nv_vcpu *v)
{
	nv_skip_insn(v);
	if (!v->user_vmcall) {
		v->regs[R_RAX] = (u64)-1000; /* no hypercall is known: KVM's answer, KVM_ENOSYS */
		return NV_RESUME;
	}
	v->ux.type = NV_UX_HYPERCALL;
	return NV_USER;
}

static int handle_hlt(struct nv_vcpu *v)
{
	nv_skip_insn(v);
	/* A single-step trap ends the halt at once. */
	if (nv_get(v->cur, F_GUEST_PENDING_DBG) & DBG_BS)
		return NV_RESUME;
	/* L1's timer counts on and may end L2's halt (26.5.1): the CPU halts in L2, user space would wait for an event. */
	if (v->in_l2 && v->n->own_timer && (nv_caps.hw[CAP_MISC] & MISC_ACT_HLT))
		nv_put(v->cur, F_GUEST_ACTIVITY, ACT_HLT);
	else
		v->hlt = true;
	return NV_RESUME;
}

/* Exceptions that L0 intercepts for itself are given to the guest all the same. */
static int handle_exception(struct nv_vcpu *v)
{
	u32 info = (u32)nv_get(v->cur, F_EXIT_INTR_INFO), vec = info & INFO_VECTOR;

	/* NMIs and machine checks are the host's; linux/ has dealt with them. */
	if (INFO_TYPE_OF(info) == EV_NMI || vec == XV_MC)
		return NV_RESUME;
	if (vec == XV_PF) {
		nv_inject_pf(v, nv_get(v->cur, F_EXIT_QUAL), (u32)nv_get(v->cur, F_EXIT_INTR_ERR));
		return NV_RESUME;
	}
	/*
	 * The CPU gives such an exit without BS in the pending debug exceptions, and refuses to enter without it while TF is set and STI
	 * or MOV SS blocks (27.3.1.5). The delivery ends the blocking anyway (27.6.1).
	 */
	nv_end_blocking(v);
	if (INFO_TYPE_OF(info) != EV_HW_EXC) {
		/* INT1 traps, but its exit comes before it (28.2): as a fault it would be executed again and again. */
		v->n->ev.inj_info = info & (INFO_VALID | INFO_TYPE | INFO_VECTOR);
		v->n->ev.inj_len = (u32)nv_get(v->cur, F_EXIT_INSN_LEN);
		nv_debug_handler(v);
		return NV_RESUME;
	}
	if (vec == XV_DB)
		nv_inject_db(v, nv_get(v->cur, F_EXIT_QUAL));
	else
		nv_queue_exception(v, (u8)vec, info & INFO_ERR, info & INFO_ERR ? (u32)nv_get(v->cur, F_EXIT_INTR_ERR) : 0);
	return NV_RESUME;
}

int nv_handle_common(struct nv_vcpu *v, u32 reason)
{
	switch (reason) {
	case XR_EXT_INT:
	case XR_MCE_ENTRY:
	case XR_INTR_WINDOW: /* what waited for the window is injected before the next entry */
	case XR_NMI_WINDOW:
	case XR_PREEMPT:
		return NV_RESUME;
	case XR_EXC_NMI:
		return handle_exception(v);
	case XR_CPUID:
		return handle_cpuid(v);
	case XR_HLT:
		return handle_hlt(v);
	case XR_CR:
		return nv_handle_cr(v);
	case XR_DR:
		return nv_handle_dr(v);
	case XR_IO:
		return nv_handle_io(v);
	case XR_RDMSR:
		return handle_rdmsr(v);
	case XR_WRMSR:
		return handle_wrmsr(v);
	case XR_XSETBV:
		return handle_xsetbv(v);
	case XR_INVLPG:
		nv_shadow_invlpg(v, nv_get(v->cur, F_EXIT_QUAL));
		nv_skip_insn(v);
		return NV_RESUME;
	case XR_INVD:
	case XR_WBINVD:
	case XR_PAUSE:
		nv_skip_insn(v);
		return NV_RESUME;
	case XR_RDPMC:
		nv_inject_gp(v, 0);
		return NV_RESUME;
	case XR_MWAIT:
	case XR_MONITOR:
	case XR_GETSEC:
	case XR_ENCLS:
	case XR_RSM:
		nv_inject_ud(v);
		return NV_RESUME;
	case XR_VMCALL:
		return handle_vmcall(v);
	case XR_TRIPLE:
		nv_triple_fault(v);
		return NV_RESUME;
	default:
		return internal_error(v, reason);
	}
}

/* ---- memory ---- */

/* A fault that L0 resolves while IRET had just unblocked NMIs: they are blocked again (28.2.3). */
static void restore_nmi_blocking(struct nv_vcpu *v, bool unblocked)
{
	if (unblocked && !(v->n->ev.inj_info & INFO_VALID))
		nv_put(v->cur, F_GUEST_INTERRUPTIBILITY, nv_get(v->cur, F_GUEST_INTERRUPTIBILITY) | INTR_NMI);
}

static nv_noinline int handle_ept01(struct nv_vcpu *v)
{
	u64 qual = nv_get(v->cur, F_EXIT_QUAL), gpa = nv_get(v->cur, F_GUEST_PHYS);
	int r = nv_fault_ept01(v, gpa, qual & EPTQ_ACCESS);

	if (r == -ENXIO)
		return nv_handle_mmio(v, gpa);
	if (r)
		return r;
	restore_nmi_blocking(v, qual & EPTQ_NMI_UNBLOCK);
	return NV_RESUME;
}

static nv_noinline int handle_ept02(struct nv_vcpu *v)
{
	u64 hwqual = nv_get(v->cur, F_EXIT_QUAL), gpa = nv_get(v->cur, F_GUEST_PHYS), qual, l1_gpa;
	u32 reason;
	int r = nv_fault_ept02(v, gpa, hwqual, &reason, &qual, &l1_gpa);

	switch (r) {
	case 0:
		restore_nmi_blocking(v, hwqual & EPTQ_NMI_UNBLOCK);
		return NV_RESUME;
	case 1:
		nv_reflect(v, reason, qual);
		v->n->rewalk = reason == XR_EPT_VIOLATION;
		v->n->rewalk_gpa = gpa;
		v->n->rewalk_access = hwqual & EPTQ_ACCESS;
		return NV_RESUME;
	case -ENXIO:
		return nv_handle_mmio(v, l1_gpa);
	default:
		return r;
	}
}

/* #PF under shadow paging. One of the guest's own is injected: for L2 event.c asks L1's bitmap, with the error code L2 is due. */
static nv_noinline int handle_shadow_pf(struct nv_vcpu *v)
{
	u64 gva = nv_get(v->cur, F_EXIT_QUAL), gpa;
	u32 err;
	int r = nv_fault_shadow(v, gva, (u32)nv_get(v->cur, F_EXIT_INTR_ERR), &err, &gpa);

	switch (r) {
	case 0:
		restore_nmi_blocking(v, nv_get(v->cur, F_EXIT_INTR_INFO) & INFO_NMI_UNBLOCK);
		return NV_RESUME;
	case 1:
		nv_inject_pf(v, gva, err);
		return NV_RESUME;
	case -ENXIO:
		return nv_handle_mmio(v, gpa);
	default:
		return r;
	}
}

static bool is_shadow_pf(struct nv_vcpu *v, u32 reason)
{
	u32 info;

	if (nv_params.ept || reason != XR_EXC_NMI)
		return false;
	info = (u32)nv_get(v->cur, F_EXIT_INTR_INFO);
	return INFO_TYPE_OF(info) == EV_HW_EXC && (info & INFO_VECTOR) == XV_PF;
}

/* ---- by level ---- */

int nv_handle_l1(struct nv_vcpu *v, u32 reason)
{
	switch (reason) {
	case XR_VMCLEAR:
	case XR_VMLAUNCH:
	case XR_VMPTRLD:
	case XR_VMPTRST:
	case XR_VMREAD:
	case XR_VMRESUME:
	case XR_VMWRITE:
	case XR_VMXOFF:
	case XR_VMXON:
	case XR_INVEPT:
	case XR_INVVPID:
	case XR_VMFUNC:
		return nv_vmx_insn(v, reason);
	case XR_EPT_VIOLATION:
		return handle_ept01(v);
	default:
		break;
	}
	if (is_shadow_pf(v, reason))
		return handle_shadow_pf(v);
	return nv_handle_common(v, reason);
}

/* What l0_wants() said is L0's, or L0's to look at first. */
static int l0_handle_l2(struct nv_vcpu *v, u32 reason)
{
	if (reason == XR_EPT_VIOLATION)
		return nv_nested_ept(v) ? handle_ept02(v) : handle_ept01(v);
	if (reason == XR_VMREAD || reason == XR_VMWRITE) {
		int r = nv_l2_vmread_vmwrite(v, reason);

		if (r == 1)
			nv_reflect(v, reason, nv_get(v->cur, F_EXIT_QUAL));
		return r < 0 ? r : NV_RESUME;
	}
	if (is_shadow_pf(v, reason))
		return handle_shadow_pf(v);
	return nv_handle_common(v, reason);
}

static int handle_l2(struct nv_vcpu *v, u32 reason)
{
	if (nv_l0_wants(v, reason))
		return l0_handle_l2(v, reason);
	if (nv_l1_wants(v, reason)) {
		nv_reflect(v, reason, nv_get(v->cur, F_EXIT_QUAL));
		return NV_RESUME;
	}
	return nv_handle_common(v, reason);
}

/*
 * The CPU refused vmcs02 after our checks had passed. With an exit (27.8): L1 gets the failed entry as the CPU put it.
 * With VMfail the controls were at fault: L1's VMLAUNCH fails, and L1 goes on behind it.
 */
static int entry_failed_l2(struct nv_vcpu *v, bool vmfail, u32 reason)
{
	struct nv_nested *n = v->n;

	n->ev.inj_info = 0;
	n->dirty12 = n->check12 = NV_G_ALL;
	v->stats.nested_fails++;
	if (!vmfail) {
		V(EXIT_REASON) = reason;
		V(EXIT_QUAL) = nv_get(v->cur, F_EXIT_QUAL);
		nv_sync_seg12(v);
		nv_load_l1_state(v);
		return NV_RESUME;
	}
	v->in_l2 = n->run_pending = n->own_timer = false;
	mach_vmcs_load(v, &v->vmcs01);
	/* The exit information of L1's VMLAUNCH is still there. */
	nv_vmfail(v, VE_CONTROLS);
	nv_shadow_from_12(v, v->cur);
	return NV_RESUME;
}

static nv_noinline int entry_failed(struct nv_vcpu *v, bool vmfail, u32 reason)
{
	if (v->in_l2)
		return entry_failed_l2(v, vmfail, reason);
	v->ux.type = NV_UX_FAIL_ENTRY;
	v->ux.hw = vmfail ? nv_get(v->cur, F_INSN_ERROR) : reason;
	return NV_USER;
}

u32 nv_exit_begin(struct nv_vcpu *v)
{
	nv_vmcs_exited(v->cur);
	/* For L1's MSR-store area: what L0 does until it is written, interrupts of the host included, is no time of L2's. */
	if (v->in_l2 && V(EXIT_STORE_COUNT))
		v->n->exit_tsc = mach_tsc();
	return (u32)nv_get(v->cur, F_EXIT_REASON);
}

int nv_handle_exit(struct nv_vcpu *v, bool failed)
{
	struct nv_nested *n = v->n;
	u32 raw, reason;
	int r;

	v->ux.type = NV_UX_NONE;
	v->stats.l0_exits++;
	if (failed)
		return entry_failed(v, true, 0);
	raw = (u32)nv_get(v->cur, F_EXIT_REASON);
	if (raw & XR_FAILED_ENTRY)
		return entry_failed(v, false, raw);
	reason = raw & 0xffff;
	if (reason >= NV_NREASONS)
		return internal_error(v, raw);
	v->stats.exits[v->in_l2][reason]++;
	nv_save_vectoring(v);
	n->run_pending = false;
	r = v->in_l2 ? handle_l2(v, reason) : nv_handle_l1(v, reason);
	if (n->aborted || n->shutdown) {
		n->shutdown = false;
		v->ux.type = NV_UX_SHUTDOWN;
		return NV_USER;
	}
	return r;
}
