// SPDX-License-Identifier: GPL-2.0-only
/* The field table expanded, lookup by encoding, and the images' flush and forget. */
#include "vmcs.h"

const struct nv_field_info nv_fields[NV_NFIELDS] = {
#define NV_F(name_, enc_, group_, shadow_, needs_) \
	[F_##name_] = { enc_, NV_G_##group_, NV_S_##shadow_, NV_N_##needs_, #name_ },
#include "vmcs_fields.h"
#undef NV_F
};

/*
 * Encoding to field: row is width (2 bits) and type (2 bits), column the 9-bit index. Built by the compiler from the table, so
 * that two encodings cannot meet in one entry unnoticed; columns past the table do not exist (bug class 13).
 */
#define NV_ROW(enc) ((((enc) >> 13) & 3) << 2 | (((enc) >> 10) & 3))
#define NV_COL(enc) (((enc) >> 1) & 0x1ff)
#define NV_COLS 32
static const u8 nv_field_by_enc[16][NV_COLS] = {
#define NV_F(name_, enc_, group_, shadow_, needs_) [NV_ROW(enc_)][NV_COL(enc_)] = F_##name_ + 1,
#include "vmcs_fields.h"
#undef NV_F
};

int nv_field_of(u64 enc)
{
	/* Bits 12 and 31:15 are reserved (SDM 3C 25.11.2); a set bit means no such field. */
	if (enc & ~(u64)0x6fff)
		return -1;
	if (NV_COL(enc) >= NV_COLS)
		return -1;
	/* Only 64-bit fields have a high half. */
	if ((enc & 1) && nv_enc_width((u32)enc) != NV_W64)
		return -1;
	return (int)nv_field_by_enc[NV_ROW(enc)][NV_COL(enc)] - 1;
}

/* The encodings alone: a flush goes through them on every entry. */
static const u16 nv_enc[NV_NFIELDS] = {
#define NV_F(name_, enc_, group_, shadow_, needs_) enc_,
#include "vmcs_fields.h"
#undef NV_F
};

static nv_inline void flush_word(struct nv_vmcs *m, unsigned int w)
{
	u64 d = m->dirty[w];

	if (!d)
		return;
	m->dirty[w] = 0;
	do {
		unsigned long f = w * 64 + (unsigned long)__builtin_ctzll(d);

		d &= d - 1;
		mach_vmwrite(nv_enc[f], m->val[f]);
	} while (d);
}

void nv_vmcs_flush(struct nv_vmcs *m)
{
	flush_word(m, 0);
	flush_word(m, 1);
	flush_word(m, 2);
}

/*
 * What a VM exit may change: exit information, the guest-state area, and "IA-32e mode guest" of the entry controls (28.3.1;
 * unrestricted guests). Not IA32_PAT: no guest writes it without an exit (nv_vm_init()), so the image knows. The valid bit of the
 * injected event is always cleared (28.2): the image is told so without a VMREAD. A field forgotten without need costs one VMREAD.
 */
#define NV_IS_VOLATILE(group, f) \
	((NV_G_##group) == NV_G_INFO || (NV_G_##group) == NV_G_HOT || ((NV_G_##group) == NV_G_SEG && (f) != F_GUEST_PAT) || \
	 (f) == F_ENTRY_CTL)
#define NV_VBIT(group, f, word) ((NV_IS_VOLATILE(group, f) && (f) / 64 == (word)) ? NV_BIT((f) % 64) : 0)
static const u64 nv_volatile[] = {
#define NV_F(name_, enc_, group_, shadow_, needs_) NV_VBIT(group_, F_##name_, 0) |
#include "vmcs_fields.h"
#undef NV_F
	0,
#define NV_F(name_, enc_, group_, shadow_, needs_) NV_VBIT(group_, F_##name_, 1) |
#include "vmcs_fields.h"
#undef NV_F
	0,
#define NV_F(name_, enc_, group_, shadow_, needs_) NV_VBIT(group_, F_##name_, 2) |
#include "vmcs_fields.h"
#undef NV_F
	0,
};
_Static_assert(NV_FWORDS == 3, "flushing and forgetting are written out by word");

void nv_vmcs_exited(struct nv_vmcs *m)
{
	unsigned int w;

	for (w = 0; w < NV_FWORDS; w++)
		m->valid[w] &= ~nv_volatile[w];
	m->val[F_ENTRY_INTR_INFO] &= ~0x80000000ull;
}
