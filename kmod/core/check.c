// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM-entry checks. checks.h is the table; here are its helpers and its two expansions. A group is checked again only when
 * one of its fields was written since it last passed: state that the CPU itself saved passes by construction.
 */
#include "internal.h"

#define V(f) V12(v, f)
#define cap(c) (nv_caps.l1[c])

/* MAXPHYADDR says nothing of linear addresses; L1 has no CR4.LA57, so they have 48 bits. */
bool nv_canonical(u64 a)
{
	return (u64)((s64)(a << 16) >> 16) == a;
}

static bool page_ok(u64 a)
{
	return !(a & ~NV_PAGE_MASK) && nv_phys_ok(a);
}

static bool list_ok(u64 addr, u64 count)
{
	return !count || (!(addr & 15) && nv_phys_ok(addr) && nv_phys_ok(addr + count * 16 - 1));
}

static bool cr_fixed(u64 val, u64 fixed0, u64 fixed1)
{
	return (val & fixed0) == fixed0 && !(val & ~fixed1);
}

/* Each byte is 0 (UC), 1 (WC), 4 (WT), 5 (WP), 6 (WB) or 7 (UC-). */
static bool pat_ok(u64 pat)
{
	int i;

	for (i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return false;
	return true;
}

static bool eptp_type_ok(u64 eptp)
{
	u64 type = eptp & 7;

	return (type == 6 && (cap(CAP_EPT_VPID) & EVC_WB)) || (type == 0 && (cap(CAP_EPT_VPID) & EVC_UC));
}

/* All four of its checks, for INVEPT. */
bool nv_eptp_ok(u64 eptp)
{
	return eptp_type_ok(eptp) && (eptp & 0x38) == EPTP_WALK4 && !(eptp & 0xf80) && nv_phys_ok(eptp) &&
	       (!(eptp & EPTP_AD) || (cap(CAP_EPT_VPID) & EVC_AD));
}

static bool tpr_threshold_ok(struct nv_vcpu *v)
{
	u32 vtpr = 0;

	if (mach_read_guest(v->vm, V(VIRT_APIC) + 0x80, &vtpr, 4))
		return true; /* not memory: nothing to compare with */
	return (V(TPR_THRESHOLD) & 15) <= (vtpr >> 4 & 15);
}

static bool injects(u32 info, u32 type)
{
	return (info & INFO_VALID) && INFO_TYPE_OF(info) == type;
}

/* Hardware exceptions with an error code; none is pushed in real mode. */
static bool error_code_due(struct nv_vcpu *v, u32 type, u32 vector)
{
	u32 with = 1u << XV_DF | 1u << XV_TS | 1u << XV_NP | 1u << XV_SS | 1u << XV_GP | 1u << XV_PF | 1u << XV_AC;

	if (cpu2_12(v, CPU2_UNRESTRICTED) && !(V(GUEST_CR0) & C0_PE))
		return false;
	return type == EV_HW_EXC && vector < 32 && (with & 1u << vector);
}

/* In HLT: external interrupt, NMI, #DB, #MC or MTF may be injected. */
static bool event_wakes_hlt(u32 info)
{
	u32 vec = info & INFO_VECTOR;

	if (!(info & INFO_VALID))
		return true;
	switch (INFO_TYPE_OF(info)) {
	case EV_EXT:
	case EV_NMI:
	case EV_OTHER:
		return true;
	case EV_HW_EXC:
		return vec == XV_DB || vec == XV_MC;
	default:
		return false;
	}
}

static bool pending_bs_ok(struct nv_vcpu *v)
{
	bool bs = V(GUEST_PENDING_DBG) & NV_BIT(14);
	bool tf = V(GUEST_RFLAGS) & FL_TF, btf = V(GUEST_DEBUGCTL) & DEBUGCTL_BTF;

	if (!(V(GUEST_INTERRUPTIBILITY) & (INTR_STI | INTR_MOV_SS)) && V(GUEST_ACTIVITY) != ACT_HLT)
		return true;
	return bs == (tf && !btf);
}

static bool cs_type_ok(u64 type, bool ur)
{
	return type == 9 || type == 11 || type == 13 || type == 15 || (ur && type == 3);
}

static bool cs_dpl_ok(u64 cs, u64 ss)
{
	u64 type = cs & AR_TYPE;

	if (type == 3)
		return !AR_DPL(cs);
	if (type == 9 || type == 11)
		return AR_DPL(cs) == AR_DPL(ss);
	return AR_DPL(cs) <= AR_DPL(ss);
}

static bool skip(u64 ar)
{
	return ar & AR_UNUSABLE;
}

/* Accessed; code must be readable. */
static bool data_type_ok(u64 type)
{
	return (type & 1) && (!(type & 8) || (type & 2));
}

static bool data_dpl_ok(u64 ar, u64 sel)
{
	return (ar & AR_TYPE) >= 12 || AR_DPL(ar) >= (sel & 3);
}

static bool limit_ok(u64 limit, u64 ar)
{
	if ((limit & 0xfff) != 0xfff && (ar & AR_G))
		return false;
	return !(limit & 0xfff00000u) || (ar & AR_G);
}

static bool link_rev_ok(struct nv_vcpu *v)
{
	u32 rev = 0;

	if (mach_read_guest(v->vm, V(VMCS_LINK), &rev, 4))
		return false;
	return (rev & ~NV_VMCS12_SHADOW) == NV_VMCS12_REV && !(rev & NV_VMCS12_SHADOW) == !cpu2_12(v, CPU2_SHADOW_VMCS);
}

/* Only PAE paging has them. */
static bool has_pdptes(struct nv_vcpu *v)
{
	return !(V(ENTRY_CTL) & ENTRY_IA32E) && (V(GUEST_CR0) & C0_PG) && (V(GUEST_CR4) & C4_PAE);
}

static nv_noinline bool pdptes_ok(struct nv_vcpu *v)
{
	u64 e[4] = { V(GUEST_PDPTE0), V(GUEST_PDPTE1), V(GUEST_PDPTE2), V(GUEST_PDPTE3) };
	int i;

	if (!nv_nested_ept(v) && mach_read_guest(v->vm, V(GUEST_CR3) & 0xffffffe0u, e, sizeof(e)))
		return false;
	for (i = 0; i < 4; i++)
		if ((e[i] & PT_P) && (e[i] & (nv_caps.phys_mask | NV_MASK(2, 1) | NV_MASK(8, 5))))
			return false;
	return true;
}

/* The value IA32_EFER of L1 has while L1 runs. */
static u64 nv_l1_efer(struct nv_vcpu *v)
{
	return nv_get(&v->vmcs01, F_GUEST_EFER);
}

static bool failed(struct nv_vcpu *v, const char *name, const char *sdm, u32 vmfail, u64 qual)
{
	v->n->failed = (struct nv_check_result){ .name = name, .sdm = sdm, .vmfail = vmfail, .qual = qual };
	return false;
}

static nv_noinline bool check_event(struct nv_vcpu *v)
{
	u32 info = (u32)V(ENTRY_INTR_INFO), type = INFO_TYPE_OF(info), vector = info & INFO_VECTOR;

#define C_EVENT(name, sdm, ok) \
	if (!(ok)) \
		return failed(v, #name, sdm, VE_CONTROLS, 0);
#include "checks.h"
#undef C_EVENT
	return true;
}

static nv_noinline bool check_ctl(struct nv_vcpu *v)
{
#define C_CTL(name, sdm, ok) \
	if (!(ok)) \
		return failed(v, #name, sdm, VE_CONTROLS, 0);
#include "checks.h"
#undef C_CTL
	return true;
}

static nv_noinline bool check_host(struct nv_vcpu *v)
{
#define C_HOST(name, sdm, ok) \
	if (!(ok)) \
		return failed(v, #name, sdm, VE_HOST, 0);
#include "checks.h"
#undef C_HOST
	return true;
}

static nv_noinline bool check_hot(struct nv_vcpu *v)
{
	u32 info = (u32)V(ENTRY_INTR_INFO);
	bool pe = V(GUEST_CR0) & C0_PE, lma = V(ENTRY_CTL) & ENTRY_IA32E, vm = V(GUEST_RFLAGS) & FL_VM;
	bool ur = cpu2_12(v, CPU2_UNRESTRICTED);

#define C_HOT(name, sdm, q, ok) \
	if (!(ok)) \
		return failed(v, #name, sdm, 0, q);
#include "checks.h"
#undef C_HOT
	return true;
}

static nv_noinline bool check_seg(struct nv_vcpu *v)
{
	bool pe = V(GUEST_CR0) & C0_PE, lma = V(ENTRY_CTL) & ENTRY_IA32E, vm = V(GUEST_RFLAGS) & FL_VM;
	bool ur = cpu2_12(v, CPU2_UNRESTRICTED);

#define C_SEG(name, sdm, q, ok) \
	if (!(ok)) \
		return failed(v, #name, sdm, 0, q);
#include "checks.h"
#undef C_SEG
	return true;
}

u32 nv_check_controls(struct nv_vcpu *v, u32 groups)
{
	/* The virtual TPR is in memory: L1 changes it without a VMWRITE. */
	if (((groups & NV_G_CTL) || (V(CPU_CTL) & CPU_TPR_SHADOW)) && !check_ctl(v))
		return v->n->failed.vmfail;
	if ((V(ENTRY_INTR_INFO) & INFO_VALID) && !check_event(v))
		return v->n->failed.vmfail;
	if ((groups & (NV_G_HOST | NV_G_CTL)) && !check_host(v))
		return v->n->failed.vmfail;
	return 0;
}

/* What the rules for segments and MSRs depend on, besides their own fields; never 0. */
static u32 seg_mode(struct nv_vcpu *v)
{
	return (u32)((V(GUEST_RFLAGS) & FL_VM) | (V(GUEST_CR0) & C0_PE) |
		     (V(ENTRY_CTL) & (ENTRY_IA32E | ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT))) |
	       (cpu2_12(v, CPU2_UNRESTRICTED) ? 2 : 0) | (cpu2_12(v, CPU2_SHADOW_VMCS) ? 8 : 0) | 0x80000000u;
}

bool nv_check_guest(struct nv_vcpu *v, u32 groups)
{
	u32 mode = seg_mode(v);

	/* What L1 left as the last exit had saved it was the CPU's own state: it holds. */
	if ((groups || mode != v->n->seg_mode) && !check_hot(v))
		return false;
	if ((groups & NV_G_SEG) || mode != v->n->seg_mode) {
		nv_sync_seg12(v);
		if (!check_seg(v))
			return false;
		v->n->seg_mode = mode;
	}
#define C_PDPTE(name, sdm, q, ok) \
	if (!(ok)) \
		return failed(v, #name, sdm, 0, q);
#include "checks.h"
#undef C_PDPTE
	return true;
}

const struct nv_check_result nv_check_table[] = {
#define C_CTL(name, sdm, ok) { #name, sdm, VE_CONTROLS, 0 },
#define C_EVENT(name, sdm, ok) { #name, sdm, VE_CONTROLS, 0 },
#define C_HOST(name, sdm, ok) { #name, sdm, VE_HOST, 0 },
#define C_HOT(name, sdm, q, ok) { #name, sdm, 0, q },
#define C_SEG(name, sdm, q, ok) { #name, sdm, 0, q },
#define C_PDPTE(name, sdm, q, ok) { #name, sdm, 0, q },
#include "checks.h"
	{ NULL, NULL, 0, 0 }
};
