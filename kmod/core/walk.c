// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one table walker: guest paging in its three formats (SDM 3A chapter 4) and EPT12 (3C 29.3). Each entry is read once
 * into a local and only that is looked at: another vCPU may be writing the tables meanwhile (bug class 9).
 */
#include "internal.h"

struct fmt_desc {
	u8 levels, bits, size;
};
static const struct fmt_desc descs[] = {
	[NV_FMT_PT64] = { 4, 9, 8 },
	[NV_FMT_PAE] = { 3, 9, 8 },
	[NV_FMT_PT32] = { 2, 10, 4 },
	[NV_FMT_EPT] = { 4, 9, 8 },
};

#define ADDR_MASK 0x000ffffffffff000ull
#define MAX_LEVELS 4
#define RETRIES 8

struct step {
	u64 gpa, pa, e; /* gpa: before .under */
};

static bool leaf_at(const struct nv_space *s, int level, u64 e)
{
	if (level == 1)
		return true;
	if (!(e & PT_PS))
		return false;
	switch (s->fmt) {
	case NV_FMT_PT32:
		return s->pse;
	case NV_FMT_PAE:
		return level == 2;
	default:
		return level <= 3;
	}
}

/* Bits that must be zero in a present entry of guest paging, SDM 3A tables 4-5 to 4-20. */
static bool pt_reserved(const struct nv_space *s, int level, u64 e, bool leaf)
{
	u64 high = nv_caps.phys_mask & ADDR_MASK;

	if (s->fmt == NV_FMT_PT32)
		return leaf && level == 2 && (e & NV_BIT(21));
	if (s->fmt == NV_FMT_PAE) {
		high |= NV_MASK(62, 52);
		if (level == 3)
			return e & (high | PT_NX | NV_MASK(2, 1) | NV_MASK(8, 5));
	}
	if (e & high)
		return true;
	if ((e & PT_NX) && !s->nx)
		return true;
	if (level == 4 && (e & PT_PS))
		return true;
	return leaf && level > 1 && (e & NV_MASK(12 + 9 * (level - 1) - 1, 13));
}

/* EPT misconfigurations, 29.3.3.1. */
static bool ept_misconfigured(int level, u64 e, bool leaf)
{
	u64 cap = nv_caps.l1[CAP_EPT_VPID];
	unsigned int type = e >> 3 & 7;

	if ((e & (EPT_R | EPT_W)) == EPT_W)
		return true;
	if (!(e & EPT_R) && (e & EPT_X) && !(cap & EVC_X_ONLY))
		return true;
	if (e & nv_caps.phys_mask & ADDR_MASK)
		return true;
	if (!leaf)
		return e & (level == 4 ? NV_MASK(7, 3) : NV_MASK(6, 3)) || (level > 1 && (e & EPT_LARGE));
	if (level == 3 && !(cap & EVC_1G))
		return true;
	if (type == 2 || type == 3 || type == 7)
		return true;
	return level > 1 && (e & NV_MASK(12 + 9 * (level - 1) - 1, 12));
}

static u8 entry_perm(const struct nv_space *s, int level, u64 e)
{
	if (s->fmt == NV_FMT_EPT)
		return (u8)(e & (NV_R | NV_W | NV_X)) | NV_U;
	if (s->fmt == NV_FMT_PAE && level == 3)
		return NV_R | NV_W | NV_X | NV_U;
	return (u8)(NV_R | (e & PT_W ? NV_W : 0) | (e & PT_U ? NV_U : 0) | (s->fmt != NV_FMT_PT32 && (e & PT_NX) ? 0 : NV_X));
}

/* Address of a table entry in L1's memory; false: w tells of the fault below. */
static enum nv_walk_result entry_pa(struct nv_vcpu *v, const struct nv_space *s, u64 pa, u32 access, struct nv_walk *w, u64 *ret)
{
	struct nv_walk u;
	enum nv_walk_result r;

	if (!s->under) {
		*ret = pa;
		return NV_WALK_OK;
	}
	/* With A/D flags enabled in EPT, reading a guest paging entry counts as a write (29.3.5). */
	if (s->under->ad)
		access |= NV_W;
	r = nv_walk(v, s->under, pa, access, &u);
	if (r != NV_WALK_OK) {
		w->under_fault = true;
		w->under_gpa = pa;
		w->under_access = access;
		w->ept_perm = u.ept_perm;
		return r;
	}
	*ret = u.pa;
	return NV_WALK_OK;
}

