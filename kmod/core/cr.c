// SPDX-License-Identifier: GPL-2.0-only
/* Control and debug registers, EFER, and what they mean for the running level. */
#include "internal.h"

#define V(f) V12(v, f)

u64 nv_reg(struct nv_vcpu *v, u32 r)
{
	return (r & 15) == R_RSP ? nv_get(v->cur, F_GUEST_RSP) : v->regs[r & 15];
}

void nv_set_reg(struct nv_vcpu *v, u32 r, u64 val)
{
	if ((r & 15) == R_RSP)
		nv_put(v->cur, F_GUEST_RSP, val);
	else
		v->regs[r & 15] = val;
}

u64 nv_guest_efer(struct nv_vcpu *v)
{
	return nv_get(v->cur, F_GUEST_EFER);
}

bool nv_long64(struct nv_vcpu *v)
{
	return (nv_guest_efer(v) & EF_LMA) && (nv_get(v->cur, F_GUEST_CS_AR) & AR_L);
}

int nv_cpl(struct nv_vcpu *v)
{
	return (int)AR_DPL(nv_get(v->cur, F_GUEST_SS_AR));
}

u64 nv_guest_cr3(struct nv_vcpu *v)
{
	return nv_params.ept ? nv_get(v->cur, F_GUEST_CR3) : v->n->cr3[v->in_l2];
}

u64 nv_read_cr0_01(struct nv_vcpu *v)
{
	return nv_mix_cr0(nv_get(&v->vmcs01, F_GUEST_CR0), nv_get(&v->vmcs01, F_CR0_SHADOW), v->cr0_mask01);
}

u64 nv_read_cr4_01(struct nv_vcpu *v)
{
	return nv_mix_cr0(nv_get(&v->vmcs01, F_GUEST_CR4), nv_get(&v->vmcs01, F_CR4_SHADOW), v->cr4_mask01);
}

/*
 * What governs the running level: L1's own, or what L1 has set for L2 (not what L2 reads). Bits that L0 forces in the hardware
 * for shadow paging (WP, PAE) are taken from whoever owns them.
 */
u64 nv_read_cr0(struct nv_vcpu *v)
{
	u64 hw, theirs;

	if (!v->in_l2)
		return nv_read_cr0_01(v);
	hw = nv_get(&v->vmcs02, F_GUEST_CR0);
	if (nv_params.ept)
		return hw;
	theirs = nv_mix_cr0(nv_get(&v->vmcs02, F_CR0_SHADOW), V(GUEST_CR0), V(CR0_MASK));
	return nv_mix_cr0(hw, theirs, v->cr0_mask01);
}

u64 nv_read_cr4(struct nv_vcpu *v)
{
	u64 hw, theirs;

	if (!v->in_l2)
		return nv_read_cr4_01(v);
	hw = nv_get(&v->vmcs02, F_GUEST_CR4);
	if (nv_params.ept)
		return hw;
	theirs = nv_mix_cr0(nv_get(&v->vmcs02, F_CR4_SHADOW), V(GUEST_CR4), V(CR4_MASK));
	return nv_mix_cr0(hw, theirs, v->cr4_mask01);
}

void nv_write_cr0_01(struct nv_vcpu *v, u64 cr0)
{
	nv_put(&v->vmcs01, F_CR0_SHADOW, cr0);
	nv_put(&v->vmcs01, F_GUEST_CR0, (cr0 | v->cr0_force) & ~v->cr0_clear);
}

void nv_write_cr4_01(struct nv_vcpu *v, u64 cr4)
{
	nv_put(&v->vmcs01, F_CR4_SHADOW, cr4);
	nv_put(&v->vmcs01, F_GUEST_CR4, (cr4 | v->cr4_force) & ~v->cr4_clear);
}

/* Bits of CR0 L2 may not set or clear for itself are L1's (mask); it exits for those. The others go where they belong. */
static void write_cr0(struct nv_vcpu *v, u64 val)
{
	u64 mask;

	if (!v->in_l2) {
		nv_write_cr0_01(v, val);
		return;
	}
	mask = V(CR0_MASK);
	nv_put(v->cur, F_CR0_SHADOW, (V(CR0_SHADOW) & mask) | (val & ~mask));
	val = (V(GUEST_CR0) & mask) | (val & ~mask);
	nv_put(v->cur, F_GUEST_CR0, (val | v->cr0_force) & ~v->cr0_clear);
}

