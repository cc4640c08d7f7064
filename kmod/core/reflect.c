// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets an exit of L2, by two predicates, and the VM exit from L2 to L1. When L1 asked for an event it gets it; L0
 * handles for L2 only what L1 did not ask for (CVE-2020-2732).
 */
#include "internal.h"

#define V(f) V12(v, f)

/* ---- predicates ---- */

/* Events that are the machine's or that need work of L0 before it is known whose they are. */
bool nv_l0_wants(struct nv_vcpu *v, u32 reason)
{
	u32 info;

	switch (reason) {
	case XR_EXC_NMI:
		info = (u32)nv_get(v->cur, F_EXIT_INTR_INFO);
		if (INFO_TYPE_OF(info) == EV_NMI || (info & INFO_VECTOR) == XV_MC)
			return true;
		return (info & INFO_VECTOR) == XV_PF && !nv_params.ept;
	case XR_EXT_INT:
	case XR_MCE_ENTRY:
	case XR_EPT_VIOLATION:
	case XR_EPT_MISCONFIG:
		return true;
	case XR_INVLPG: /* shadow tables first; then L1's, if it wants it */
		return !nv_params.ept && !cpu12(v, CPU_INVLPG);
	case XR_INTR_WINDOW:
		return !cpu12(v, CPU_INTR_WINDOW);
	case XR_NMI_WINDOW:
		return !cpu12(v, CPU_NMI_WINDOW);
	case XR_PREEMPT:
		return v->n->ev.force_exit;
	case XR_VMREAD:
	case XR_VMWRITE:
		return cpu2_12(v, CPU2_SHADOW_VMCS);
	default:
		return false;
	}
}

static nv_noinline bool l1_wants_exception(struct nv_vcpu *v)
{
	u32 vec = nv_get(v->cur, F_EXIT_INTR_INFO) & INFO_VECTOR;
	bool hit = V(EXCEPTION_BITMAP) & NV_BIT(vec & 31);

	if (vec == XV_PF) /* 26.2: the bitmap's sense is turned round when the error code does not match */
		hit ^= (nv_get(v->cur, F_EXIT_INTR_ERR) & V(PFEC_MASK)) != V(PFEC_MATCH);
	return hit;
}

static nv_noinline bool l1_wants_io(struct nv_vcpu *v)
{
	u64 qual = nv_get(v->cur, F_EXIT_QUAL);
	u32 port = qual >> 16 & 0xffff, size = (qual & 7) + 1, i;

	if (!cpu12(v, CPU_IO_BITMAPS))
		return cpu12(v, CPU_UNCOND_IO);
	for (i = 0; i < size; i++, port++) {
		u64 map = port & 0x8000 ? V(IO_BITMAP_B) : V(IO_BITMAP_A);
		u8 b;

		if (port > 0xffff) /* wraps around: exits (26.1.3) */
			return true;
		if (mach_read_guest(v->vm, map + (port & 0x7fff) / 8, &b, 1) || (b & 1u << port % 8))
			return true;
	}
	return false;
}

static nv_noinline bool l1_wants_msr(struct nv_vcpu *v, bool write)
{
	u32 msr = (u32)v->regs[R_RCX], bit = msr & 0x1fff;
	const u8 *map;

	if (!cpu12(v, CPU_MSR_BITMAPS) || !nv_map_cached(v, &v->n->msr_bitmap12, V(MSR_BITMAP)))
		return true;
	map = v->n->msr_bitmap12.va;
	if (msr >= 0xc0000000)
		map += 1024;
	if (write)
		map += 2048;
	if (msr > 0x1fff && (msr < 0xc0000000 || msr > 0xc0001fff))
		return true;
	return map[bit / 8] & 1u << bit % 8;
}

static bool cr3_target(struct nv_vcpu *v, u64 val)
{
	u64 n = V(CR3_TARGET_COUNT), t[4] = { V(CR3_TARGET0), V(CR3_TARGET1), V(CR3_TARGET2), V(CR3_TARGET3) };
	u64 i;

	for (i = 0; i < n && i < 4; i++)
		if (t[i] == val)
			return true;
	return false;
}

