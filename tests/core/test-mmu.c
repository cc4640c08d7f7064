// SPDX-License-Identifier: LGPL-2.1-or-later
/* The walker, EPT02 and shadow tables: what is mapped, what is told to L1, and that nothing stale is left. */
#include "run.h"

#define LEAF(gpa) (G_EPT + 0x3000 + ((gpa) >> 21) * 0x1000 + 8 * ((gpa) >> 12 & 511))

static void violations(void **state)
{
	(void)state;
	l2();
	assert_int_equal(mock_l2_access(G_FREE + 0x123, NV_R), mock_hpa(G_FREE) + 0x123);
	/* Not present, not writable, not executable: L1's, with what EPT12 allows. */
	mock_ept_map(G_FREE, 0, 0);
	mock_ept_map(G_FREE + 0x1000, G_FREE, 0x31);
	mock_ept_map(G_FREE + 0x2000, G_FREE, 0x33);
	nv_ept02_drop(&M.v, 0, true);
	mock_exit(XR_EXT_INT, 0);
	assert_int_equal(mock_l2_access(G_FREE, NV_R), 0);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_EXIT_QUAL), NV_R | EPTQ_LINEAR | EPTQ_FINAL);
	assert_int_equal(r12(F_GUEST_PHYS), G_FREE);
	/* L1 fills it: VMRESUME maps it, L2 does not fault again. */
	mock_ept_map(G_FREE, G_FREE + 0x5000, 0x37);
	assert_true(mock_resume());
	assert_int_equal(M.v.stats.ept_rewalk_hits, 1);
	{
		u64 before = M.v.stats.l0_exits;

		assert_int_equal(mock_l2_access(G_FREE, NV_R), mock_hpa(G_FREE + 0x5000));
		assert_int_equal(M.v.stats.l0_exits, before);
	}
	assert_int_equal(mock_l2_access(G_FREE + 0x1000, NV_W), 0);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_EXIT_QUAL), NV_W | EPTQ_LINEAR | EPTQ_FINAL | EPT_R << 3);
	assert_true(mock_resume());
	assert_int_equal(mock_l2_access(G_FREE + 0x2000, NV_X), 0);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_EXIT_QUAL), NV_X | EPTQ_LINEAR | EPTQ_FINAL | (EPT_R | EPT_W) << 3);
}

static void misconfigurations(void **state)
{
	static const u64 bad[] = { 0x32 /* W without R */, 0x17 /* type 2 */, 0x1f, 0x3f, 1ull << 50 | 0x37 };

	(void)state;
	l2();
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(bad); i++) {
		mock_write(LEAF(G_FREE), G_FREE | bad[i]);
		assert_int_equal(mock_l2_access(G_FREE, NV_R), 0);
		reflected(XR_EPT_MISCONFIG);
		assert_true(mock_resume());
	}
	/* Execute-only is offered. */
	mock_write(LEAF(G_FREE), G_FREE | 0x34);
	assert_int_equal(mock_l2_access(G_FREE, NV_X), mock_hpa(G_FREE));
	/* Upper levels: reserved bits, and a table that is not in memory. */
	nv_ept02_drop(&M.v, 0, true);
	mock_exit(XR_EXT_INT, 0);
	mock_write(G_EPT + 0x2000, (G_EPT + 0x3000) | 0x7 | 1 << 3);
	assert_int_equal(mock_l2_access(0, NV_R), 0);
	reflected(XR_EPT_MISCONFIG);
	mock_write(G_EPT + 0x2000, 0x30000000 | 7);
	assert_true(mock_resume());
	assert_int_equal(mock_l2_access(0, NV_R), 0);
	reflected(XR_EPT_MISCONFIG);
	/* A large page over several of the host's small ones. */
	mock_write(G_EPT + 0x2000, 0 | 0x37 | EPT_LARGE);
	assert_true(mock_resume());
	assert_int_equal(mock_l2_access(0x5000, NV_W), mock_hpa(0x5000));
	mock_write(G_EPT + 0x2000, 0x1000 | 0x37 | EPT_LARGE);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(mock_inv(XR_INVEPT, 2, 0, 0).what, OK_);
	assert_true(mock_resume());
	assert_int_equal(mock_l2_access(0x5000, NV_W), 0);
	reflected(XR_EPT_MISCONFIG);
}

