// SPDX-License-Identifier: GPL-2.0-only
/* MSR load and store areas (27.4, 28.4, 28.6). Each entry is read once; the guest may be rewriting it. */
#include "internal.h"

struct msr_entry {
	u32 index, reserved;
	u64 value;
};

/* MSRs that may never be in a list of this direction. */
static bool forbidden(const struct msr_entry *e, bool load)
{
	if (e->reserved)
		return true;
	/* x2APIC registers, and the SMM ones, fail in either direction. */
	if (e->index >> 8 == M_X2APIC >> 8 || e->index == M_SMM_MONITOR || e->index == M_SMBASE)
		return true;
	return load && (e->index == M_FS_BASE || e->index == M_GS_BASE || e->index == M_UCODE_WRITE || e->index == M_UCODE_REV);
}

u32 nv_load_msrs(struct nv_vcpu *v, u64 gpa, u32 count)
{
	u32 i, max = MISC_MSR_LIST(nv_caps.l1[CAP_MISC]);

	for (i = 0; i < count; i++) {
		struct msr_entry e;

		/* More than the recommended maximum is undefined (A.6): it fails where it goes over. */
		if (i >= max || mach_read_guest(v->vm, gpa + i * 16ull, &e, sizeof(e)) || forbidden(&e, true) ||
		    nv_set_msr(v, e.index, e.value, false))
			return i + 1;
	}
	return 0;
}

bool nv_store_msrs(struct nv_vcpu *v, u64 gpa, u32 count)
{
	u32 i, max = MISC_MSR_LIST(nv_caps.l1[CAP_MISC]);

	for (i = 0; i < count; i++) {
		u64 at = gpa + i * 16ull, val;
		struct msr_entry e;

		if (i >= max || mach_read_guest(v->vm, at, &e, 8) || forbidden(&e, false) ||
		    nv_get_msr(v, e.index, &val, false))
			return false;
		if (e.index == M_TSC)
			val = v->n->exit_tsc + v->tsc_offset;
		if (mach_write_guest(v->vm, at + 8, &val, 8))
			return false;
	}
	return true;
}
