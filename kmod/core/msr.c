// SPDX-License-Identifier: GPL-2.0-only
/* MSRs of the guest. Those in a VMCS belong to the running level; the rest L1 and L2 share, as on the CPU. */
#include "internal.h"

/* MSRs that are VMCS fields of the guest-state area. */
static int field_of_msr(u32 msr)
{
	switch (msr) {
	case M_SYSENTER_CS:
		return F_GUEST_SYSENTER_CS;
	case M_SYSENTER_ESP:
		return F_GUEST_SYSENTER_ESP;
	case M_SYSENTER_EIP:
		return F_GUEST_SYSENTER_EIP;
	case M_FS_BASE:
		return F_GUEST_FS_BASE;
	case M_GS_BASE:
		return F_GUEST_GS_BASE;
	case M_DEBUGCTL:
		return F_GUEST_DEBUGCTL;
	case M_PAT:
		return nv_caps.entry & ENTRY_LOAD_PAT ? F_GUEST_PAT : -1;
	default:
		return -1;
	}
}

static bool vmcs_value_ok(u32 msr, u64 val)
{
	int i;

	switch (msr) {
	case M_SYSENTER_CS:
		return !(val >> 32);
	case M_DEBUGCTL:
		return !(val & ~(DEBUGCTL_LBR | DEBUGCTL_BTF));
	case M_PAT:
		for (i = 0; i < 8; i++, val >>= 8)
			if ((val & 0xff) > 7 || (val & 0xff) == 2 || (val & 0xff) == 3)
				return false;
		return true;
	default:
		return nv_canonical(val);
	}
}

static bool is_vmx_cap(u32 msr)
{
	return msr >= M_VMX_BASIC && msr < M_VMX_BASIC + CAP_VMFUNC;
}

int nv_get_msr(struct nv_vcpu *v, u32 msr, u64 *ret, bool host)
{
	int f = field_of_msr(msr);

	if (f >= 0) {
		*ret = nv_get(v->cur, (enum nv_field)f);
		return 0;
	}
	if (is_vmx_cap(msr)) {
		*ret = nv_caps.l1[msr - M_VMX_BASIC];
		return 0;
	}
	if (msr >> 8 == M_X2APIC >> 8)
		return -EINVAL;
	switch (msr) {
	case M_EFER:
		*ret = nv_guest_efer(v);
		return 0;
	case M_TSC:
		*ret = mach_tsc() + v->tsc_offset;
		return 0;
	case M_TSC_ADJUST:
		*ret = v->tsc_adjust;
		return 0;
	case M_APIC_BASE:
		*ret = v->apic_base;
		return 0;
	case M_FEATURE_CONTROL:
		*ret = v->n->feature_control;
		return 0;
	case M_MISC_ENABLE:
		*ret = 1; /* fast strings */
		return 0;
	case M_UCODE_REV:
		*ret = 1ull << 32;
		return 0;
	default:
		return mach_get_msr(v, msr, ret, host);
	}
}

int nv_set_msr(struct nv_vcpu *v, u32 msr, u64 val, bool host)
{
	int f = field_of_msr(msr);
	u64 old;

	if (f >= 0) {
		if (!vmcs_value_ok(msr, val))
			return -EINVAL;
		/* Last-branch records are not switched: what every CPU of this family has may be set, and does nothing (as with KVM). */
		nv_put(v->cur, (enum nv_field)f, msr == M_DEBUGCTL ? val & DEBUGCTL_BTF : val);
		return 0;
	}
	if (is_vmx_cap(msr)) /* user space may restore what it read */
		return host && val == nv_caps.l1[msr - M_VMX_BASIC] ? 0 : -EINVAL;
	if (msr >> 8 == M_X2APIC >> 8)
		return -EINVAL;
	switch (msr) {
	case M_EFER:
		return nv_set_efer(v, val) ? 0 : -EINVAL;
	case M_TSC:
		old = v->tsc_offset;
		nv_set_tsc_offset(v, val - mach_tsc());
		if (!host)
			v->tsc_adjust += v->tsc_offset - old;
		return 0;
	case M_TSC_ADJUST:
		if (!host)
			nv_set_tsc_offset(v, v->tsc_offset + val - v->tsc_adjust);
		v->tsc_adjust = val;
		return 0;
	case M_APIC_BASE:
		/* No x2APIC: it is user space that has the APIC, and it has it in memory. */
		if ((val & NV_BIT(10)) || (val & nv_caps.phys_mask))
			return -EINVAL;
		v->apic_base = val;
		return 0;
	case M_FEATURE_CONTROL:
		if (!host && (v->n->feature_control & FC_LOCKED))
			return -EINVAL;
		if (val & ~(FC_LOCKED | FC_VMX_OUTSIDE_SMX))
			return -EINVAL;
		v->n->feature_control = val;
		return 0;
	case M_MISC_ENABLE:
	case M_UCODE_REV:
	case M_UCODE_WRITE:
		return 0;
	default:
		return mach_set_msr(v, msr, val, host);
	}
}

void nv_set_tsc_offset(struct nv_vcpu *v, u64 offset)
{
	v->tsc_offset = offset;
	nv_update_tsc(v);
}

bool nv_cpuid_lookup(struct nv_vcpu *v, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	u32 leaf = *eax, sub = *ecx;
	int i;

	for (i = 0; i < v->ncpuid; i++) {
		const struct nv_cpuid *c = &v->cpuid[i];

		if (c->leaf != leaf || (c->sub_significant && c->sub != sub))
			continue;
		*eax = c->eax;
		*ebx = c->ebx;
		*ecx = c->ecx;
		*edx = c->edx;
		/* CPUID.1:ECX.OSXSAVE follows CR4. */
		if (leaf == 1)
			*ecx = (*ecx & ~(1u << 27)) | (nv_read_cr4(v) & C4_OSXSAVE ? 1u << 27 : 0);
		return true;
	}
	*eax = *ebx = *ecx = *edx = 0;
	return false;
}
