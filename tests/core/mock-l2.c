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

/* ---- without EPT ---- */

/* The shadow tables as the CPU walks them, CR0.WP = 1. *perm: what they allow; *present: PF_P of a fault. */
static bool walk_shadow(u64 gva, u32 access, u64 *hpa, u32 *perm, u32 *present)
{
	bool lma = mock_hw_get(F_ENTRY_CTL) & ENTRY_IA32E;
	u64 *table = mach_va(mock_hw_get(F_GUEST_CR3) & EPTP_ADDR);

	*perm = PF_W | PF_U | PF_I;
	*present = 0;
	for (int level = lma ? 4 : 3;; level--) {
		u64 e = table[gva >> (12 + 9 * (level - 1)) & (!lma && level == 3 ? 3 : 511)];
		bool pdpte = !lma && level == 3;

		if (!(e & PT_P))
			return false;
		if (!pdpte)
			*perm &= (u32)(e & (PT_W | PT_U)) | (e & PT_NX ? 0 : PF_I);
		if (level == 1 || (!pdpte && (e & PT_PS))) {
			u64 size = 1ull << (12 + 9 * (level - 1));

			*hpa = (e & EPTP_ADDR & ~(size - 1)) | (gva & (size - 1));
			*present = PF_P;
			return !(access & ~*perm);
		}
		table = mach_va(e & EPTP_ADDR);
	}
}

u64 mock_linear_access(u64 gva, u32 access)
{
	bool in_l2 = M.v.in_l2;

	for (int tries = 0; tries < 4; tries++) {
		u16 vpid = (u16)mock_hw_get(F_VPID);
		struct mock_tlb *slot = NULL;
		u32 perm, present;
		u64 hpa = 0;

		for (int i = 0; i < MOCK_TLB; i++) {
			struct mock_tlb *t = &M.tlb[i];

			if (!t->used)
				slot = slot ? slot : t;
			else if (t->vpid == vpid && t->gpa == (gva & ~4095ull) && !(access & ~t->perm))
				return t->hpa | (gva & 4095);
		}
		if (walk_shadow(gva, access, &hpa, &perm, &present)) {
			slot = slot ? slot : &M.tlb[gva >> 12 & (MOCK_TLB - 1)];
			*slot = (struct mock_tlb){ .used = true, .vpid = vpid, .gpa = gva & ~4095ull, .hpa = hpa & ~4095ull, .perm = perm,
						   .cr3 = nv_guest_cr3(&M.v), .born = ++M.serial,
						   .owner = in_l2 && cpu2_12(&M.v, CPU2_VPID) ? (u16)V12(&M.v, VPID) : 0 };
			return hpa;
		}
		/* A fault drops what the TLB has for that address (3A 4.10.4.1). */
		for (int i = 0; i < MOCK_TLB; i++)
			if (M.tlb[i].vpid == vpid && M.tlb[i].gpa == (gva & ~4095ull))
				M.tlb[i].used = false;
		mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
		mock_hw(F_EXIT_INTR_ERR, access | present);
		if (mock_exit(XR_EXC_NMI, gva) != NV_RESUME || M.v.in_l2 != in_l2 || (mock_hw_get(F_ENTRY_INTR_INFO) & INFO_VALID))
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
			u64 size = 1ull << (12 + 9 * (level - 1)), gpa = (a & ~(size - 1)) - HPA_BASE;

			/* Nothing but pages L1 has, and none that the host took away. */
			for (u64 p = gpa / 4096; p < (gpa + size) / 4096; p++) {
				MOCK_CHECK(p < MOCK_RAM / 4096 && !M.gone[p]);
				MOCK_CHECK(!(e & EPT_W) || !M.rom[p]);
			}
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
