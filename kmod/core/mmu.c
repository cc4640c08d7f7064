// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables the CPU walks: EPT01 (per VM), EPT02 (per vCPU and EPTP12) and shadow page tables (per vCPU and level, ept=0). All
 * three are filled on demand, like a TLB: what the guest's tables said at the time of the fault is kept until the guest
 * invalidates it (INVEPT, INVLPG, MOV CR3) or the host takes the memory away (nv_vm_zap). The guest's tables are not
 * write-protected.
 */
#include "internal.h"

#define ENTRIES 512
#define ADDR_MASK 0x000ffffffffff000ull

static unsigned int level_shift(int level)
{
	return 12u + 9u * (unsigned int)(level - 1);
}

static bool is_present(const struct nv_root *r, u64 e)
{
	return r->out == NV_OUT_EPT ? e & EPT_RWX : e & PT_P;
}

/* EPT_LARGE and PT_PS are the same bit. */
static bool is_leaf(u64 e, int level)
{
	return level == 1 || (e & EPT_LARGE);
}

static u64 make_table(const struct nv_root *r, u64 pa)
{
	return r->out == NV_OUT_EPT ? pa | EPT_RWX : pa | PT_P | PT_W | PT_U | PT_A;
}

static u64 make_leaf(const struct nv_root *r, u64 hpa, u8 perm, int level)
{
	u64 e = hpa | (level > 1 ? EPT_LARGE : 0);

	if (r->out == NV_OUT_EPT)
		/* RAM is write-back whatever the guest's PAT says (29.3.7). */
		return e | (perm & (NV_R | NV_W | NV_X)) | EPT_WB | EPT_IPAT;
	return e | PT_P | PT_A | PT_D | (perm & NV_W ? PT_W : 0) | (perm & NV_U ? PT_U : 0) | (perm & NV_X ? 0 : PT_NX);
}

int nv_root_init(struct nv_vm *vm, struct nv_root *r, enum nv_out out)
{
	memset(r, 0, sizeof(*r));
	r->out = out;
	r->top = mach_alloc_page(vm);
	if (r->top && out == NV_OUT_PT)
		r->pae = mach_alloc_low_page(vm);
	return r->top && (r->pae || out == NV_OUT_EPT) ? 0 : -ENOMEM; /* nv_root_free() takes what there is */
}

static void count_table(struct nv_vm *vm, struct nv_root *r)
{
	r->pages++;
	if (++vm->stats.table_pages > vm->stats.table_pages_max)
		vm->stats.table_pages_max = vm->stats.table_pages;
}

static void free_below(struct nv_vm *vm, struct nv_root *r, u64 *table, int level)
{
	int i;

	for (i = 0; i < ENTRIES; i++) {
		u64 e = table[i];

		if (!e)
			continue;
		table[i] = 0;
		if (!is_present(r, e) || is_leaf(e, level))
			continue;
		free_below(vm, r, mach_va(e & ADDR_MASK), level - 1);
		mach_free_page(vm, mach_va(e & ADDR_MASK));
		r->pages--;
		vm->stats.table_pages--;
	}
}

static void drop_locked(struct nv_vm *vm, struct nv_root *r)
{
	if (!r->top || !r->live)
		return;
	free_below(vm, r, r->top, 4);
	if (r->pae)
		memset(r->pae, 0, 4 * sizeof(u64));
	r->live = false;
}

void nv_root_free(struct nv_vm *vm, struct nv_root *r)
{
	drop_locked(vm, r);
	if (r->top)
		mach_free_page(vm, r->top);
	if (r->pae)
		mach_free_page(vm, r->pae);
	memset(r, 0, sizeof(*r));
}

void nv_root_drop(struct nv_vcpu *v, struct nv_root *r)
{
	mach_mmu_lock(v->vm);
	drop_locked(v->vm, r);
	mach_mmu_unlock(v->vm);
	v->stats.shadow_drops++;
}

void nv_request_flush(struct nv_vcpu *v, u32 what)
{
	__atomic_fetch_or(&v->mmu->flush, what, __ATOMIC_SEQ_CST);
}

u64 nv_eptp(struct nv_root *r)
{
	return mach_pa(r->top) | EPTP_WB | EPTP_WALK4 | (r->ad && (nv_caps.hw[CAP_EPT_VPID] & EVC_AD) ? EPTP_AD : 0);
}

/* Table pages are taken before the lock; a walk needs three at most. */
static int top_up(struct nv_vcpu *v)
{
	struct nv_mmu *m = v->mmu;

	while (m->ncache < 3) {
		void *p = mach_alloc_page(v->vm);

		if (!p)
			return -ENOMEM;
		m->cache[m->ncache++] = p;
	}
	return 0;
}