static void write_cr4(struct nv_vcpu *v, u64 val)
{
	u64 mask;

	if (!v->in_l2) {
		nv_write_cr4_01(v, val);
		return;
	}
	mask = V(CR4_MASK);
	nv_put(v->cur, F_CR4_SHADOW, (V(CR4_SHADOW) & mask) | (val & ~mask));
	val = (V(GUEST_CR4) & mask) | (val & ~mask);
	nv_put(v->cur, F_GUEST_CR4, (val | v->cr4_force | (nv_params.ept ? 0 : C4_PAE)) & ~v->cr4_clear);
}

/* PAE paging keeps its PDPTEs in registers; with EPT they are in the VMCS (27.3.2.4). False: #GP. */
static bool load_pdptes(struct nv_vcpu *v, u64 cr3)
{
	struct nv_space under;
	u64 e[4];
	int i;

	memset(&under, 0, sizeof(under));
	if (v->in_l2 && nv_nested_ept(v))
		nv_space_ept12(v, &under);
	for (i = 0; i < 4; i++) {
		struct nv_walk w;

		if (nv_walk(v, &under, (cr3 & 0xffffffe0u) + 8u * (u32)i, NV_R, &w) != NV_WALK_OK ||
		    mach_read_guest(v->vm, w.pa, &e[i], 8))
			return false;
		if ((e[i] & PT_P) && (e[i] & (nv_caps.phys_mask | NV_MASK(2, 1) | NV_MASK(8, 5))))
			return false;
	}
	nv_put(v->cur, F_GUEST_PDPTE0, e[0]);
	nv_put(v->cur, F_GUEST_PDPTE1, e[1]);
	nv_put(v->cur, F_GUEST_PDPTE2, e[2]);
	nv_put(v->cur, F_GUEST_PDPTE3, e[3]);
	return true;
}

/* MOV to CR0 where L0 owns a bit that changes. False: #GP. */
static bool set_cr0(struct nv_vcpu *v, u64 val)
{
	u64 old = nv_read_cr0(v), efer = nv_guest_efer(v);
	bool fixed = v->in_l2 ? !cpu2_12(v, CPU2_UNRESTRICTED) : v->n->vmxon || !nv_params.unrestricted;

	val |= C0_ET;
	if (val >> 32 || ((val & C0_PG) && !(val & C0_PE)) || ((val & C0_NW) && !(val & C0_CD)))
		return false;
	/* VMX operation fixes NE, and PE and PG where there are no unrestricted guests (24.8). */
	if (fixed && (val & (C0_PE | C0_PG)) != (C0_PE | C0_PG))
		return false;
	if ((v->in_l2 || v->n->vmxon) && !(val & C0_NE))
		return false;
	if ((val ^ old) & C0_PG) {
		if ((val & C0_PG) && (efer & EF_LME)) {
			if (!(nv_read_cr4(v) & C4_PAE) || (nv_get(v->cur, F_GUEST_CS_AR) & AR_L))
				return false;
			efer |= EF_LMA;
		} else {
			efer &= ~EF_LMA;
		}
		if ((val & C0_PG) && !(efer & EF_LMA) && (nv_read_cr4(v) & C4_PAE) && !load_pdptes(v, nv_guest_cr3(v)))
			return false;
		nv_put(v->cur, F_GUEST_EFER, efer);
		nv_put(v->cur, F_ENTRY_CTL, nv_caps.entry | (efer & EF_LMA ? ENTRY_IA32E : 0));
		nv_request_flush(v, NV_FL_VPID01 | NV_FL_VPID02);
	}
	write_cr0(v, val);
	/* Shadow entries were made for the old WP. */
	if (!nv_params.ept && ((val ^ old) & C0_WP)) {
		nv_root_drop(v, &v->mmu->shadow[v->in_l2]);
		nv_request_flush(v, NV_FL_VPID01 | NV_FL_VPID02);
	}
	return true;
}

static bool set_cr4(struct nv_vcpu *v, u64 val)
{
	u64 old = nv_read_cr4(v);

	if (val & ~nv_caps.l1[CAP_CR4_1])
		return false;
	if ((v->in_l2 || v->n->vmxon) && !(val & C4_VMXE))
		return false;
	if ((nv_guest_efer(v) & EF_LMA) && !(val & C4_PAE))
		return false;
	if (!nv_params.ept && (val & C4_PCIDE))
		return false;
	/* Protection keys: PKRU is not switched. */
	if (val & (C4_PKE | C4_PKS))
		return false;
	if (nv_params.ept && (val & C4_PAE) && (nv_read_cr0(v) & C0_PG) && !(nv_guest_efer(v) & EF_LMA) && ((val ^ old) & (C4_PAE | C4_PGE | C4_PSE)) &&
	    !load_pdptes(v, nv_guest_cr3(v)))
		return false;
	write_cr4(v, val);
	if ((val ^ old) & (C4_PAE | C4_PGE | C4_PSE | C4_SMEP | C4_SMAP)) {
		nv_request_flush(v, NV_FL_VPID01 | NV_FL_VPID02);
		if (!nv_params.ept)
			nv_root_drop(v, &v->mmu->shadow[v->in_l2]);
	}
	return true;
}