static bool allowed(const struct nv_space *s, u32 access, u8 perm)
{
	if (s->fmt == NV_FMT_EPT)
		return (access & (NV_R | NV_W | NV_X) & ~perm) == 0;
	if (access & NV_U) {
		if (!(perm & NV_U))
			return false;
	} else if (perm & NV_U) {
		/* Supervisor on a user page: SMEP, SMAP (SDM 3A 4.6.1). */
		if ((access & NV_X) && s->smep)
			return false;
		if (!(access & NV_X) && s->smap && !s->ac)
			return false;
	}
	if ((access & NV_W) && !(perm & NV_W) && (s->wp || (access & NV_U)))
		return false;
	return !(access & NV_X) || (perm & NV_X);
}

/* Sets A in every entry used, and D in the leaf for a write. *again: an entry changed meanwhile. */
static enum nv_walk_result set_flags(struct nv_vcpu *v, const struct nv_space *s, struct step *step, int top, int leaf, bool write,
				     struct nv_walk *w, bool *again)
{
	enum nv_walk_result res;
	bool ept = s->fmt == NV_FMT_EPT;
	u64 a = ept ? EPT_A : PT_A, d = ept ? EPT_D : PT_D;
	int l, r;

	if (ept && !s->ad)
		return NV_WALK_OK;
	for (l = top; l >= leaf; l--) {
		u64 want = a | (l == leaf && write ? d : 0);

		if (s->fmt == NV_FMT_PAE && l == 3)
			continue;
		if ((step[l].e & want) == want)
			continue;
		/* Without A/D flags in EPT only now it is a write, which EPT12 may forbid (29.3.3.2). */
		res = s->under && !s->under->ad ? entry_pa(v, s, step[l].gpa, NV_R | NV_W, w, &step[l].pa) : NV_WALK_OK;
		if (res != NV_WALK_OK)
			return res;
		r = mach_cmpxchg_guest(v->vm, step[l].pa, step[l].e, step[l].e | want, descs[s->fmt].size);
		if (r < 0)
			return NV_WALK_BUS;
		if (r) {
			*again = true;
			break;
		}
		step[l].e |= want;
	}
	return NV_WALK_OK;
}

static enum nv_walk_result walk_once(struct nv_vcpu *v, const struct nv_space *s, u64 addr, u32 access, struct nv_walk *w,
				     bool *again)
{
	const struct fmt_desc *d = &descs[s->fmt];
	u64 table = s->root & (s->fmt == NV_FMT_PAE ? 0xffffffe0ull : s->fmt == NV_FMT_PT32 ? 0xfffff000ull : ADDR_MASK);
	struct step step[MAX_LEVELS + 1];
	enum nv_walk_result r;
	struct nv_walk_cache *cache = s->cache;
	u8 perm = NV_R | NV_W | NV_X | NV_U, upper = perm;
	int level = d->levels, top = level;

	w->pf = access & NV_W ? PF_W : 0;
	if ((access & NV_X) && (s->nx || s->smep))
		w->pf |= PF_I;
	w->ept_perm = 0;
	w->under_fault = false;
	if (cache && cache->valid && cache->root == s->root && cache->region == addr >> 21) {
		table = cache->table;
		perm = cache->perm;
		level = top = 1;
	}
	for (;; level--) {
		unsigned int shift = 12u + d->bits * (unsigned int)(level - 1);
		u64 idx = addr >> shift & ((1u << d->bits) - 1), e = 0;
		bool leaf, present;

		if (s->fmt == NV_FMT_PAE && level == 3)
			idx &= 3;
		if (s->fmt == NV_FMT_PAE && level == 3 && s->pdpte) {
			e = s->pdpte[idx];
		} else {
			step[level].gpa = table + idx * d->size;
			r = entry_pa(v, s, step[level].gpa, NV_R, w, &step[level].pa);
			if (r != NV_WALK_OK)
				return r;
			if (mach_read_guest(v->vm, step[level].pa, &e, d->size))
				return NV_WALK_BUS;
		}
		step[level].e = e;
		present = s->fmt == NV_FMT_EPT ? e & EPT_RWX : e & PT_P;
		if (!present)
			return NV_WALK_FAULT;
		leaf = leaf_at(s, level, e);
		if (s->fmt == NV_FMT_EPT ? ept_misconfigured(level, e, leaf) : pt_reserved(s, level, e, leaf)) {
			w->pf |= PF_P | PF_RSVD;
			return s->fmt == NV_FMT_EPT ? NV_WALK_MISCONFIG : NV_WALK_FAULT;
		}
		perm &= entry_perm(s, level, e);
		if (!leaf) {
			table = e & (s->fmt == NV_FMT_PT32 ? 0xfffff000ull : ADDR_MASK);
			upper = perm;
			continue;
		}
		w->ept_perm = perm & (NV_R | NV_W | NV_X);
		w->pf |= PF_P;
		if (!allowed(s, access, perm))
			return NV_WALK_FAULT;
		w->shift = (u8)shift;
		w->pa = e & ADDR_MASK & ~(NV_BIT(shift) - 1);
		if (s->fmt == NV_FMT_PT32) {
			w->pa &= 0xffffffffull;
			if (level == 2) /* PSE-36: bits 39:32 of the address in bits 20:13 */
				w->pa = (e & 0xffc00000ull) | (e >> 13 & 0xff) << 32;
		}
		w->pa |= addr & (NV_BIT(shift) - 1);
		w->perm = perm;
		w->global = s->fmt != NV_FMT_EPT && (e & PT_G);
		r = set_flags(v, s, step, top, level, access & NV_W, w, again);
		if (r != NV_WALK_OK)
			return r;
		if (cache && level == 1 && top > 1 && !*again)
			*cache = (struct nv_walk_cache){ true, s->root, addr >> 21, table, upper };
		w->dirty = s->fmt == NV_FMT_EPT ? !s->ad || (step[level].e & EPT_D) : (step[level].e & PT_D) != 0;
		return NV_WALK_OK;
	}
}