static nv_noinline bool l1_wants_cr(struct nv_vcpu *v)
{
	u64 qual = nv_get(v->cur, F_EXIT_QUAL), val = nv_reg(v, qual >> 8 & 15);
	u64 mask0 = V(CR0_MASK), shadow0 = V(CR0_SHADOW);

	switch (qual >> 4 & 3) {
	case 0: /* MOV to */
		switch (qual & 15) {
		case 0:
			return mask0 & (val ^ shadow0);
		case 3:
			return cpu12(v, CPU_CR3_LOAD) && !cr3_target(v, val);
		case 4:
			return V(CR4_MASK) & (val ^ V(CR4_SHADOW));
		default:
			return cpu12(v, CPU_CR8_LOAD);
		}
	case 1: /* MOV from */
		return (qual & 15) == 3 ? cpu12(v, CPU_CR3_STORE) : cpu12(v, CPU_CR8_STORE);
	case 2: /* CLTS */
		return (mask0 & C0_TS) && (shadow0 & C0_TS);
	default: /* LMSW: can set PE, not clear it (26.1.3) */
		val = qual >> 16 & 15;
		if (mask0 & 0xe & (val ^ shadow0))
			return true;
		return (mask0 & C0_PE) && !(shadow0 & C0_PE) && (val & C0_PE);
	}
}

/* 26.1: what L1's controls say. Exits that a guest cannot make for another reason are L1's. */
bool nv_l1_wants(struct nv_vcpu *v, u32 reason)
{
	switch (reason) {
	case XR_EXC_NMI:
		return l1_wants_exception(v);
	case XR_HLT:
		return cpu12(v, CPU_HLT);
	case XR_INVLPG:
		return cpu12(v, CPU_INVLPG);
	case XR_RDPMC:
		return cpu12(v, CPU_RDPMC);
	case XR_RDTSC:
	case XR_RDTSCP:
		return cpu12(v, CPU_RDTSC);
	case XR_CR:
		return l1_wants_cr(v);
	case XR_DR:
		return cpu12(v, CPU_MOV_DR);
	case XR_IO:
		return l1_wants_io(v);
	case XR_RDMSR:
		return l1_wants_msr(v, false);
	case XR_WRMSR:
		return l1_wants_msr(v, true);
	case XR_MWAIT:
		return cpu12(v, CPU_MWAIT);
	case XR_MONITOR:
		return cpu12(v, CPU_MONITOR);
	case XR_PAUSE:
		return cpu12(v, CPU_PAUSE) || cpu2_12(v, CPU2_PLE);
	case XR_TPR_BELOW:
		return cpu12(v, CPU_TPR_SHADOW);
	case XR_GDTR_IDTR:
	case XR_LDTR_TR:
		return cpu2_12(v, CPU2_DESC);
	case XR_WBINVD:
		return cpu2_12(v, CPU2_WBINVD);
	case XR_RDRAND:
		return cpu2_12(v, CPU2_RDRAND);
	case XR_RDSEED:
		return cpu2_12(v, CPU2_RDSEED);
	case XR_INVPCID:
		return cpu2_12(v, CPU2_INVPCID) && cpu12(v, CPU_INVLPG);
	case XR_INTR_WINDOW:
		return cpu12(v, CPU_INTR_WINDOW);
	case XR_NMI_WINDOW:
		return cpu12(v, CPU_NMI_WINDOW);
	default:
		return true;
	}
}

/* ---- the exit ---- */

/* Guest state that L1 is likely to look at, and the CR bits each of the three owners has (28.3.1). */
#define SAVED(f) (direct ? (m->val[F_##f] = mach_vmread(ENC_##f)) : nv_get(m, F_##f))
#define SAVE(f) (val[F_##f] = SAVED(f))
#define SAVED_WORD0 \
	(NV_BIT(F_GUEST_RIP) | NV_BIT(F_GUEST_RSP) | NV_BIT(F_GUEST_RFLAGS) | NV_BIT(F_GUEST_INTERRUPTIBILITY) | NV_BIT(F_GUEST_PENDING_DBG) | \
	 NV_BIT(F_GUEST_CS_AR) | NV_BIT(F_GUEST_SS_AR) | NV_BIT(F_GUEST_CS_BASE) | NV_BIT(F_GUEST_CR0) | NV_BIT(F_GUEST_CR3) | \
	 NV_BIT(F_GUEST_CR4) | NV_BIT(F_GUEST_EFER) | NV_BIT(F_GUEST_ACTIVITY))
_Static_assert(F_GUEST_EFER < 64 && F_GUEST_CS_BASE < 64, "SAVED_WORD0");