/* Only with shadow paging, or when L1 does not want L2's: the guest's TLB is flushed by it. */
static bool set_cr3(struct nv_vcpu *v, u64 val)
{
	if (val & nv_caps.phys_mask)
		return false;
	if (nv_params.ept) {
		nv_put(v->cur, F_GUEST_CR3, val);
	} else {
		struct nv_root *r = &v->mmu->shadow[v->in_l2];

		nv_root_drop(v, r);
		v->n->cr3[v->in_l2] = r->key = val;
	}
	nv_request_flush(v, v->in_l2 ? NV_FL_VPID02 : NV_FL_VPID01);
	return true;
}

int nv_handle_cr(struct nv_vcpu *v)
{
	u64 qual = nv_get(v->cur, F_EXIT_QUAL), val = nv_reg(v, qual >> 8 & 15);
	u32 cr = qual & 15;
	bool ok = true;

	switch (qual >> 4 & 3) {
	case 0:
		if (!nv_long64(v))
			val = (u32)val;
		if (cr == 8) {
			if (val >> 4) {
				ok = false;
				break;
			}
			v->cr8 = val;
			nv_skip_insn(v);
			v->ux.type = NV_UX_SET_TPR;
			return NV_USER;
		}
		ok = cr == 0 ? set_cr0(v, val) : cr == 3 ? set_cr3(v, val) : cr == 4 ? set_cr4(v, val) : false;
		break;
	case 1:
		nv_set_reg(v, qual >> 8 & 15, cr == 8 ? v->cr8 : nv_guest_cr3(v));
		break;
	case 2:
		write_cr0(v, nv_mix_cr0(nv_get(v->cur, F_GUEST_CR0), nv_get(v->cur, F_CR0_SHADOW), nv_get(v->cur, F_CR0_MASK)) & ~C0_TS);
		break;
	default: /* LMSW: PE can only be set */
		val = nv_mix_cr0(nv_get(v->cur, F_GUEST_CR0), nv_get(v->cur, F_CR0_SHADOW), nv_get(v->cur, F_CR0_MASK));
		ok = set_cr0(v, (val & ~0xeull) | (qual >> 16 & 15));
		break;
	}
	if (ok)
		nv_skip_insn(v);
	else
		nv_inject_gp(v, 0);
	return NV_RESUME;
}

int nv_handle_dr(struct nv_vcpu *v)
{
	u64 qual = nv_get(v->cur, F_EXIT_QUAL), val;
	u32 dr = qual & 7, reg = qual >> 8 & 15;

	if (nv_cpl(v)) {
		nv_inject_gp(v, 0);
		return NV_RESUME;
	}
	if (dr == 4 || dr == 5) {
		if (nv_read_cr4(v) & C4_DE) {
			nv_inject_ud(v);
			return NV_RESUME;
		}
		dr += 2;
	}
	/* The exit takes priority over general detect (26.1.1). */
	if (nv_get(v->cur, F_GUEST_DR7) & DR7_GD) {
		nv_inject_db(v, DBG_BD);
		return NV_RESUME;
	}
	if (qual & NV_BIT(4)) {
		nv_set_reg(v, reg, dr == 7 ? nv_get(v->cur, F_GUEST_DR7) : mach_get_dr(v, (int)dr));
	} else {
		val = nv_reg(v, reg);
		if (!nv_long64(v))
			val = (u32)val;
		if (dr >= 6 && val >> 32) {
			nv_inject_gp(v, 0);
			return NV_RESUME;
		}
		if (dr == 7)
			nv_put(v->cur, F_GUEST_DR7, (val & 0xffff2fffu) | 0x400);
		else
			mach_set_dr(v, (int)dr, val);
	}
	nv_skip_insn(v);
	return NV_RESUME;
}

bool nv_set_efer(struct nv_vcpu *v, u64 efer)
{
	u64 old = nv_guest_efer(v);

	if (efer & ~(EF_SCE | EF_LME | EF_LMA | EF_NX))
		return false;
	if (((efer ^ old) & EF_LME) && (nv_read_cr0(v) & C0_PG))
		return false;
	nv_put(v->cur, F_GUEST_EFER, (efer & ~EF_LMA) | (old & EF_LMA));
	if (!nv_params.ept && ((efer ^ old) & EF_NX)) {
		nv_root_drop(v, &v->mmu->shadow[v->in_l2]);
		nv_request_flush(v, NV_FL_VPID01 | NV_FL_VPID02);
	}
	return true;
}