static void no_stale_translation(void **state)
{
	(void)state;
	for (int type = 1; type <= 2; type++) {
		if (!M.v.n->vmxon)
			l2();
		assert_int_equal(mock_l2_access(G_FREE, NV_W), mock_hpa(G_FREE));
		mock_ept_map(G_FREE, G_FREE + 0x3000, 0x37);
		mock_exit(XR_CPUID, 0);
		assert_int_equal(mock_inv(XR_INVEPT, (u64)type, G_EPT | 0x1e, 0).what, OK_);
		assert_true(mock_resume());
		assert_int_equal(mock_l2_access(G_FREE, NV_W), mock_hpa(G_FREE + 0x3000));
		mock_ept_map(G_FREE, G_FREE, 0x37);
		mock_exit(XR_CPUID, 0);
		assert_int_equal(mock_inv(XR_INVEPT, 2, 0, 0).what, OK_);
		assert_true(mock_resume());
		mock_invariants();
	}
	/* Also when another EPTP was in use in between, and when the roots were used up. */
	for (u64 i = 1; i <= 6; i++) {
		mock_exit(XR_CPUID, 0);
		mock_write(G_FREE + 0x10000 + i * 0x1000, mock_read(G_EPT));
		w(F_EPTP, (G_FREE + 0x10000 + i * 0x1000) | 0x1e);
		assert_true(mock_resume());
		assert_int_equal(mock_l2_access(G_FREE, NV_R), mock_hpa(G_FREE));
		mock_invariants();
	}
	mock_exit(XR_CPUID, 0);
	assert_int_equal(mock_inv(XR_INVVPID, 2, 0, 0).what, OK_);
	assert_int_equal(mock_inv(XR_INVVPID, 0, 3, 0x1000).what, OK_);
}

static void memory_goes_away(void **state)
{
	(void)state;
	l2();
	assert_int_equal(mock_l2_access(G_FREE, NV_W), mock_hpa(G_FREE));
	mock_exit(XR_CPUID, 0);
	mock_hw(F_GUEST_PHYS, G_FREE + 0x1000);
	assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_W), NV_RESUME);
	assert_true(mock_resume());
	M.gone[G_FREE / 4096] = M.gone[G_FREE / 4096 + 1] = true;
	M.seq++;
	nv_vm_zap(&M.vm, G_FREE, 0x2000);
	assert_true(M.kicks > 0);
	mock_invariants();
	for (int i = 0; i < MOCK_TLB; i++)
		assert_false(M.tlb[i].used);
	/* The access fails now; it is not mapped again, and the VMM is told. */
	mock_hw(F_GUEST_PHYS, G_FREE);
	assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_R), -EFAULT);
	/* While the notifier runs nothing is put into tables: the access is tried again. */
	M.gone[G_FREE / 4096] = false;
	M.notifier_active = true;
	mock_hw(F_GUEST_PHYS, G_FREE);
	assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_R), NV_RESUME);
	mock_invariants();
	M.notifier_active = false;
	nv_vm_zap(&M.vm, 0, ~0ull);
	assert_int_equal(mock_l2_access(G_FREE, NV_R), mock_hpa(G_FREE));
	/* Read-only memory: read, and a write is the VMM's. */
	M.rom[G_FREE / 4096 + 2] = true;
	assert_int_equal(mock_l2_access(G_FREE + 0x2000, NV_R), mock_hpa(G_FREE + 0x2000));
	M.v.regs[R_RAX] = 0;
	mock_write(0x2000, 0x0389); /* mov %eax,(%rbx) */
	mock_hw(F_GUEST_PHYS, G_FREE + 0x2000);
	assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_W), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_MMIO);
	assert_int_equal(M.v.ux.io.addr, G_FREE + 0x2000);
	mock_enter();
}

static enum nv_walk_result walk(struct nv_space *s, u64 addr, u32 access, struct nv_walk *ww)
{
	memset(ww, 0, sizeof(*ww));
	return nv_walk(&M.v, s, addr, access, ww);
}