/* direct: nothing waits to be written to vmcs02, so all of it can be read from the CPU without asking what is known already. */
static nv_inline void save_l2_state(struct nv_vcpu *v, bool direct)
{
	struct nv_vmcs *m = &v->vmcs02;
	u64 *val = v->n->val12, hw, efer, theirs;

	SAVE(GUEST_RIP);
	SAVE(GUEST_RSP);
	SAVE(GUEST_RFLAGS);
	SAVE(GUEST_INTERRUPTIBILITY);
	SAVE(GUEST_ACTIVITY);
	if (v->hlt)
		val[F_GUEST_ACTIVITY] = ACT_HLT;
	SAVE(GUEST_PENDING_DBG);
	SAVE(GUEST_CS_AR);
	SAVE(GUEST_SS_AR);
	SAVE(GUEST_CS_BASE);
	SAVE(GUEST_CR3);
	if (!nv_params.ept)
		val[F_GUEST_CR3] = v->n->cr3[NV_L2];
	/* A bit is L1's (as L1 left it), or L0's (L2 has its own idea of it in the read shadow), or in the register. */
	theirs = val[F_CR0_MASK];
	hw = SAVED(GUEST_CR0);
	val[F_GUEST_CR0] = (hw & ~nv_get(m, F_CR0_MASK)) | (val[F_GUEST_CR0] & theirs) | (nv_get(m, F_CR0_SHADOW) & v->cr0_mask01 & ~theirs);
	theirs = val[F_CR4_MASK];
	hw = SAVED(GUEST_CR4);
	val[F_GUEST_CR4] = (hw & ~nv_get(m, F_CR4_MASK)) | (val[F_GUEST_CR4] & theirs) | (nv_get(m, F_CR4_SHADOW) & v->cr4_mask01 & ~theirs);
	efer = SAVED(GUEST_EFER);
	if (val[F_EXIT_CTL] & EXIT_SAVE_EFER)
		val[F_GUEST_EFER] = efer;
	val[F_ENTRY_CTL] = (val[F_ENTRY_CTL] & ~ENTRY_IA32E) | (efer & EF_LMA ? ENTRY_IA32E : 0);
	if (cpu2_12(v, CPU2_VID))
		val[F_GUEST_INTR_STATUS] = nv_get(m, F_GUEST_INTR_STATUS);
	if (direct)
		m->valid[0] |= SAVED_WORD0;
}

u32 nv_timer_left(struct nv_vcpu *v)
{
	return v->n->timer_forced ? v->n->timer_left : (u32)nv_get(&v->vmcs02, F_PREEMPT_TIMER);
}

void nv_save_l2_state(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02;

	if (v->cur == m && !(m->dirty[0] & SAVED_WORD0))
		save_l2_state(v, true);
	else
		save_l2_state(v, false);
}

static void save_l2(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;

	nv_save_l2_state(v);
	if (n->own_timer && (V(EXIT_CTL) & EXIT_SAVE_PREEMPT))
		V(PREEMPT_TIMER) = nv_timer_left(v);
	V(ENTRY_INTR_INFO) &= ~(u64)INFO_VALID; /* 28.2 */
	n->seg_stale = true;
}

