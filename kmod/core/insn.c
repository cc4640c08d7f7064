// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX instructions by L1 (SDM 3C chapter 31). Each follows the order of its Operation section: #UD, then #GP for CPL, then what
 * reads the operand (#SS, #GP, #PF), then VMfail.
 */
#include "internal.h"

#define V(f) V12(v, f)

/* ---- results (31.2) ---- */

#define FL_STATUS (FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF)

static int done(struct nv_vcpu *v, u64 flags)
{
	nv_put(v->cur, F_GUEST_RFLAGS, (nv_get(v->cur, F_GUEST_RFLAGS) & ~FL_STATUS) | flags);
	nv_skip_insn(v);
	return NV_RESUME;
}

static int vmsucceed(struct nv_vcpu *v)
{
	return done(v, 0);
}

static int vmfail_invalid(struct nv_vcpu *v)
{
	return done(v, FL_CF);
}

void nv_vmfail(struct nv_vcpu *v, u32 err)
{
	if (v->n->ptr12 == NV_NOMAP) {
		vmfail_invalid(v);
		return;
	}
	V(INSN_ERROR) = err;
	done(v, FL_ZF);
}

static int vmfail(struct nv_vcpu *v, u32 err)
{
	nv_vmfail(v, err);
	return NV_RESUME;
}

/* ---- operands ---- */

/* 8 bytes at the memory operand. 0, or 1: fault queued */
static int read_m64(struct nv_vcpu *v, u64 *ret)
{
	u64 lin;

	if (nv_operand_linear(v, nv_get(v->cur, F_EXIT_QUAL), (u32)nv_get(v->cur, F_EXIT_INSN_INFO), false, 8, &lin))
		return 1;
	return nv_read_linear(v, lin, ret, 8);
}

/* True when the instruction may go on: in VMX root operation, at CPL 0 (CVE-2018-12904: before any operand is read). */
static bool permitted(struct nv_vcpu *v)
{
	if (!v->n->vmxon) {
		nv_inject_ud(v);
		return false;
	}
	if (nv_cpl(v)) {
		nv_inject_gp(v, 0);
		return false;
	}
	return true;
}

static bool ptr_ok(u64 ptr)
{
	return !(ptr & ~NV_PAGE_MASK) && nv_phys_ok(ptr);
}

/* ---- VMXON, VMXOFF ---- */

static nv_noinline int insn_vmxon(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	u64 cr0 = nv_read_cr0_01(v), cr4 = nv_read_cr4_01(v);
	u64 ptr;
	u32 rev;
	int r;

	if (n->vmxon) {
		if (nv_cpl(v)) {
			nv_inject_gp(v, 0);
			return NV_RESUME;
		}
		/* The region in use stays as it is: nothing is mapped or counted twice (CVE-2017-2596). */
		return vmfail(v, VE_VMXON_IN_ROOT);
	}
	if (nv_cpl(v) || (cr0 & nv_caps.l1[CAP_CR0_0]) != nv_caps.l1[CAP_CR0_0] || (cr0 & ~nv_caps.l1[CAP_CR0_1]) ||
	    (cr4 & nv_caps.l1[CAP_CR4_0]) != nv_caps.l1[CAP_CR4_0] || (cr4 & ~nv_caps.l1[CAP_CR4_1]) ||
	    (n->feature_control & (FC_LOCKED | FC_VMX_OUTSIDE_SMX)) != (FC_LOCKED | FC_VMX_OUTSIDE_SMX)) {
		nv_inject_gp(v, 0);
		return NV_RESUME;
	}
	r = read_m64(v, &ptr);
	if (r)
		return r < 0 ? r : NV_RESUME;
	if (!ptr_ok(ptr) || mach_read_guest(v->vm, ptr, &rev, 4) || rev != NV_VMCS12_REV)
		return vmfail_invalid(v);
	n->vmxon = true;
	n->vmxon_ptr = ptr;
	n->ptr12 = NV_NOMAP;
	return vmsucceed(v);
}

static int insn_vmxoff(struct nv_vcpu *v)
{
	nv_flush12(v);
	v->n->vmxon = false;
	v->n->vmxon_ptr = NV_NOMAP;
	return vmsucceed(v);
}

/* ---- VMCLEAR, VMPTRLD, VMPTRST ---- */

static nv_noinline int insn_vmclear(struct nv_vcpu *v)
{
	u32 zero = 0;
	u64 ptr;
	int r = read_m64(v, &ptr);

	if (r)
		return r < 0 ? r : NV_RESUME;
	if (!ptr_ok(ptr))
		return vmfail(v, VE_VMCLEAR_ADDR);
	if (ptr == v->n->vmxon_ptr)
		return vmfail(v, VE_VMCLEAR_VMXON);
	if (ptr == v->n->ptr12) {
		v->n->vmcs12->launched = 0;
		nv_flush12(v);
	} else {
		/* A region that is not memory: nothing to write, and no error is defined for it. */
		(void)mach_write_guest(v->vm, ptr + offsetof(struct nv_vmcs12, launched), &zero, 4);
	}
	return vmsucceed(v);
}

static nv_noinline int insn_vmptrld(struct nv_vcpu *v)
{
	u32 rev;
	u64 ptr;
	int r = read_m64(v, &ptr);

	if (r)
		return r < 0 ? r : NV_RESUME;
	if (!ptr_ok(ptr))
		return vmfail(v, VE_PTRLD_ADDR);
	if (ptr == v->n->vmxon_ptr)
		return vmfail(v, VE_PTRLD_VMXON);
	if (ptr == v->n->ptr12)
		return vmsucceed(v);
	/* Memory that is not there reads as ones: a wrong revision. */
	if (mach_read_guest(v->vm, ptr, &rev, 4) || (rev & ~NV_VMCS12_SHADOW) != NV_VMCS12_REV ||
	    ((rev & NV_VMCS12_SHADOW) && !nv_caps.needs[NV_N_SHADOW_VMCS]))
		return vmfail(v, VE_PTRLD_REV);
	if (nv_ptrld12(v, ptr))
		return vmfail(v, VE_PTRLD_REV);
	return vmsucceed(v);
}

static nv_noinline int insn_vmptrst(struct nv_vcpu *v)
{
	u64 lin;
	int r;

	if (nv_operand_linear(v, nv_get(v->cur, F_EXIT_QUAL), (u32)nv_get(v->cur, F_EXIT_INSN_INFO), true, 8, &lin))
		return NV_RESUME;
	r = nv_write_linear(v, lin, &v->n->ptr12, 8);
	if (r)
		return r < 0 ? r : NV_RESUME;
	return vmsucceed(v);
}

/* ---- VMREAD, VMWRITE ---- */

/* Field of an encoding in a register; 64-bit mode looks at all bits, else 32. -1: no such field for L1. */
static int field_of(struct nv_vcpu *v, u64 enc)
{
	int f = nv_field_of(nv_long64(v) ? enc : (u32)enc);

	return nv_field_offered(f) ? f : -1;
}

/* Destination of VMREAD or source of VMWRITE, as the instruction information says (table 28-14). */
static int operand_write(struct nv_vcpu *v, u32 info, u64 val)
{
	u32 size = nv_long64(v) ? 8 : 4;
	u64 lin;
	int r;

	if (info & NV_BIT(10)) {
		nv_set_reg(v, info >> 3 & 15, size == 8 ? val : (u32)val);
		return 0;
	}
	r = nv_operand_linear(v, nv_get(v->cur, F_EXIT_QUAL), info, true, size, &lin);
	return r ? r : nv_write_linear(v, lin, &val, size);
}

static int operand_read(struct nv_vcpu *v, u32 info, u64 *ret)
{
	u32 size = nv_long64(v) ? 8 : 4;
	u64 lin;
	int r;

	*ret = 0;
	if (info & NV_BIT(10)) {
		*ret = nv_reg(v, info >> 3 & 15);
		if (size == 4)
			*ret = (u32)*ret;
		return 0;
	}
	r = nv_operand_linear(v, nv_get(v->cur, F_EXIT_QUAL), info, false, size, &lin);
	return r ? r : nv_read_linear(v, lin, ret, size);
}

static nv_noinline int insn_vmread(struct nv_vcpu *v)
{
	u32 info = (u32)nv_get(v->cur, F_EXIT_INSN_INFO);
	u64 enc = nv_reg(v, info >> 28 & 15);
	int f, r;

	if (v->n->ptr12 == NV_NOMAP)
		return vmfail_invalid(v);
	f = field_of(v, enc);
	if (f < 0)
		return vmfail(v, VE_FIELD);
	v->stats.vmread[f]++;
	if (nv_fields[f].group == NV_G_SEG)
		nv_sync_seg12(v);
	else if (nv_fields[f].shadow != NV_S_NO)
		nv_shadow_to_12(v, v->cur);
	r = operand_write(v, info, nv_read_field(v->n->val12, f, enc));
	if (r)
		return r < 0 ? r : NV_RESUME;
	return vmsucceed(v);
}

static nv_noinline int insn_vmwrite(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	u32 info = (u32)nv_get(v->cur, F_EXIT_INSN_INFO);
	u64 enc = nv_reg(v, info >> 28 & 15), val;
	int f, r;

	if (n->ptr12 == NV_NOMAP)
		return vmfail_invalid(v);
	r = operand_read(v, info, &val);
	if (r)
		return r < 0 ? r : NV_RESUME;
	f = field_of(v, enc);
	if (f < 0)
		return vmfail(v, VE_FIELD);
	/* Type 1 fields are exit information: writable only where IA32_VMX_MISC says so. */
	if ((enc >> 10 & 3) == 1 && !(nv_caps.l1[CAP_MISC] & MISC_VMWRITE_ALL))
		return vmfail(v, VE_READ_ONLY);
	v->stats.vmwrite[f]++;
	if (nv_fields[f].group == NV_G_SEG)
		nv_sync_seg12(v); /* the whole group is merged again: it must be up to date */
	if (nv_fields[f].shadow != NV_S_NO)
		nv_shadow_to_12(v, v->cur);
	nv_write_field(n->val12, f, enc, val);
	n->dirty12 |= nv_fields[f].group;
	n->check12 |= nv_fields[f].group;
	if (nv_fields[f].group == NV_G_HOST || f == F_EXIT_CTL)
		n->host01_ok = false;
	if (nv_fields[f].shadow != NV_S_NO)
		nv_shadow_from_12(v, v->cur);
	return vmsucceed(v);
}

/*
 * VMREAD and VMWRITE by L2 where L1 uses VMCS shadowing (25.10, 31.3): the field's bit in L1's bitmap decides. The shadow
 * VMCS is in L1's memory, in our layout. Returns 1 when the exit is L1's.
 */
int nv_l2_vmread_vmwrite(struct nv_vcpu *v, u32 reason)
{
	u32 info = (u32)nv_get(v->cur, F_EXIT_INSN_INFO);
	u64 enc = nv_reg(v, info >> 28 & 15), val = 0, at;
	u64 map = reason == XR_VMREAD ? V(VMREAD_BITMAP) : V(VMWRITE_BITMAP);
	u8 b;
	int f, r;

	if (!nv_long64(v))
		enc = (u32)enc;
	if ((enc & ~0x7fffull) || mach_read_guest(v->vm, map + enc / 8, &b, 1) || (b & 1u << enc % 8))
		return 1;
	if (nv_cpl(v)) {
		nv_inject_gp(v, 0);
		return NV_RESUME;
	}
	if (V(VMCS_LINK) == NV_NOMAP)
		return vmfail_invalid(v);
	f = field_of(v, enc);
	if (f < 0)
		goto no_field;
	at = V(VMCS_LINK) + offsetof(struct nv_vmcs12, val) + 8 * (u64)f;
	if (reason == XR_VMREAD) {
		if (mach_read_guest(v->vm, at, &val, 8))
			return vmfail_invalid(v);
		r = operand_write(v, info, nv_read_field(&val, 0, enc));
	} else {
		u64 old[1] = { 0 };

		r = operand_read(v, info, &val);
		if (r)
			return r < 0 ? r : NV_RESUME;
		if ((enc >> 10 & 3) == 1 && !(nv_caps.l1[CAP_MISC] & MISC_VMWRITE_ALL)) {
			V(INSN_ERROR) = VE_READ_ONLY;
			return done(v, FL_ZF);
		}
		if (mach_read_guest(v->vm, at, old, 8))
			return vmfail_invalid(v);
		if (enc & 1)
			old[0] = (u32)old[0] | val << 32;
		else
			old[0] = nv_enc_width((u32)enc) == NV_W16 ? (u16)val : nv_enc_width((u32)enc) == NV_W32 ? (u32)val : val;
		(void)mach_write_guest(v->vm, at, old, 8);
	}
	if (r)
		return r < 0 ? r : NV_RESUME;
	return vmsucceed(v);

no_field:
	/* VMfailValid is recorded in the current VMCS (31.2), L1's: the shadow is only the one the instruction works on. */
	V(INSN_ERROR) = VE_FIELD;
	return done(v, FL_ZF);
}

/* ---- VMLAUNCH, VMRESUME ---- */

static int insn_enter(struct nv_vcpu *v, bool launch)
{
	struct nv_nested *n = v->n;
	u32 err;

	if (n->ptr12 == NV_NOMAP || (n->vmcs12->rev & NV_VMCS12_SHADOW))
		return vmfail_invalid(v);
	if (nv_get(v->cur, F_GUEST_INTERRUPTIBILITY) & INTR_MOV_SS)
		return vmfail(v, VE_MOV_SS);
	if (launch && n->vmcs12->launched)
		return vmfail(v, VE_LAUNCH_NOT_CLEAR);
	if (!launch && !n->vmcs12->launched)
		return vmfail(v, VE_RESUME_NOT_LAUNCHED);
	/* What the entry needs of vmcs01, while it is current: it is not loaded again unless the entry fails. */
	if (!(V(ENTRY_CTL) & ENTRY_LOAD_DEBUG)) {
		nv_get(&v->vmcs01, F_GUEST_DR7);
		nv_get(&v->vmcs01, F_GUEST_DEBUGCTL);
	}
	nv_shadow_to_12(v, NULL);
	err = nv_check_controls(v, n->check12);
	if (err) {
		n->check12 |= NV_G_CTL | NV_G_HOST;
		v->stats.nested_fails++;
		mach_vmcs_load(v, &v->vmcs01);
		nv_vmfail(v, err);
		return NV_RESUME;
	}
	return nv_enter_l2(v, launch);
}

/* ---- INVEPT, INVVPID (31.3) ---- */

static int invalidation_operand(struct nv_vcpu *v, u64 *type, u64 desc[2])
{
	u32 info = (u32)nv_get(v->cur, F_EXIT_INSN_INFO);
	u64 lin;

	*type = nv_reg(v, info >> 28 & 15);
	if (!nv_long64(v))
		*type = (u32)*type;
	if (nv_operand_linear(v, nv_get(v->cur, F_EXIT_QUAL), info, false, 16, &lin))
		return 1;
	return nv_read_linear(v, lin, desc, 16);
}

static nv_noinline int insn_invept(struct nv_vcpu *v)
{
	u64 type, desc[2];
	int r = invalidation_operand(v, &type, desc);

	if (r)
		return r < 0 ? r : NV_RESUME;
	/* Only single-context and global exist (CVE-2014-3646: every other type is an error, not an exit nobody handles). */
	if (type != 1 && type != 2)
		return vmfail(v, VE_INV_OPERAND);
	/* An EPTP that VM entry would refuse; 0 is one (CVE-2017-8106). Bits 127:64 are reserved. */
	if (type == 1 && (!nv_eptp_ok(desc[0]) || desc[1]))
		return vmfail(v, VE_INV_OPERAND);
	nv_ept02_drop(v, desc[0], type == 2);
	v->n->rewalk = v->n->rewalk && type != 2;
	return vmsucceed(v);
}

static nv_noinline int insn_invvpid(struct nv_vcpu *v)
{
	u64 type, desc[2];
	int r = invalidation_operand(v, &type, desc);

	if (r)
		return r < 0 ? r : NV_RESUME;
	if (type > 3 || desc[0] >> 16)
		return vmfail(v, VE_INV_OPERAND);
	if (type != 2 && !desc[0])
		return vmfail(v, VE_INV_OPERAND);
	if (type == 0 && !nv_canonical(desc[1]))
		return vmfail(v, VE_INV_OPERAND);
	/* vpid02 holds translations of one VPID of L1's at a time; another's were flushed when it changed hands. */
	if (type == 2 || v->n->vpid12 == desc[0]) {
		nv_request_flush(v, NV_FL_VPID02);
		if (!nv_params.ept)
			nv_root_drop(v, &v->mmu->shadow[NV_L2]);
	}
	return vmsucceed(v);
}

/* ---- dispatch ---- */

/* Not in real, virtual-8086 or compatibility mode; 64-bit mode is none of them. */
static bool mode_ok(struct nv_vcpu *v)
{
	if (nv_long64(v))
		return true;
	return (nv_read_cr0_01(v) & C0_PE) && !(nv_get(v->cur, F_GUEST_RFLAGS) & FL_VM) && !(nv_guest_efer(v) & EF_LMA);
}

int nv_vmx_insn(struct nv_vcpu *v, u32 reason)
{
	/* #UD comes before everything: mode, CR4.VMXE (VMX operation keeps it set), instructions L1 was not offered. */
	if (!mode_ok(v) || !(v->n->vmxon || (nv_read_cr4_01(v) & C4_VMXE)) || (reason == XR_INVEPT && !(nv_caps.l1[CAP_EPT_VPID] & EVC_INVEPT)) ||
	    (reason == XR_INVVPID && !(nv_caps.l1[CAP_EPT_VPID] & EVC_INVVPID)) || reason == XR_VMFUNC) {
		nv_inject_ud(v);
		return NV_RESUME;
	}
	if (reason == XR_VMXON)
		return insn_vmxon(v);
	if (!permitted(v))
		return NV_RESUME;
	switch (reason) {
	case XR_VMXOFF:
		return insn_vmxoff(v);
	case XR_VMCLEAR:
		return insn_vmclear(v);
	case XR_VMPTRLD:
		return insn_vmptrld(v);
	case XR_VMPTRST:
		return insn_vmptrst(v);
	case XR_VMREAD:
		return insn_vmread(v);
	case XR_VMWRITE:
		return insn_vmwrite(v);
	case XR_VMLAUNCH:
		return insn_enter(v, true);
	case XR_VMRESUME:
		return insn_enter(v, false);
	case XR_INVEPT:
		return insn_invept(v);
	case XR_INVVPID:
		return insn_invvpid(v);
	default:
		nv_inject_ud(v);
		return NV_RESUME;
	}
}