static void guest_paging(void **state)
{
	struct nv_space s = { .fmt = NV_FMT_PT64, .root = G_FREE, .wp = true, .nx = true };
	struct nv_walk ww;
	u64 pt = G_FREE + 0x3000;

	(void)state;
	mock_write(G_FREE, (G_FREE + 0x1000) | 7);
	mock_write(G_FREE + 0x1000, (G_FREE + 0x2000) | 7);
	mock_write(G_FREE + 0x2000, pt | 7);
	mock_write(pt, 0x5000 | PT_P | PT_W | PT_U);
	mock_write(pt + 8, 0x6000 | PT_P | PT_NX | PT_G);
	mock_write(pt + 16, 0x7000 | PT_P | 1ull << 51);
	mock_write(G_FREE + 0x2008, 0x200000 | PT_P | PT_W | PT_PS);
	mock_write(G_FREE + 0x2010, 0x202000 | PT_P | PT_W | PT_PS);
	assert_int_equal(walk(&s, 0x10, NV_R | NV_U, &ww), NV_WALK_OK);
	assert_int_equal(ww.pa, 0x5010);
	assert_false(ww.dirty);
	assert_int_equal(mock_read(pt) & (PT_A | PT_D), PT_A);
	assert_int_equal(walk(&s, 0x10, NV_W, &ww), NV_WALK_OK);
	assert_int_equal(mock_read(pt) & (PT_A | PT_D), PT_A | PT_D);
	assert_int_equal(walk(&s, 0x1000, NV_W, &ww), NV_WALK_FAULT);
	assert_int_equal(ww.pf, PF_P | PF_W);
	assert_int_equal(walk(&s, 0x1000, NV_X, &ww), NV_WALK_FAULT);
	assert_int_equal(ww.pf, PF_P | PF_I);
	assert_int_equal(walk(&s, 0x1000, NV_R | NV_U, &ww), NV_WALK_FAULT);
	assert_int_equal(walk(&s, 0x1000, NV_R, &ww), NV_WALK_OK);
	assert_true(ww.global);
	assert_int_equal(walk(&s, 0x2000, NV_R, &ww), NV_WALK_FAULT);
	assert_int_equal(ww.pf, PF_P | PF_RSVD);
	assert_int_equal(walk(&s, 0x3000, NV_R, &ww), NV_WALK_FAULT);
	assert_int_equal(ww.pf, 0);
	assert_int_equal(walk(&s, 0x212345, NV_W, &ww), NV_WALK_OK);
	assert_int_equal(ww.pa, 0x212345);
	assert_int_equal(ww.shift, 21);
	assert_int_equal(walk(&s, 0x400000, NV_R, &ww), NV_WALK_FAULT); /* address bits of a large page */
	s.wp = false;
	assert_int_equal(walk(&s, 0x1000, NV_W, &ww), NV_WALK_OK);
	s.nx = false;
	assert_int_equal(walk(&s, 0x1000, NV_R, &ww), NV_WALK_FAULT); /* NX is reserved then */
	s.nx = s.smep = s.smap = true;
	assert_int_equal(walk(&s, 0, NV_X, &ww), NV_WALK_FAULT);
	assert_int_equal(walk(&s, 0, NV_R, &ww), NV_WALK_FAULT);
	s.ac = true;
	assert_int_equal(walk(&s, 0, NV_R, &ww), NV_WALK_OK);
	mock_write(G_FREE + 8, (G_FREE + 0x1000) | 7 | PT_PS);
	assert_int_equal(walk(&s, 1ull << 39, NV_R, &ww), NV_WALK_FAULT);
	mock_write(G_FREE + 8, 0x30000000 | 7);
	assert_int_equal(walk(&s, 1ull << 39, NV_R, &ww), NV_WALK_BUS);
	/* PAE: PDPTEs with reserved bits, two levels below. */
	s = (struct nv_space){ .fmt = NV_FMT_PAE, .root = G_FREE + 0x1020, .nx = true };
	mock_write(G_FREE + 0x1020, (G_FREE + 0x2000) | PT_P);
	mock_write(G_FREE + 0x1028, (G_FREE + 0x2000) | 7);
	assert_int_equal(walk(&s, 0x10, NV_R, &ww), NV_WALK_OK);
	assert_int_equal(ww.pa, 0x5010);
	assert_int_equal(walk(&s, 0x40000000, NV_R, &ww), NV_WALK_FAULT);
	assert_int_equal(walk(&s, 0x200000, NV_R, &ww), NV_WALK_OK);
	{
		u64 pdpte[4] = { 0, 0, 0, (G_FREE + 0x2000) | PT_P };

		s.pdpte = pdpte;
		assert_int_equal(walk(&s, 0xc0000010, NV_R, &ww), NV_WALK_OK);
	}
	/* 32-bit: 4-byte entries, 4 MiB pages with PSE-36. */
	s = (struct nv_space){ .fmt = NV_FMT_PT32, .root = G_FREE + 0x4000, .pse = true };
	mock_write(G_FREE + 0x4000, ((G_FREE + 0x5000) | 7) | ((u64)(0x00402083 | 1 << 21) << 32));
	mock_write(G_FREE + 0x4008, 0x00c04083);
	mock_write(G_FREE + 0x5000, 0x9007);
	assert_int_equal(walk(&s, 0x123, NV_W | NV_U, &ww), NV_WALK_OK);
	assert_int_equal(ww.pa, 0x9123);
	assert_int_equal(walk(&s, 0x400000, NV_R, &ww), NV_WALK_FAULT);
	assert_int_equal(walk(&s, 0x801234, NV_R, &ww), NV_WALK_OK);
	assert_int_equal(ww.pa, 0x200000000 + 0xc01234);
}