/* L1's state after an exit: every field, and its value from the host area (28.5.1 - 28.5.4). */
#define AR_DATA64 0xc093u /* present, read/write, accessed, G, D/B */
#define AR_CODE64 0xa09bu /* present, execute/read, accessed, G, L */
#define AR_TSS64 0x8bu
#define AR_NONE 0x10000u
#define DATA_SEG(H, S, base) \
	H(S##_SEL, V(HOST_##S##_SEL)) H(S##_BASE, base) H(S##_LIMIT, 0xffffffff) H(S##_AR, V(HOST_##S##_SEL) ? AR_DATA64 : AR_NONE)
#define HOST01(H) \
	DATA_SEG(H, ES, 0) \
	H(CS_SEL, V(HOST_CS_SEL)) H(CS_BASE, 0) H(CS_LIMIT, 0xffffffff) H(CS_AR, AR_CODE64) \
	DATA_SEG(H, SS, 0) DATA_SEG(H, DS, 0) DATA_SEG(H, FS, V(HOST_FS_BASE)) DATA_SEG(H, GS, V(HOST_GS_BASE)) \
	H(LDTR_SEL, 0) H(LDTR_BASE, 0) H(LDTR_LIMIT, 0xffffffff) H(LDTR_AR, AR_NONE) \
	H(TR_SEL, V(HOST_TR_SEL)) H(TR_BASE, V(HOST_TR_BASE)) H(TR_LIMIT, 0x67) H(TR_AR, AR_TSS64) \
	H(GDTR_BASE, V(HOST_GDTR_BASE)) H(GDTR_LIMIT, 0xffff) H(IDTR_BASE, V(HOST_IDTR_BASE)) H(IDTR_LIMIT, 0xffff) \
	H(SYSENTER_CS, V(HOST_SYSENTER_CS)) H(SYSENTER_ESP, V(HOST_SYSENTER_ESP)) H(SYSENTER_EIP, V(HOST_SYSENTER_EIP)) \
	H(DR7, 0x400) H(DEBUGCTL, 0) H(INTERRUPTIBILITY, 0) H(ACTIVITY, 0) H(PENDING_DBG, 0) \
	H(CR0, (V(HOST_CR0) | v->cr0_force) & ~v->cr0_clear) H(CR4, (V(HOST_CR4) | v->cr4_force) & ~v->cr4_clear) \
	H(CR3, nv_params.ept ? V(HOST_CR3) : mach_pa(v->mmu->shadow[NV_L1].top)) \
	H(RIP, V(HOST_RIP)) H(RFLAGS, FL_FIXED) \
	H(RSP, 0) H(EFER, 0) /* load_l1_state() has them: L1 writes HOST_RSP without an exit, EFER may be L2's */

/* Kept until L1 writes a host field. */
static void build_host01(struct nv_vcpu *v)
{
	u64 *h = v->n->host01;

#define H(f, val) h[F_GUEST_##f] = val;
	HOST01(H)
#undef H
	v->n->host01_ok = true;
}

/*
 * Straight to the VMCS, past the image: this is the longest part of a round trip, so it is written out. All of it may have been
 * changed by L1 since it was last written, and reading a field to see whether it was costs as much as writing it.
 */
static void write_host01(struct nv_vcpu *v)
{
	static const u64 mask[NV_FWORDS] = {
#define H(f, val) | (F_GUEST_##f / 64 == 0 ? NV_BIT(F_GUEST_##f % 64) : 0)
		0 HOST01(H),
#undef H
#define H(f, val) | (F_GUEST_##f / 64 == 1 ? NV_BIT(F_GUEST_##f % 64) : 0)
		0 HOST01(H),
#undef H
#define H(f, val) | (F_GUEST_##f / 64 == 2 ? NV_BIT(F_GUEST_##f % 64) : 0)
		0 HOST01(H),
#undef H
	};
	struct nv_vmcs *m = &v->vmcs01;
	const u64 *h = v->n->host01;
	unsigned int w;

#define H(f, val) mach_vmwrite(ENC_GUEST_##f, h[F_GUEST_##f]);
	HOST01(H)
#undef H
	mach_vmwrite(ENC_ENTRY_CTL, nv_caps.entry | ENTRY_IA32E);
#pragma GCC unroll 3
	for (w = 0; w < NV_FWORDS; w++) {
		m->valid[w] &= ~mask[w];
		m->dirty[w] &= ~mask[w];
	}
	m->valid[F_ENTRY_CTL / 64] &= ~NV_BIT(F_ENTRY_CTL % 64);
	m->dirty[F_ENTRY_CTL / 64] &= ~NV_BIT(F_ENTRY_CTL % 64);
}

void nv_load_l1_state(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	struct nv_vmcs *m = &v->vmcs01;
	/* The MSRs an exit does not load are as L2 left them; a failed entry has changed nothing. */
	struct nv_vmcs *from = v->in_l2 ? &v->vmcs02 : m;
	u64 efer = nv_get(from, F_GUEST_EFER), pat = 0;
	bool keep_pat = (nv_caps.entry & ENTRY_LOAD_PAT) && from != m && !(V(EXIT_CTL) & EXIT_LOAD_PAT);

	if (keep_pat)
		pat = nv_get(from, F_GUEST_PAT);
	nv_shadow_after_exit(v);
	v->in_l2 = v->hlt = false;
	n->run_pending = n->own_timer = n->timer_forced = n->ev.force_exit = n->ev.mtf = false;
	if (v->cur != m)
		mach_vmcs_load(v, m);
	if (!n->host01_ok)
		build_host01(v);
	n->host01[F_GUEST_RSP] = V(HOST_RSP);
	n->host01[F_GUEST_EFER] = V(EXIT_CTL) & EXIT_LOAD_EFER ? V(HOST_EFER) : efer | EF_LMA | EF_LME;
	write_host01(v);
	nv_put(m, F_CR0_SHADOW, V(HOST_CR0));
	nv_put(m, F_CR4_SHADOW, V(HOST_CR4));
	if (V(EXIT_CTL) & EXIT_LOAD_PAT)
		nv_put(m, F_GUEST_PAT, V(HOST_PAT));
	else if (keep_pat)
		nv_put(m, F_GUEST_PAT, pat);
	if (!nv_params.ept) {
		struct nv_root *r = &v->mmu->shadow[NV_L1];

		if (r->key != V(HOST_CR3) || !cpu2_12(v, CPU2_VPID))
			nv_root_drop(v, r);
		n->cr3[NV_L1] = r->key = V(HOST_CR3);
		nv_shadow_enter(v);
	}
	if (!cpu2_12(v, CPU2_VPID))
		nv_request_flush(v, NV_FL_VPID01 | NV_FL_VPID02);
	if (V(EXIT_LOAD_COUNT) && nv_load_msrs(v, V(EXIT_LOAD_ADDR), (u32)V(EXIT_LOAD_COUNT))) {
		u32 code = VA_LOAD_MSR;

		n->vmcs12->abort = code;
		(void)mach_write_guest(v->vm, n->ptr12 + offsetof(struct nv_vmcs12, abort), &code, 4);
		n->aborted = true;
	}
	mach_barrier(v);
}

/* Everything but reason, qualification and interruption information, which the callers set before. */
static void leave_l2(struct nv_vcpu *v, u32 reason)
{
	struct nv_nested *n = v->n;
	struct nv_events *ev = &n->ev;

	/* An event that was on its way to L2 goes back to L1 (28.2.4). */
	V(IDT_INFO) = ev->inj_info;
	V(IDT_ERR) = ev->inj_info & INFO_ERR ? ev->inj_err : 0;
	ev->inj_info = 0;
	save_l2(v);
	if (V(EXIT_STORE_COUNT) && !nv_store_msrs(v, V(EXIT_STORE_ADDR), (u32)V(EXIT_STORE_COUNT))) {
		n->vmcs12->abort = VA_SAVE_MSR;
		n->aborted = true;
	}
	n->rewalk = false;
	if (reason < NV_NREASONS)
		v->stats.reflected[reason]++;
	nv_load_l1_state(v);
}

void nv_vmexit(struct nv_vcpu *v, u32 reason, u64 qual, u32 intr_info, u32 intr_err)
{
	V(EXIT_REASON) = reason;
	V(EXIT_QUAL) = qual;
	V(EXIT_INTR_INFO) = intr_info;
	V(EXIT_INTR_ERR) = intr_err;
	V(EXIT_INSN_LEN) = v->n->ev.inj_len;
	v->n->exit_tsc = mach_tsc(); /* it may come long after the CPU's own exit */
	V(EXIT_INSN_INFO) = 0;
	leave_l2(v, reason);
}

void nv_reflect(struct nv_vcpu *v, u32 reason, u64 qual)
{
	struct nv_vmcs *m = &v->vmcs02;
	u64 *val = v->n->val12;

	val[F_EXIT_REASON] = reason;
	val[F_EXIT_QUAL] = qual;
	val[F_EXIT_INTR_INFO] = nv_get(m, F_EXIT_INTR_INFO);
	val[F_EXIT_INSN_LEN] = nv_get(m, F_EXIT_INSN_LEN);
	val[F_EXIT_INSN_INFO] = nv_get(m, F_EXIT_INSN_INFO);
	switch (reason) {
	case XR_EXC_NMI:
		V(EXIT_INTR_ERR) = nv_get(m, F_EXIT_INTR_ERR);
		break;
	case XR_EPT_VIOLATION:
	case XR_EPT_MISCONFIG:
		V(GUEST_PHYS) = nv_get(m, F_GUEST_PHYS);
		V(GUEST_LINEAR) = nv_get(m, F_GUEST_LINEAR);
		break;
	case XR_IO: /* INS and OUTS */
	case XR_CR: /* LMSW with a memory operand */
		V(GUEST_LINEAR) = nv_get(m, F_GUEST_LINEAR);
		break;
	default:
		break;
	}
	leave_l2(v, reason);
}

void nv_abandon_l2(struct nv_vcpu *v)
{
	v->n->ev.inj_info = 0; /* it was L2's */
	V(EXIT_LOAD_COUNT) = 0;
	nv_load_l1_state(v);
}
