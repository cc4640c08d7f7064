// SPDX-License-Identifier: LGPL-2.1-or-later
/* The mock machine's other half: L2's memory accesses through TLB and tables, and what must hold of the tables. */
#include "mock.h"

/* ---- L2's memory ---- */

/* Walks the tables the CPU would walk. False: violation. */
static bool hw_walk(u64 eptp, u64 gpa, u32 access, u64 *hpa, u32 *perm)
{
	u64 *table = mach_va(eptp & EPTP_ADDR);

	*perm = 7;
	for (int level = 4;; level--) {
		u64 e = table[gpa >> (12 + 9 * (level - 1)) & 511];

		if (!(e & 7))
			return false;
		*perm &= e & 7;
		if (level == 1 || (e & EPT_LARGE)) {
			u64 size = 1ull << (12 + 9 * (level - 1));

			*hpa = (e & EPTP_ADDR & ~(size - 1)) | (gpa & (size - 1));
			return !(access & ~*perm);
		}
		table = mach_va(e & EPTP_ADDR);
	}
}

u64 mock_l2_access(u64 gpa, u32 access)
{
	for (int tries = 0; tries < 4; tries++) {
		u64 eptp = mock_hw_get(F_EPTP), hpa = 0;
		u16 vpid = (u16)mock_hw_get(F_VPID);
		struct mock_tlb *slot = NULL;
		u32 perm;

		if (!M.v.in_l2)
			return 0;
		for (int i = 0; i < MOCK_TLB; i++) {
			struct mock_tlb *t = &M.tlb[i];

			if (!t->used)
				slot = slot ? slot : t;
			else if (t->vpid == vpid && t->eptp == eptp && t->gpa == (gpa & ~4095ull) && !(access & ~t->perm))
				return t->hpa | (gpa & 4095);
		}
		if (hw_walk(eptp, gpa, access, &hpa, &perm)) {
			slot = slot ? slot : &M.tlb[gpa >> 12 & (MOCK_TLB - 1)];
			*slot = (struct mock_tlb){ .used = true, .vpid = vpid, .eptp = eptp, .gpa = gpa & ~4095ull, .hpa = hpa & ~4095ull, .perm = perm,
						   .owner = cpu2_12(&M.v, CPU2_VPID) ? (u16)V12(&M.v, VPID) : 0, .born = ++M.serial };
			return hpa;
		}
		/* A violation drops what the TLB has for that address (29.4.3.1). */
		for (int i = 0; i < MOCK_TLB; i++)
			if (M.tlb[i].eptp == eptp && M.tlb[i].gpa == (gpa & ~4095ull))
				M.tlb[i].used = false;
		mock_hw(F_GUEST_PHYS, gpa);
		mock_hw(F_GUEST_LINEAR, gpa);
		if (mock_exit(XR_EPT_VIOLATION, access | EPTQ_LINEAR | EPTQ_FINAL) != NV_RESUME)
			return 0;
	}
	return 0;
}

/* ---- invariants ---- */

static void check_table(u64 *table, int level, u64 *count)
{
	for (int i = 0; i < 512; i++) {
		u64 e = table[i], a = e & EPTP_ADDR;

		if (!(e & 7))
			continue;
		if (level == 1 || (e & EPT_LARGE)) {
			u64 gpa = a - HPA_BASE;

			/* Nothing but pages L1 has, and none that the host took away. */
			MOCK_CHECK(gpa < MOCK_RAM && !M.gone[gpa / 4096]);
			MOCK_CHECK(!(e & EPT_W) || !M.rom[gpa / 4096]);
			continue;
		}
		(*count)++;
		check_table(mach_va(a), level - 1, count);
	}
}

void mock_invariants(void)
{
	u64 count = 0;

	if (!M.v.n)
		return;
	MOCK_CHECK(!M.locked);
	if (nv_params.ept)
		check_table(M.vm.ept01->top, 4, &count);
	for (int i = 0; i < NV_NEPT02; i++)
		if (M.v.mmu->ept02[i].top)
			check_table(M.v.mmu->ept02[i].top, 4, &count);
	for (int i = 0; i < 2; i++)
		if (M.v.mmu->shadow[i].top)
			check_table(M.v.mmu->shadow[i].top, 4, &count);
	/* Every table is reached once: none is shared, none is lost (bug class 15). */
	MOCK_CHECK(count == M.vm.stats.table_pages);
}
