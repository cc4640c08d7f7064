/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMCS images. All three VMCSs have the same shape: one u64 per field of vmcs_fields.h, indexed by F_<NAME>.
 *
 * struct nv_vmcs is the image of a VMCS the CPU knows (vmcs01, vmcs02, the shadow VMCS of vmcs12):
 *   valid  this value is what the CPU's VMCS holds, or will hold once the dirty fields are flushed
 *   dirty  to be written with VMWRITE before the next entry
 * Reads of a field that is not valid become one VMREAD; a write of the value already there is free.
 * So a field may be *written* at any time, but *read* for the first time only while its VMCS is current.
 */
#ifndef NV_VMCS_H
#define NV_VMCS_H

#include "types.h"

enum nv_field {
#define NV_F(name, enc, group, shadow, needs) F_##name,
#include "vmcs_fields.h"
#undef NV_F
	NV_NFIELDS
};

enum nv_field_enc {
#define NV_F(name, enc, group, shadow, needs) ENC_##name = enc,
#include "vmcs_fields.h"
#undef NV_F
};

/* Which values a write by L1 makes stale; bits of nv_vcpu.dirty12. */
enum nv_group {
	NV_G_INFO = 0, /* exit information: read-only */
	NV_G_HOT = 1 << 0, /* guest state merged at every entry */
	NV_G_SEG = 1 << 1, /* guest state merged only when written: segments, tables, MSRs */
	NV_G_EVENT = 1 << 2, /* event injection */
	NV_G_CTL = 1 << 3, /* controls */
	NV_G_CRMASK = 1 << 4, /* CR0/CR4 masks and read shadows */
	NV_G_HOST = 1 << 5, /* host state: goes to vmcs01 on exit */
	NV_G_ALL = (1 << 6) - 1,
};

enum nv_shadow { NV_S_NO, NV_S_RO, NV_S_RW };

/* What must be offered to L1 for a field to exist (SDM 3C 25.3 on). */
enum nv_needs {
	NV_N_ALWAYS,
	NV_N_CPU2,
	NV_N_EPT,
	NV_N_VPID,
	NV_N_TPR_SHADOW,
	NV_N_APIC_ACCESS,
	NV_N_VID,
	NV_N_POSTED,
	NV_N_MSR_BITMAP,
	NV_N_PREEMPT_TIMER,
	NV_N_EFER,
	NV_N_PAT,
	NV_N_PERF_GLOBAL,
	NV_N_PLE,
	NV_N_PML,
	NV_N_VMFUNC,
	NV_N_SHADOW_VMCS,
	NV_N_XSAVES,
	NV_N_TSC_SCALING,
	NV_N_MPX,
	NV_N_COUNT
};

struct nv_field_info {
	u16 enc;
	u8 group, shadow, needs;
	const char *name;
};
extern const struct nv_field_info nv_fields[NV_NFIELDS];

#define NV_FWORDS ((NV_NFIELDS + 63) / 64)

struct nv_vmcs {
	u64 val[NV_NFIELDS];
	u64 valid[NV_FWORDS], dirty[NV_FWORDS];
	/* The rest belongs to the machine (linux/), which fills it before nv_vcpu_init(). */
	u64 hpa; /* of the hardware VMCS region; revision identifier already stored in it */
	void *region;
	int cpu; /* where it is active, -1: nowhere, its contents are in memory */
	bool launched; /* VMRESUME, not VMLAUNCH */
};

/* Widths, SDM 3C 25.11.2: bits 14:13 of the encoding. */
enum nv_width { NV_W16, NV_W64, NV_W32, NV_WNAT };
static inline enum nv_width nv_enc_width(u32 enc)
{
	return (enum nv_width)((enc >> 13) & 3);
}

/* Field for an encoding (bit 0, the high half of a 64-bit field, is ignored), or -1. Never out of bounds. */
int nv_field_of(u64 enc);

#if defined(__KERNEL__) && !NVX_ALONE
static inline u64 mach_vmread(u32 enc)
{
	u64 v;

	asm volatile("vmread %1, %0" : "=rm"(v) : "r"((u64)enc) : "cc");
	return v;
}

static inline void mach_vmwrite(u32 enc, u64 v)
{
	asm volatile("vmwrite %1, %0" : : "r"((u64)enc), "rm"(v) : "cc");
}
#else
u64 mach_vmread(u32 enc);
void mach_vmwrite(u32 enc, u64 v);
#endif

static inline bool nv_bit(const u64 *map, unsigned int f)
{
	return map[f / 64] & NV_BIT(f % 64);
}

/* Value of a field. The VMCS must be current unless the value is known to be valid. */
static inline u64 nv_get(struct nv_vmcs *m, enum nv_field f)
{
	if (!nv_bit(m->valid, f)) {
		m->val[f] = mach_vmread(nv_fields[f].enc);
		m->valid[f / 64] |= NV_BIT(f % 64);
	}
	return m->val[f];
}

/* Sets a field; it reaches the CPU at the next nv_commit_entry() of this VMCS. */
static inline void nv_put(struct nv_vmcs *m, enum nv_field f, u64 v)
{
	if (m->val[f] == v && nv_bit(m->valid, f))
		return;
	m->val[f] = v;
	m->valid[f / 64] |= NV_BIT(f % 64);
	m->dirty[f / 64] |= NV_BIT(f % 64);
}

/* VMWRITEs every dirty field. The VMCS must be current. */
void nv_vmcs_flush(struct nv_vmcs *m);
/* After a VM exit: forget what the CPU may have changed (exit information, guest state). */
void nv_vmcs_exited(struct nv_vmcs *m);

/*
 * vmcs12: one page of L1's memory. The layout is ours (SDM 3C 25.2: implementation-specific); while it is L1's current
 * VMCS it lives in nv_vcpu.vmcs12 and the page in L1's memory is written back at VMCLEAR, VMPTRLD of another and VMXOFF.
 */
#define NV_VMCS12_REV 0x4e560001u
#define NV_VMCS12_SHADOW 0x80000000u /* shadow-VMCS indicator, SDM 3C 25.2 */
struct nv_vmcs12 {
	u32 rev;
	u32 abort;
	u32 launched;
	u32 zero;
	u64 val[NV_NFIELDS];
};

#endif