static u64 race_at;
static void race(u64 gpa, u32 len)
{
	(void)len;
	/* Another CPU sets a software bit between the read and the A flag, each time. */
	if (gpa == race_at)
		mock_write(gpa, mock_read(gpa) ^ 1ull << 9);
}

static void racing_guest(void **state)
{
	struct nv_space s = { .fmt = NV_FMT_PT64, .root = G_PT };
	struct nv_walk ww;

	(void)state;
	mock_write(G_PT + 0x2000, 0x83);
	race_at = G_PT + 0x2000;
	M.on_read = race;
	assert_int_equal(walk(&s, 0x1000, NV_W, &ww), NV_WALK_OK);
	assert_int_equal(ww.pa, 0x1000);
	M.on_read = NULL;
	mock_write(G_PT + 0x2000, 0xe7);
}

static int setup_shadow(void **state)
{
	(void)state;
	mock_reset();
	nv_params.ept = false;
	return mock_start();
}

/* A #PF of the CPU on the shadow tables. */
static int page_fault(u64 gva, u32 err)
{
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	mock_hw(F_EXIT_INTR_ERR, err);
	return mock_exit(XR_EXC_NMI, gva);
}

static u64 *shadow_entry(int level, u64 gva)
{
	u64 *t = M.v.mmu->shadow[level].top;

	for (int l = 4; l > 1; l--) {
		u64 e = t[gva >> (12 + 9 * (l - 1)) & 511];

		if (!(e & PT_P) || (e & PT_PS))
			return NULL;
		t = mach_va(e & 0x000ffffffffff000ull);
	}
	return &t[gva >> 12 & 511];
}