enum nv_walk_result nv_walk(struct nv_vcpu *v, const struct nv_space *s, u64 addr, u32 access, struct nv_walk *w)
{
	enum nv_walk_result r;
	int tries;

	if (s->fmt == NV_FMT_NONE) {
		w->pa = addr;
		w->shift = 30;
		w->perm = NV_R | NV_W | NV_X | NV_U;
		w->global = false;
		w->dirty = true;
		return NV_WALK_OK;
	}
	/* An entry that keeps changing under us belongs to a guest that races with itself: the last reading stands. */
	for (tries = 0; tries < RETRIES; tries++) {
		bool again = false;

		r = walk_once(v, s, addr, access, w, &again);
		if (!again)
			return r;
		w->dirty = false;
	}
	return r;
}

void nv_space_ept12(struct nv_vcpu *v, struct nv_space *s)
{
	memset(s, 0, sizeof(*s));
	s->fmt = NV_FMT_EPT;
	s->root = V12(v, EPTP);
	s->ad = s->root & EPTP_AD;
	s->cache = &v->mmu->walk12;
}

void nv_space_linear(struct nv_vcpu *v, struct nv_space *s, struct nv_space *under)
{
	u64 cr0 = nv_read_cr0(v), cr4 = nv_read_cr4(v), efer = nv_guest_efer(v);

	memset(s, 0, sizeof(*s));
	if (v->in_l2 && nv_nested_ept(v)) {
		nv_space_ept12(v, under);
		s->under = under;
	}
	if (!(cr0 & C0_PG)) {
		/* Physical addresses: of L2 through EPT12. */
		if (s->under)
			*s = *under;
		return;
	}
	s->fmt = efer & EF_LMA ? NV_FMT_PT64 : cr4 & C4_PAE ? NV_FMT_PAE : NV_FMT_PT32;
	s->root = nv_params.ept ? nv_get(v->cur, F_GUEST_CR3) : nv_guest_cr3(v);
	s->wp = cr0 & C0_WP;
	s->nx = efer & EF_NX;
	s->pse = cr4 & C4_PSE;
	s->smep = cr4 & C4_SMEP;
	s->smap = cr4 & C4_SMAP;
	s->ac = nv_get(v->cur, F_GUEST_RFLAGS) & NV_BIT(18);
	if (s->fmt == NV_FMT_PAE && s->under) {
		/* L2's PDPTEs are in registers (27.3.1.6); vmcs02 has them while L2 uses EPT. */
		v->mmu->pdpte[0] = nv_get(v->cur, F_GUEST_PDPTE0);
		v->mmu->pdpte[1] = nv_get(v->cur, F_GUEST_PDPTE1);
		v->mmu->pdpte[2] = nv_get(v->cur, F_GUEST_PDPTE2);
		v->mmu->pdpte[3] = nv_get(v->cur, F_GUEST_PDPTE3);
		s->pdpte = v->mmu->pdpte;
	}
}