/* Largest page, no larger than shift, that host memory, alignment and CPU allow. */
static int leaf_level(const struct nv_root *r, u64 addr, u64 hpa, u8 shift, u8 back)
{
	u64 evc = nv_caps.hw[CAP_EPT_VPID];
	int level;

	if (back < shift)
		shift = back;
	for (level = shift >= 30 ? 3 : shift >= 21 ? 2 : 1; level > 1; level--) {
		if (r->out == NV_OUT_EPT ? !(evc & (level == 3 ? EVC_1G : EVC_2M)) : level == 3)
			continue;
		if (!((addr ^ hpa) & (NV_BIT(level_shift(level)) - 1) & NV_PAGE_MASK))
			break;
	}
	return level;
}

static void install(struct nv_vcpu *v, struct nv_root *r, u64 addr, u64 hpa, u8 perm, int leaf)
{
	struct nv_mmu *m = v->mmu;
	u64 *table = r->top;
	int level;
	u64 *slot, new_;

	r->live = true;
	for (level = 4; level > leaf; level--) {
		slot = &table[addr >> level_shift(level) & (ENTRIES - 1)];
		if (is_present(r, *slot) && is_leaf(*slot, level)) {
			/* A large page gives way to smaller ones: what the TLB holds of it must go. */
			*slot = 0;
			nv_request_flush(v, NV_FL_EPT_ALL | NV_FL_VPID01 | NV_FL_VPID02);
		}
		if (!is_present(r, *slot)) {
			void *page = m->cache[--m->ncache];

			count_table(v->vm, r);
			nv_write_once(*slot, make_table(r, mach_pa(page)));
		}
		table = mach_va(*slot & ADDR_MASK);
	}
	slot = &table[addr >> level_shift(leaf) & (ENTRIES - 1)];
	if (leaf > 1 && is_present(r, *slot) && !is_leaf(*slot, leaf)) {
		/* Smaller pages stand here already: add to them. hpa is then not aligned down to the large page. */
		install(v, r, addr, hpa, perm, leaf - 1);
		return;
	}
	new_ = make_leaf(r, hpa & ~(NV_BIT(level_shift(leaf)) - 1), perm, leaf);
	if (*slot && *slot != new_)
		nv_request_flush(v, NV_FL_EPT01 | NV_FL_EPT02 | NV_FL_VPID01 | NV_FL_VPID02);
	nv_write_once(*slot, new_);
}

/*
 * Guests with 32-bit or PAE paging run on PAE tables: the first four page directories, by PDPTEs of their own, in which the
 * permission bits are reserved (SDM 3A table 4-8). VM entry loads them from memory each time (27.3.2.4).
 */
static void sync_pae(struct nv_root *r)
{
	u64 *pdpt;
	int i;

	if (!r->pae || !is_present(r, r->top[0]))
		return;
	pdpt = mach_va(r->top[0] & ADDR_MASK);
	for (i = 0; i < 4; i++)
		nv_write_once(r->pae[i], is_present(r, pdpt[i]) ? (pdpt[i] & ADDR_MASK) | PT_P : 0);
}

u64 nv_shadow_cr3(struct nv_root *r, bool lma)
{
	return mach_pa(lma ? r->top : r->pae);
}

int nv_map(struct nv_vcpu *v, struct nv_root *r, u64 addr, u64 gpa, u8 perm, u8 shift, bool write)
{
	struct nv_backing b;
	u64 seq = mach_mmu_seq(v->vm);
	int ret;

	ret = mach_get_backing(v->vm, gpa & NV_PAGE_MASK, write, &b);
	if (ret)
		return ret;
	if (!b.writable)
		perm &= (u8)~NV_W;
	ret = top_up(v);
	if (ret)
		return ret;
	mach_mmu_lock(v->vm);
	if (mach_mmu_retry(v->vm, seq)) {
		mach_mmu_unlock(v->vm);
		return -EAGAIN;
	}
	addr &= NV_PAGE_MASK;
	install(v, r, addr, b.hpa, perm, leaf_level(r, addr, b.hpa, shift, b.shift));
	sync_pae(r);
	mach_mmu_unlock(v->vm);
	v->stats.shadow_fills++;
	return 0;
}

/* ---- EPT01 ---- */

int nv_fault_ept01(struct nv_vcpu *v, u64 gpa, u32 access)
{
	int r = nv_map(v, v->vm->ept01, gpa, gpa, NV_R | NV_W | NV_X, 30, access & NV_W);

	if (r == -EAGAIN)
		return 0;
	/* What is written to a read-only slot is the VMM's business, as with KVM. */
	return r == -EROFS ? -ENXIO : r;
}