static void shadow_paging(void **state)
{
	(void)state;
	assert_false(nv_params.nested_ept || nv_params.unrestricted);
	assert_int_equal(nv_caps.l1[CAP_CPU2] >> 32 & (CPU2_EPT | CPU2_UNRESTRICTED), 0);
	/* G_PT maps RAM with 2 MiB pages, dirty already. */
	assert_int_equal(page_fault(0x7000, 0), NV_RESUME);
	assert_false(injected() & INFO_VALID);
	assert_int_equal(*shadow_entry(0, 0x7000) & 0x000ffffffffff000ull, mock_hpa(0x7000));
	assert_true(*shadow_entry(0, 0x7000) & PT_W);
	/* Not mapped: the guest's own fault. */
	assert_int_equal(page_fault(0x40000000, PF_W), NV_RESUME);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	assert_int_equal(M.v.cr2, 0x40000000);
	/* INVLPG takes one, MOV CR3 takes all. */
	mock_exit(XR_INVLPG, 0x7000);
	assert_int_equal(*shadow_entry(0, 0x7000), 0);
	mock_exit(XR_INVLPG, 0x7fff00000000);
	page_fault(0x7000, PF_W);
	M.v.regs[R_RDX] = G_PT;
	mock_hw(F_EXIT_INSN_LEN, 3);
	mock_exit(XR_CR, 3 | R_RDX << 8);
	assert_null(shadow_entry(0, 0x7000));
	mock_exit(XR_CR, 3 | 1 << 4 | R_RAX << 8);
	assert_int_equal(M.v.regs[R_RAX], G_PT);
	M.v.regs[R_RDX] = 1ull << 60;
	mock_exit(XR_CR, 3 | R_RDX << 8);
	assert_int_equal(injected() & 0xff, XV_GP);
	/* WP off: the supervisor writes where the tables say read-only. */
	mock_write(G_PT + 0x2000, 0 | 0xe1);
	M.v.regs[R_RDX] = C0_PE | C0_PG | C0_NE;
	mock_exit(XR_CR, 0 | R_RDX << 8);
	assert_true(mock_hw_get(F_GUEST_CR0) & C0_WP);
	assert_int_equal(page_fault(0x8000, PF_W | PF_P), NV_RESUME);
	assert_int_equal(*shadow_entry(0, 0x8000) & (PT_W | PT_U), PT_W);
	mock_write(G_PT + 0x2000, 0 | 0xe7);
	M.v.regs[R_RDX] = C4_PAE | C4_VMXE | C4_SMEP;
	mock_exit(XR_CR, 4 | R_RDX << 8);
	assert_int_equal(nv_read_cr4(&M.v), C4_PAE | C4_VMXE | C4_SMEP);
	assert_int_equal(nv_set_msr(&M.v, M_EFER, EF_LME | EF_LMA, false), 0);
	assert_int_equal(nv_set_msr(&M.v, M_EFER, EF_LME | EF_LMA | EF_NX, false), 0);
	M.v.regs[R_RDX] = C0_PE | C0_PG | C0_NE | C0_WP;
	mock_exit(XR_CR, 0 | R_RDX << 8);
	/* L2 on shadow tables of its own. */
	l2();
	assert_int_equal(mock_hw_get(F_GUEST_CR3), mach_pa(M.v.mmu->shadow[1].top));
	assert_int_equal(page_fault(0x9000, PF_W), NV_RESUME);
	assert_int_equal(*shadow_entry(1, 0x9000) & 0x000ffffffffff000ull, mock_hpa(0x9000));
	assert_int_equal(page_fault(0x40000000, 0), NV_RESUME);
	assert_true(M.v.in_l2);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	mock_invariants();
	mock_exit(XR_CPUID, 0);
	assert_int_equal(r12(F_GUEST_CR3), G_PT);
	w(F_EXCEPTION_BITMAP, 1 << XV_PF);
	assert_true(mock_resume());
	assert_int_equal(page_fault(0x40000000, 0), NV_RESUME);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_QUAL), 0x40000000);
	assert_int_equal(r12(F_IDT_INFO), 0);
	/* While a #GP is being delivered: L1 is told of both (28.2.4). */
	assert_true(mock_resume());
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	mock_hw(F_IDT_ERR, 0x68);
	page_fault(0x40000000, 0);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_INTR_INFO), INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	assert_int_equal(r12(F_IDT_INFO), INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	assert_int_equal(r12(F_IDT_ERR), 0x68);
	/* A #DF comes of two that L1 leaves to L2. */
	w(F_EXCEPTION_BITMAP, 0);
	assert_true(mock_resume());
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	page_fault(0x40000000, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_DF) | INFO_ERR);
	mock_exit(XR_CPUID, 0);
	/* A 32-bit L2: PAE tables for the CPU. */
	w(F_ENTRY_CTL, 0x11ff | ENTRY_LOAD_EFER);
	w(F_GUEST_EFER, 0);
	w(F_GUEST_CR4, C4_VMXE | C4_PSE);
	w(F_GUEST_CS_AR, 0xc09b);
	w(F_GUEST_CR3, G_FREE);
	mock_write(G_FREE, 0xe7);
	assert_true(mock_resume());
	assert_true(mock_hw_get(F_GUEST_CR4) & C4_PAE);
	assert_int_equal(mock_hw_get(F_GUEST_CR3), mach_pa(M.v.mmu->shadow[1].pae));
	assert_int_equal(page_fault(0x5000, 0), NV_RESUME);
	assert_true(M.v.mmu->shadow[1].pae[0] & PT_P);
	assert_int_equal(*shadow_entry(1, 0x5000) & 0x000ffffffffff000ull, mock_hpa(0x5000));
	M.seq++;
	nv_vm_zap(&M.vm, 0, MOCK_RAM);
	assert_int_equal(M.v.mmu->shadow[1].pae[0], 0);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(r12(F_GUEST_CR4), C4_VMXE | C4_PSE);
	assert_int_equal(mock_vmx(XR_INVVPID, 0).what, FAIL_VALID);
	assert_int_equal(mock_inv(XR_INVVPID, 2, 0, 0).what, OK_);
	assert_int_equal(mock_inv(XR_INVEPT, 2, 0, 0).error, XV_UD);
}

