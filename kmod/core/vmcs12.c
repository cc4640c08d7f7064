// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcs12: the VMCS L1 keeps for L2. While current it is nv_nested.vmcs12; L1's own page is read at VMPTRLD and written at
 * VMCLEAR. Two things may be newer than it: the shadow VMCS (fields L1 wrote without an exit) and vmcs02 (rarely read guest
 * state after an exit from L2). Both are brought in by name, never by guess.
 */
#include "internal.h"

bool nv_field_offered(int f)
{
	return f >= 0 && nv_caps.needs[nv_fields[f].needs];
}

static u64 by_width(u32 enc, u64 x)
{
	switch (nv_enc_width(enc)) {
	case NV_W16:
		return (u16)x;
	case NV_W32:
		return (u32)x;
	default:
		return x;
	}
}

u64 nv_read_field(const u64 *val, int f, u64 enc)
{
	return enc & 1 ? val[f] >> 32 : val[f];
}

void nv_write_field(u64 *val, int f, u64 enc, u64 x)
{
	if (enc & 1)
		val[f] = (u32)val[f] | x << 32;
	else
		val[f] = by_width(nv_fields[f].enc, x);
}

/* ---- shadow VMCS (25.10) ---- */

int nv_shadow_init(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	unsigned int i;
	u8 *r, *w;

	if (!nv_params.shadow_vmcs)
		return 0;
	n->vmread_bitmap = r = mach_alloc_page(v->vm);
	n->vmwrite_bitmap = w = mach_alloc_page(v->vm);
	if (!r || !w)
		return -ENOMEM; /* nv_shadow_free() follows */
	memset(r, 0xff, NV_PAGE_SIZE);
	memset(w, 0xff, NV_PAGE_SIZE);
	for (i = 0; i < nv_caps.nrw; i++) {
		u32 enc = nv_fields[nv_caps.shadow_rw[i]].enc;

		r[enc / 8] &= (u8)~(1u << enc % 8);
		w[enc / 8] &= (u8)~(1u << enc % 8);
	}
	for (i = 0; i < nv_caps.nro; i++) {
		u32 enc = nv_fields[nv_caps.shadow_ro[i]].enc;

		r[enc / 8] &= (u8)~(1u << enc % 8);
	}
	return 0;
}

/* The CPU must hold nothing of the shadow VMCS when its page is given back: VMCLEAR first (bug class 12). */
void nv_shadow_free(struct nv_vcpu *v)
{
	if (v->n->vmread_bitmap)
		mach_free_page(v->vm, v->n->vmread_bitmap);
	if (v->n->vmwrite_bitmap)
		mach_free_page(v->vm, v->n->vmwrite_bitmap);
	v->n->vmread_bitmap = v->n->vmwrite_bitmap = NULL;
}