/* How far prebuilt_ept looks for memory. */
#define PREBUILD_TOP (64ull << 30)
void nv_prebuild(struct nv_vcpu *v)
{
	u64 gpa = 0;

	while (gpa < PREBUILD_TOP) {
		struct nv_backing b;

		if (!mach_is_ram(v->vm, gpa)) {
			gpa += NV_BIT(21);
			continue;
		}
		if (nv_map(v, v->vm->ept01, gpa, gpa, NV_R | NV_W | NV_X, 30, true) ||
		    mach_get_backing(v->vm, gpa, true, &b))
			return; /* the rest comes on demand */
		gpa += NV_BIT(b.shift >= 21 ? 21 : 12);
	}
}

/* ---- EPT02 ---- */

struct nv_root *nv_ept02_get(struct nv_vcpu *v, u64 eptp12)
{
	struct nv_mmu *m = v->mmu;
	struct nv_root *r = m->cur02, *victim = &m->ept02[0];

	if (r && r->used && r->key == eptp12)
		return r;
	m->clock++;
	for (r = m->ept02; r < m->ept02 + NV_NEPT02; r++) {
		if (r->used && r->key == eptp12) {
			r->used = m->clock;
			m->cur02 = r;
			return r;
		}
		if (r->used < victim->used)
			victim = r;
	}
	nv_root_drop(v, victim);
	victim->key = eptp12;
	victim->ad = eptp12 & EPTP_AD;
	victim->used = m->clock;
	m->cur02 = victim;
	/* The page was somebody else's root before: translations cached under its address are not this one's. */
	nv_request_flush(v, NV_FL_EPT02);
	return victim;
}

void nv_ept02_drop(struct nv_vcpu *v, u64 eptp12, bool all)
{
	struct nv_mmu *m = v->mmu;
	struct nv_root *r;

	m->walk12.valid = false;
	for (r = m->ept02; r < m->ept02 + NV_NEPT02; r++) {
		/* INVEPT names bits 51:12 only; EPTPs that differ in attributes alone are one context (29.4.1). */
		if (!r->used || (!all && ((r->key ^ eptp12) & ADDR_MASK)))
			continue;
		nv_root_drop(v, r);
		/* It may not be the current root when the flush is done, so flush all. */
		nv_request_flush(v, NV_FL_EPT_ALL);
	}
}

static bool has_leaf_table(struct nv_vcpu *v, struct nv_root *r, u64 addr)
{
	const u64 *table = r->top;
	bool has = true;
	int level;

	mach_mmu_lock(v->vm);
	for (level = 4; has && level > 1; level--) {
		u64 e = table[addr >> level_shift(level) & (ENTRIES - 1)];

		has = is_present(r, e) && !is_leaf(e, level);
		if (has)
			table = mach_va(e & ADDR_MASK);
	}
	mach_mmu_unlock(v->vm);
	return has;
}

/*
 * What EPT12's leaf table at gpa says of the other pages, without waiting for their violations: once after each INVEPT, so it
 * pays where L1 seldom changes EPT12. A CPU may cache what has not been used yet as well, if it is present and, where L1 has
 * accessed flags, accessed (29.3.5, 29.4.2). What fails comes on demand.
 */
static void prebuild_ept02(struct nv_vcpu *v, const struct nv_space *s, u64 gpa)
{
	const struct nv_walk_cache *at = s->cache;
	u64 first = gpa & ~(NV_BIT(21) - 1), addr, e;
	struct nv_walk w;

	for (addr = first; addr < first + NV_BIT(21) && at->valid; addr += NV_PAGE_SIZE) {
		u64 entry = at->table + (addr >> 12 & (ENTRIES - 1)) * sizeof(e);

		if (addr == (gpa & NV_PAGE_MASK) || mach_read_guest(v->vm, entry, &e, sizeof(e)) || !(e & EPT_RWX) ||
		    (s->ad && !(e & EPT_A)))
			continue;
		if (nv_walk(v, s, addr, e & EPT_R ? NV_R : NV_X, &w) != NV_WALK_OK || w.shift != 12)
			continue;
		if (nv_map(v, v->mmu->cur02, addr, w.pa, w.dirty ? w.perm : w.perm & (u8)~NV_W, 12, false) == -ENOMEM)
			return;
	}
}