/* What an entry was made for besides the tables: CR0.WP and CR4.SMEP, across VM entries that keep it by VPID. */
static void shadow_modes(void **state)
{
	(void)state;
	good();
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_SECONDARY);
	w(F_CPU2_CTL, CPU2_VPID);
	w(F_VPID, 1);
	w(F_GUEST_CR0, 0x80000031);
	w(F_GUEST_CR3, G_FREE);
	mock_write(G_FREE, (G_FREE + 0x1000) | 0x67);
	mock_write(G_FREE + 0x1000, (G_FREE + 0x2000) | 0x67);
	mock_write(G_FREE + 0x2000, 0x80 | 0x65); /* the user's, read-only */
	assert_true(mock_launch());
	assert_int_equal(mock_linear_access(0x5000, PF_W), mock_hpa(0x5000));
	assert_int_equal(*shadow_entry(1, 0x5000) & (PT_W | PT_U | PT_NX), PT_W);
	/* The same with WP: the entry is gone, also from the TLB. */
	mock_exit(XR_CPUID, 0);
	w(F_GUEST_CR0, 0x80010031);
	assert_true(mock_resume());
	assert_int_equal(mock_linear_access(0x5000, PF_W), 0);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	/* Under SMEP the supervisor does not run it either, though it is the supervisor's in the shadow. */
	mock_exit(XR_CPUID, 0);
	w(F_GUEST_CR0, 0x80000031);
	w(F_GUEST_CR4, C4_PAE | C4_VMXE | C4_SMEP);
	assert_true(mock_resume());
	assert_int_equal(mock_linear_access(0x5000, PF_W), mock_hpa(0x5000));
	assert_int_equal(mock_linear_access(0x5000, PF_I), 0);
	/* L1's own, after an exit that sets WP. */
	mock_exit(XR_CPUID, 0);
	M.v.regs[R_RDX] = G_FREE;
	mock_hw(F_EXIT_INSN_LEN, 3);
	mock_exit(XR_CR, 3 | R_RDX << 8);
	assert_int_equal(mock_linear_access(0x6000, PF_W), mock_hpa(0x6000));
	M.v.regs[R_RDX] = G_PT;
	mock_exit(XR_CR, 3 | R_RDX << 8);
	mock_write(G_PT + 0x2000, 0xe5);
	assert_int_equal(mock_linear_access(0x6000, PF_W), mock_hpa(0x6000));
	w(F_HOST_CR0, 0x80010031);
	assert_true(mock_resume());
	mock_exit(XR_CPUID, 0);
	assert_int_equal(mock_linear_access(0x6000, PF_W), 0);
	mock_write(G_PT + 0x2000, 0xe7);
}

static int setup_prebuilt(void **state)
{
	(void)state;
	mock_reset();
	nv_params.prebuilt_ept = true;
	return mock_start();
}

static void prebuilt(void **state)
{
	u64 *t = M.vm.ept01->top;

	(void)state;
	for (int l = 4; l > 1; l--)
		t = mach_va(t[0] & 0x000ffffffffff000ull);
	for (u64 i = 0; i < 512; i++)
		assert_int_equal(t[i] & 0x000ffffffffff000ull, mock_hpa(i * 4096));
}