/* One field of the table, if it is of that kind; the compiler drops the others. */
#define SHADOWED(shadow_, needs_, kind) \
	(NV_S_##shadow_ == (kind) && ((NV_N_##needs_) == NV_N_ALWAYS || nv_caps.needs[NV_N_##needs_]))

void nv_shadow_to_12(struct nv_vcpu *v, struct nv_vmcs *then)
{
	struct nv_nested *n = v->n;
	u64 *val = n->val12, *sh = v->shadow.val, x;
	u32 dirty = 0;

	if (!n->shadow_used)
		return;
	mach_vmcs_load(v, &v->shadow);
#define NV_F(name_, enc_, group_, shadow_, needs_) \
	if (SHADOWED(shadow_, needs_, NV_S_RW)) { \
		x = mach_vmread(enc_); \
		if (x != val[F_##name_]) { \
			val[F_##name_] = sh[F_##name_] = x; \
			dirty |= NV_G_##group_; \
		} \
	}
#include "vmcs_fields.h"
#undef NV_F
	mach_vmcs_clear(v, &v->shadow);
	n->dirty12 |= dirty;
	n->check12 |= dirty;
	if (then)
		mach_vmcs_load(v, then);
}

/* The first time for a vmcs12: all of it. */
static void fill_shadow(struct nv_vcpu *v)
{
	struct nv_vmcs *s = &v->shadow;
	const u64 *val = v->n->val12;

#define NV_F(name_, enc_, group_, shadow_, needs_) \
	if (SHADOWED(shadow_, needs_, NV_S_RW) || SHADOWED(shadow_, needs_, NV_S_RO)) \
		nv_put(s, F_##name_, val[F_##name_]);
#include "vmcs_fields.h"
#undef NV_F
	mach_vmcs_load(v, s);
	nv_vmcs_flush(s);
}

/*
 * After that every shadowed field is valid: one that did not change costs a comparison. controls: those too that only L1 writes,
 * which a VM exit leaves as they are.
 */
#define LEFT_ALONE(name_, group_) \
	(((NV_G_##group_) & (NV_G_CTL | NV_G_CRMASK | NV_G_EVENT)) && (F_##name_) != F_ENTRY_INTR_INFO)
static nv_inline bool update_shadow(struct nv_vcpu *v, bool controls)
{
	u64 *sh = v->shadow.val;
	const u64 *val = v->n->val12;
	bool loaded = false;

#define NV_F(name_, enc_, group_, shadow_, needs_) \
	if ((controls || !LEFT_ALONE(name_, group_)) && \
	    (SHADOWED(shadow_, needs_, NV_S_RW) || SHADOWED(shadow_, needs_, NV_S_RO)) && sh[F_##name_] != val[F_##name_]) { \
		if (!loaded) \
			mach_vmcs_load(v, &v->shadow); \
		loaded = true; \
		sh[F_##name_] = val[F_##name_]; \
		mach_vmwrite(enc_, val[F_##name_]); \
	}
#include "vmcs_fields.h"
#undef NV_F
	return loaded;
}

void nv_shadow_from_12(struct nv_vcpu *v, struct nv_vmcs *then)
{
	if (!v->n->shadow_used)
		return;
	if (!nv_bit(v->shadow.valid, F_GUEST_RIP))
		fill_shadow(v);
	else if (!update_shadow(v, true))
		return;
	mach_vmcs_clear(v, &v->shadow);
	if (then)
		mach_vmcs_load(v, then);
}

void nv_shadow_after_exit(struct nv_vcpu *v)
{
	if (!v->n->shadow_used)
		return;
	if (!nv_bit(v->shadow.valid, F_GUEST_RIP))
		fill_shadow(v);
	else if (!update_shadow(v, false))
		return;
	mach_vmcs_clear(v, &v->shadow);
}

static void shadow_link(struct nv_vcpu *v, bool on)
{
	struct nv_vmcs *m = &v->vmcs01;
	u64 cpu2 = nv_caps.cpu2;

	if (!nv_params.shadow_vmcs)
		return;
	v->n->shadow_used = on;
	if (on) {
		nv_put(m, F_VMREAD_BITMAP, mach_pa(v->n->vmread_bitmap));
		nv_put(m, F_VMWRITE_BITMAP, mach_pa(v->n->vmwrite_bitmap));
		/* What the shadow VMCS holds is of another vmcs12. */
		memset(v->shadow.valid, 0, sizeof(v->shadow.valid));
		nv_shadow_from_12(v, v->cur);
		cpu2 |= CPU2_SHADOW_VMCS;
	}
	nv_put(m, F_VMCS_LINK, on ? v->shadow.hpa : NV_NOMAP);
	nv_put(m, F_CPU2_CTL, cpu2);
}

/* ---- what is left in vmcs02 ---- */

/* Whether a VM exit saves this field into the guest-state area (28.3.1, 28.3.4). */
static bool saved_on_exit(struct nv_vcpu *v, enum nv_field f)
{
	switch (f) {
	case F_GUEST_DR7:
	case F_GUEST_DEBUGCTL:
		return V12(v, EXIT_CTL) & EXIT_SAVE_DEBUG;
	case F_GUEST_PAT:
		return V12(v, EXIT_CTL) & EXIT_SAVE_PAT;
	case F_GUEST_PDPTE0:
	case F_GUEST_PDPTE1:
	case F_GUEST_PDPTE2:
	case F_GUEST_PDPTE3:
		return nv_nested_ept(v);
	case F_VMCS_LINK:
	case F_GUEST_SMBASE:
	case F_GUEST_PML_INDEX:
		return false;
	default:
		return nv_field_offered((int)f);
	}
}

void nv_sync_seg12(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	struct nv_vmcs *cur = v->cur;
	unsigned int f;

	if (!n->seg_stale)
		return;
	n->seg_stale = false;
	mach_vmcs_load(v, &v->vmcs02);
	for (f = 0; f < NV_NFIELDS; f++)
		if (nv_fields[f].group == NV_G_SEG && saved_on_exit(v, (enum nv_field)f))
			n->val12[f] = nv_get(&v->vmcs02, (enum nv_field)f);
	mach_vmcs_load(v, cur);
}

/* ---- current VMCS ---- */

/* Guest memory is L1's to scribble on: values are cut to their widths, the launch state to a bool. */
static void sanitize(struct nv_vmcs12 *m)
{
	unsigned int f;

	m->launched = m->launched != 0;
	for (f = 0; f < NV_NFIELDS; f++)
		m->val[f] = by_width(nv_fields[f].enc, m->val[f]);
}

static void made_current(struct nv_vcpu *v, u64 ptr)
{
	struct nv_nested *n = v->n;

	sanitize(n->vmcs12);
	n->ptr12 = ptr;
	n->dirty12 = n->check12 = NV_G_ALL;
	n->host01_ok = false;
	n->seg_stale = n->rewalk = false;
	if (!(n->vmcs12->rev & NV_VMCS12_SHADOW))
		shadow_link(v, true);
}

int nv_ptrld12(struct nv_vcpu *v, u64 ptr)
{
	int r;

	nv_flush12(v);
	r = mach_read_guest(v->vm, ptr, v->n->vmcs12, sizeof(*v->n->vmcs12));
	if (r)
		return r;
	made_current(v, ptr);
	return 0;
}

int nv_load12(struct nv_vcpu *v, u64 ptr, const struct nv_vmcs12 *from)
{
	nv_flush12(v);
	if (mach_write_guest(v->vm, ptr, from, sizeof(*from)))
		return -EFAULT;
	memcpy(v->n->vmcs12, from, sizeof(*from));
	made_current(v, ptr);
	return 0;
}

void nv_flush12(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;

	if (n->ptr12 == NV_NOMAP)
		return;
	nv_shadow_to_12(v, v->cur);
	nv_sync_seg12(v);
	/* L1 took the page away: nothing can be told to it, VMCLEAR has no error for that. */
	(void)mach_write_guest(v->vm, n->ptr12, n->vmcs12, sizeof(*n->vmcs12));
	nv_forget12(v);
}

void nv_forget12(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;

	if (n->ptr12 == NV_NOMAP)
		return;
	shadow_link(v, false);
	n->ptr12 = NV_NOMAP;
	n->seg_stale = n->rewalk = n->run_pending = false;
	n->own_timer = false;
	nv_unmap_all(v);
}