int nv_fault_ept02(struct nv_vcpu *v, u64 gpa, u64 hwqual, u32 *reason, u64 *qual, u64 *l1_gpa)
{
	u32 access = hwqual & EPTQ_ACCESS;
	struct nv_space s;
	struct nv_walk w;
	bool ahead;
	u8 perm;
	int r;

	nv_space_ept12(v, &s);
	switch (nv_walk(v, &s, gpa, access ? access : NV_R, &w)) {
	case NV_WALK_OK:
		break;
	case NV_WALK_MISCONFIG:
	case NV_WALK_BUS: /* a table outside of memory reads as all ones, as on a bus: reserved bits */
		v->mmu->walk12.valid = false;
		*reason = XR_EPT_MISCONFIG;
		*qual = 0;
		return 1;
	default:
		v->mmu->walk12.valid = false;
		*reason = XR_EPT_VIOLATION;
		*qual = (hwqual & (EPTQ_ACCESS | EPTQ_LINEAR | EPTQ_FINAL | EPTQ_NMI_UNBLOCK)) | (u64)w.ept_perm << 3;
		return 1;
	}
	*l1_gpa = w.pa;
	perm = w.perm;
	/* Until D is set in EPT12 a write must come here. */
	if (!w.dirty)
		perm &= (u8)~NV_W;
	ahead = nv_params.prebuilt_ept && w.shift == 12 && !has_leaf_table(v, v->mmu->cur02, gpa);
	r = nv_map(v, v->mmu->cur02, gpa, w.pa, perm, w.shift, access & NV_W);
	if (!r && ahead)
		prebuild_ept02(v, &s, gpa);
	if (r == -EAGAIN)
		return 0;
	return r == -EROFS ? -ENXIO : r;
}

/* ---- shadow paging ---- */

static u64 shadow_mode(struct nv_vcpu *v)
{
	return (nv_read_cr0(v) & (C0_WP | C0_PG)) | (nv_read_cr4(v) & (C4_PSE | C4_PAE | C4_SMEP | C4_SMAP)) |
	       (nv_guest_efer(v) & (EF_NX | EF_LMA));
}

/* With a VPID a level's entries outlive its VM exit, but not another CR0.WP: no CPU keeps that in its TLB. */
void nv_shadow_enter(struct nv_vcpu *v)
{
	struct nv_root *r = &v->mmu->shadow[v->in_l2];
	u64 mode;

	if (nv_params.ept)
		return;
	mode = shadow_mode(v);
	if (r->mode == mode)
		return;
	nv_root_drop(v, r);
	nv_request_flush(v, v->in_l2 ? NV_FL_VPID02 : NV_FL_VPID01);
	r->mode = mode;
}

int nv_fault_shadow(struct nv_vcpu *v, u64 gva, u32 err, u32 *guest_err, u64 *gpa)
{
	u32 access = (err & PF_W ? NV_W : err & PF_I ? NV_X : NV_R) | (err & PF_U ? NV_U : 0);
	struct nv_space s, under;
	struct nv_walk w;
	u8 perm;
	int r;

	nv_space_linear(v, &s, &under);
	if (nv_walk(v, &s, gva, access, &w) != NV_WALK_OK) {
		*guest_err = w.pf | (err & PF_U);
		return 1;
	}
	*gpa = w.pa;
	perm = w.perm;
	if (access & NV_W) {
		/*
		 * CR0.WP = 0 lets the supervisor write: the CPU runs with WP = 1, so the entry becomes the supervisor's, who under
		 * SMEP may not run what is the user's.
		 */
		if (!(perm & NV_W)) {
			if (s.smep && (perm & NV_U))
				perm &= (u8)~NV_X;
			perm = (u8)((perm | NV_W) & ~NV_U);
		}
	} else if (!w.dirty) {
		perm &= (u8)~NV_W;
	}
	v->mmu->shadow[v->in_l2].mode = shadow_mode(v);
	r = nv_map(v, &v->mmu->shadow[v->in_l2], gva, w.pa, perm, w.shift, access & NV_W);
	if (r == -EAGAIN)
		return 0;
	return r == -EROFS ? -ENXIO : r;
}

void nv_shadow_invlpg(struct nv_vcpu *v, u64 gva)
{
	struct nv_root *r = &v->mmu->shadow[v->in_l2];
	u64 *table = r->top, *slot;
	int level;

	if (nv_params.ept)
		return;
	mach_mmu_lock(v->vm);
	for (level = 4;; level--) {
		slot = &table[gva >> level_shift(level) & (ENTRIES - 1)];
		if (!is_present(r, *slot))
			break;
		if (is_leaf(*slot, level)) {
			*slot = 0;
			break;
		}
		table = mach_va(*slot & ADDR_MASK);
	}
	mach_mmu_unlock(v->vm);
	nv_request_flush(v, v->in_l2 ? NV_FL_VPID02 : NV_FL_VPID01);
}