/* EPT02 from the first violation in a leaf table of EPT12 on: what may be cached is there, and nothing else. */
static void prebuilt_ept02(void **state)
{
	u64 exits, fills;

	(void)state;
	for (int ad = 0; ad < 2; ad++) {
		l2();
		mock_exit(XR_CPUID, 0);
		w(F_EPTP, V12(&M.v, EPTP) | (ad ? EPTP_AD : 0));
		for (u64 i = 0; i < 8; i++)
			mock_ept_map(G_FREE + i * 0x1000, G_FREE + i * 0x1000, 0x337); /* accessed and dirty */
		mock_ept_map(G_FREE + 0x1000, G_FREE, 0);
		mock_ept_map(G_FREE + 0x2000, G_FREE, 0x331);
		mock_ept_map(G_FREE + 0x3000, G_FREE + 0x3000, 0x137); /* clean */
		mock_ept_map(G_FREE + 0x4000, G_FREE + 0x4000, 0x37); /* not accessed */
		mock_ept_map(G_FREE + 0x5000, G_FREE + 0x5000, 0x334);
		mock_ept_map(G_FREE + 0x6000, G_FREE + 0x6000, 0x332); /* misconfigured */
		assert_int_equal(mock_inv(XR_INVEPT, 2, 0, 0).what, OK_);
		assert_true(mock_resume());
		exits = M.v.stats.l0_exits;
		assert_int_equal(mock_l2_access(G_FREE, NV_W), mock_hpa(G_FREE));
		assert_int_equal(M.v.stats.l0_exits, exits + 1);
		assert_int_equal(mock_l2_access(G_FREE + 0x7000, NV_W), mock_hpa(G_FREE + 0x7000));
		assert_int_equal(mock_l2_access(G_FREE + 0x2000, NV_R), mock_hpa(G_FREE));
		assert_int_equal(mock_l2_access(G_FREE + 0x5000, NV_X), mock_hpa(G_FREE + 0x5000));
		assert_int_equal(mock_l2_access(G_FREE + 0x3000, NV_R), mock_hpa(G_FREE + 0x3000));
		assert_int_equal(M.v.stats.l0_exits, exits + 1);
		/* With A/D flags the first write and the first use must be seen. */
		assert_int_equal(mock_read(LEAF(G_FREE + 0x4000)) >> 8 & 3, 0);
		fills = M.v.stats.shadow_fills;
		assert_int_equal(mock_l2_access(G_FREE + 0x3000, NV_W), mock_hpa(G_FREE + 0x3000));
		assert_int_equal(mock_l2_access(G_FREE + 0x4000, NV_R), mock_hpa(G_FREE + 0x4000));
		assert_int_equal(M.v.stats.l0_exits, exits + 1 + (ad ? 2 : 0));
		assert_int_equal(M.v.stats.shadow_fills, fills + (ad ? 2 : 0)); /* once a table is enough */
		assert_int_equal(mock_read(LEAF(G_FREE + 0x3000)) >> 8 & 3, ad ? 3 : 1);
		assert_int_equal(mock_read(LEAF(G_FREE + 0x4000)) >> 8 & 3, ad ? 1 : 0);
		assert_int_equal(mock_l2_access(G_FREE + 0x1000, NV_R), 0);
		reflected(XR_EPT_VIOLATION);
		assert_true(mock_resume());
		assert_int_equal(mock_l2_access(G_FREE + 0x6000, NV_R), 0);
		reflected(XR_EPT_MISCONFIG);
		mock_invariants();
		mock_vmx(XR_VMXOFF, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(violations), T(misconfigurations), T(no_stale_translation), T(memory_goes_away), T(guest_paging), T(racing_guest),
		cmocka_unit_test_setup_teardown(shadow_paging, setup_shadow, teardown),
		cmocka_unit_test_setup_teardown(shadow_modes, setup_shadow, teardown),
		cmocka_unit_test_setup_teardown(prebuilt, setup_prebuilt, teardown),
		cmocka_unit_test_setup_teardown(prebuilt_ept02, setup_prebuilt, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