/* ---- vCPU, and memory that goes away ---- */

int nv_mmu_init(struct nv_vcpu *v)
{
	struct nv_mmu *m = mach_alloc(sizeof(*m));
	int i, r = 0;

	if (!m)
		return -ENOMEM;
	v->mmu = m;
	for (i = 0; i < NV_NEPT02 && !r && nv_params.nested_ept; i++)
		r = nv_root_init(v->vm, &m->ept02[i], NV_OUT_EPT);
	for (i = 0; i < 2 && !r && !nv_params.ept; i++)
		r = nv_root_init(v->vm, &m->shadow[i], NV_OUT_PT);
	if (r) {
		nv_mmu_free(v);
		return r;
	}
	/* Nothing that this CPU's TLB holds is ours. */
	m->flush = NV_FL_EPT_ALL | NV_FL_VPID01 | NV_FL_VPID02;
	return 0;
}

void nv_mmu_free(struct nv_vcpu *v)
{
	struct nv_mmu *m = v->mmu;
	int i;

	if (!m)
		return;
	for (i = 0; i < NV_NEPT02; i++)
		nv_root_free(v->vm, &m->ept02[i]);
	for (i = 0; i < 2; i++)
		nv_root_free(v->vm, &m->shadow[i]);
	while (m->ncache)
		mach_free_page(v->vm, m->cache[--m->ncache]);
	mach_free(m);
	v->mmu = NULL;
}

/* Clears the leaves of EPT01 that touch [from, to). */
static void zap_range(struct nv_root *r, u64 *table, int level, u64 base, u64 from, u64 to)
{
	u64 size = NV_BIT(level_shift(level));
	u64 i, first = from > base ? (from - base) / size : 0;

	for (i = first; i < ENTRIES && base + i * size < to; i++) {
		u64 e = table[i];

		if (!is_present(r, e))
			continue;
		if (is_leaf(e, level))
			nv_write_once(table[i], 0);
		else
			zap_range(r, mach_va(e & ADDR_MASK), level - 1, base + i * size, from, to);
	}
}

/*
 * Takes a root's subtree away from a vCPU that may be in guest mode: empty the top, make the vCPU leave and see the
 * flush request, and only then free what hung below (unlink, flush, free). vm->zap_page keeps the links meanwhile.
 */
static void unlink_root(struct nv_vcpu *v, struct nv_root *r)
{
	u64 *old = v->vm->zap_page;
	int i;

	if (!r->top || !r->live)
		return;
	for (i = 0; i < ENTRIES; i++) {
		old[i] = r->top[i];
		nv_write_once(r->top[i], 0);
	}
	if (r->pae)
		memset(r->pae, 0, 4 * sizeof(u64));
	r->live = false;
	nv_migrated(v);
	mach_kick_sync(v);
	free_below(v->vm, r, old, 4);
}

/*
 * EPT02 and shadow tables hold no list of who maps what (no reverse map): they are dropped whole, demand fills them again.
 * A vCPU that enters after mach_kick_sync() sees the flush request: linux/ calls nv_commit_entry() after it has announced
 * that it is about to enter.
 */
void nv_vm_zap(struct nv_vm *vm, u64 gpa, u64 len)
{
	u64 end = gpa + len < gpa ? ~0ull : gpa + len;
	int i, k;

	mach_mmu_lock(vm);
	vm->stats.zaps++;
	if (vm->ept01 && vm->ept01->top) /* ept=0 has none */
		zap_range(vm->ept01, vm->ept01->top, 4, 0, gpa, end);
	for (i = 0; i < NV_MAX_VCPUS; i++) {
		struct nv_vcpu *v = vm->vcpu[i];

		if (!v)
			continue;
		for (k = 0; k < NV_NEPT02; k++)
			unlink_root(v, &v->mmu->ept02[k]);
		for (k = 0; k < 2; k++)
			unlink_root(v, &v->mmu->shadow[k]);
		nv_migrated(v);
		mach_kick_sync(v);
	}
	mach_mmu_unlock(vm);
}

void nv_vm_unpin(struct nv_vm *vm)
{
	int i;

	mach_mmu_lock(vm);
	for (i = 0; i < NV_MAX_VCPUS; i++)
		if (vm->vcpu[i])
			nv_write_once(vm->vcpu[i]->mmu->unpin, true);
	mach_mmu_unlock(vm);
}

void nv_migrated(struct nv_vcpu *v)
{
	nv_request_flush(v, NV_FL_EPT_ALL | NV_FL_VPID01 | NV_FL_VPID02);
}
