// SPDX-License-Identifier: LGPL-2.1-or-later
/* The bug classes other nested cores have had (NESTED-CORE), one test each. tests/core/mutants takes each fix out again and
 * expects the test of that number to fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "mock.h"

static int setup(void **state)
{
	(void)state;
	mock_reset();
	return mock_start();
}

static int teardown(void **state)
{
	(void)state;
	mock_invariants();
	mock_stop();
	return 0;
}

static void l2(void)
{
	mock_vmxon();
	mock_good_vmcs12();
	assert_true(mock_launch());
}

static void w(enum nv_field f, u64 val)
{
	assert_int_equal(mock_vmwrite(nv_fields[f].enc, val).what, OK_);
}

static void bug01_invalidation_types(void **state)
{
	(void)state;
	mock_vmxon();
	for (u64 type = 0; type < 6; type++) {
		struct mock_result e = mock_inv(XR_INVEPT, type, G_EPT | 0x1e, 0), p = mock_inv(XR_INVVPID, type, 1, 0);

		assert_int_equal(e.what, type == 1 || type == 2 ? OK_ : FAIL_VALID);
		assert_int_equal(p.what, type <= 3 ? OK_ : FAIL_VALID);
	}
	assert_int_equal(mock_inv(XR_INVEPT, 1ull << 32 | 1, G_EPT | 0x1e, 0).error, VE_INV_OPERAND);
	assert_int_equal(mock_inv(XR_INVVPID, 1, 0, 0).error, VE_INV_OPERAND);
	assert_int_equal(mock_inv(XR_INVVPID, 1, 0x10001, 0).error, VE_INV_OPERAND);
	assert_int_equal(mock_inv(XR_INVVPID, 0, 1, 0x800000000000).error, VE_INV_OPERAND);
}

static void bug02_vmxon_again(void **state)
{
	(void)state;
	mock_vmxon();
	for (int i = 0; i < 10; i++) {
		struct mock_result r = mock_vmx(XR_VMXON, G_FREE);

		assert_int_equal(r.what, FAIL_VALID);
		assert_int_equal(r.error, VE_VMXON_IN_ROOT);
	}
	assert_int_equal(M.v.n->vmxon_ptr, G_VMXON);
	assert_int_equal(M.v.n->ptr12, G_VMCS);
}

static void bug03_invept_null(void **state)
{
	(void)state;
	mock_vmxon();
	assert_int_equal(mock_inv(XR_INVEPT, 1, 0, 0).error, VE_INV_OPERAND);
	assert_int_equal(mock_inv(XR_INVEPT, 1, G_EPT, 0).error, VE_INV_OPERAND);
	assert_int_equal(mock_inv(XR_INVEPT, 1, G_EPT | 0x1e, 1).error, VE_INV_OPERAND);
}

static void bug04_cr8(void **state)
{
	(void)state;
	l2();
	assert_int_equal(mock_hw_get(F_CPU_CTL) & (CPU_CR8_LOAD | CPU_CR8_STORE), CPU_CR8_LOAD | CPU_CR8_STORE);
	/* MOV CR8, RDX: L0's to handle, not the host's TPR. */
	M.v.regs[R_RDX] = 7;
	assert_int_equal(mock_exit(XR_CR, 8 | 0 << 4 | R_RDX << 8), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_SET_TPR);
	assert_int_equal(M.v.cr8, 7);
}

static void bug05_cpl_first(void **state)
{
	(void)state;
	mock_vmxon();
	mock_hw(F_GUEST_SS_AR, 0xc0f3);
	M.v.regs[R_RAX] = 0x7fff00000000; /* not mapped: a #PF if it were read */
	for (u32 r = XR_VMCLEAR; r <= XR_VMXON; r++) {
		mock_hw(F_EXIT_INSN_INFO, 2 << 7 | 1 << 22 | 3 << 15);
		mock_exit(r, 0);
		assert_int_equal(mock_hw_get(F_ENTRY_INTR_INFO), INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	}
}

static void bug06_timer_ends_with_vmx(void **state)
{
	(void)state;
	mock_vmxon();
	mock_good_vmcs12();
	w(F_PIN_CTL, 0x16 | PIN_PREEMPT);
	w(F_PREEMPT_TIMER, 1000);
	assert_true(mock_launch());
	assert_true(mock_hw_get(F_PIN_CTL) & PIN_PREEMPT);
	assert_int_equal(mock_hw_get(F_PREEMPT_TIMER), 1000);
	mock_exit(XR_CPUID, 0);
	assert_false(M.v.in_l2);
	assert_false(M.v.n->own_timer);
	assert_false(mock_hw_get(F_PIN_CTL) & PIN_PREEMPT);
	assert_int_equal(mock_vmx(XR_VMXOFF, 0).what, OK_);
	assert_false(M.v.n->own_timer);
}

static void bug07_x2apic(void **state)
{
	(void)state;
	mock_vmxon();
	mock_good_vmcs12();
	/* L1 passes everything; L0 passes no x2APIC register. entry_rules() looks at the bitmap of every entry. */
	w(F_CPU_CTL, (V12(&M.v, CPU_CTL) | CPU_MSR_BITMAPS | CPU_TPR_SHADOW));
	w(F_MSR_BITMAP, G_MSRMAP);
	w(F_VIRT_APIC, G_VAPIC);
	assert_true(mock_launch());
	mock_exit(XR_CPUID, 0);
	/* With the CPU virtualizing them they may pass, and must not any more once L1 stops that. */
	w(F_CPU2_CTL, CPU2_EPT | CPU2_X2APIC);
	assert_true(mock_resume());
	assert_false(((u8 *)M.v.n->msr_bitmap02)[0x901] & 1);
	mock_exit(XR_CPUID, 0);
	w(F_CPU2_CTL, CPU2_EPT);
	assert_true(mock_resume());
	assert_true(((u8 *)M.v.n->msr_bitmap02)[0x901] & 1);
	/* Nor when L1 names a virtual-APIC page that it does not have: the CPU then virtualizes nothing. */
	mock_exit(XR_CPUID, 0);
	w(F_CPU2_CTL, CPU2_EPT | CPU2_X2APIC);
	w(F_VIRT_APIC, MOCK_RAM);
	assert_true(mock_resume());
	assert_true(((u8 *)M.v.n->msr_bitmap02)[0x901] & 1);
	/* Nor when the page goes while L2 runs. */
	mock_exit(XR_CPUID, 0);
	w(F_VIRT_APIC, G_VAPIC);
	assert_true(mock_resume());
	assert_false(((u8 *)M.v.n->msr_bitmap02)[0x901] & 1);
	nv_vm_unpin(&M.vm);
	M.gone[G_VAPIC / 4096] = true;
	assert_int_equal(mock_exit(XR_EXT_INT, 0), NV_RESUME);
	assert_true(M.v.in_l2);
	assert_true(((u8 *)M.v.n->msr_bitmap02)[0x901] & 1);
	/* The MSRs both pass do pass. */
	assert_false(((u8 *)M.v.n->msr_bitmap02)[0x174 / 8] & 1 << 0x174 % 8);
}

static void bug08_l1_intercepts(void **state)
{
	(void)state;
	mock_vmxon();
	mock_good_vmcs12();
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_IO_BITMAPS);
	w(F_IO_BITMAP_A, G_IO_A);
	w(F_IO_BITMAP_B, G_IO_B);
	M.ram[G_IO_A + 0x80 / 8] = 1;
	assert_true(mock_launch());
	assert_int_equal(mock_exit(XR_IO, 0x80 << 16 | 1 << 6), NV_RESUME);
	assert_false(M.v.in_l2);
	assert_int_equal(V12(&M.v, EXIT_REASON), XR_IO);
	assert_true(mock_resume());
	/* A word at 0x7f touches 0x80 as well; one that wraps exits always. */
	assert_int_equal(mock_exit(XR_IO, 0x7f << 16 | 1 << 6 | 1), NV_RESUME);
	assert_false(M.v.in_l2);
	assert_true(mock_resume());
	assert_int_equal(mock_exit(XR_IO, 0xffffull << 16 | 1 << 6 | 1), NV_RESUME);
	assert_false(M.v.in_l2);
	assert_true(mock_resume());
	/* Not intercepted: L0's, as if L1 had done it. */
	assert_int_equal(mock_exit(XR_IO, 0x8000ull << 16 | 1 << 6), NV_USER);
	assert_true(M.v.in_l2);
	assert_int_equal(M.v.ux.io.addr, 0x8000);
}

static void swap_msr_entry(u64 gpa, u32 len)
{
	/* The moment the entry was read, it says something else: an MSR that may not be loaded. */
	if (gpa == G_LIST && len == 16)
		mock_write(G_LIST, M_FS_BASE);
}

static void bug09_double_fetch(void **state)
{
	(void)state;
	mock_vmxon();
	mock_good_vmcs12();
	w(F_ENTRY_LOAD_COUNT, 1);
	w(F_ENTRY_LOAD_ADDR, G_LIST);
	mock_write(G_LIST, M_STAR);
	mock_write(G_LIST + 8, 0x1234);
	M.on_read = swap_msr_entry;
	assert_true(mock_launch());
	M.on_read = NULL;
	assert_int_equal(M.guest_msr[0], 0x1234);
	assert_int_equal(mock_hw_get(F_GUEST_FS_BASE), 0);
}

static void bug10_barrier(void **state)
{
	(void)state;
	unsigned int before;

	l2();
	before = M.barriers;
	mock_exit(XR_CPUID, 0);
	assert_false(M.v.in_l2);
	assert_int_equal(M.barriers, before + 1);
}

static void bug11_cr0_consistency(void **state)
{
	(void)state;
	mock_vmxon();
	mock_good_vmcs12();
	w(F_CPU2_CTL, CPU2_EPT | CPU2_UNRESTRICTED);
	w(F_ENTRY_CTL, 0x11ff | ENTRY_LOAD_EFER);
	w(F_GUEST_EFER, 0);
	w(F_GUEST_CR0, C0_PG | C0_NE | C0_ET);
	assert_false(mock_launch());
	assert_string_equal(M.v.n->failed.name, "guest_cr0_pg_pe");
	/* And a CR0 the guest writes while it runs. */
	w(F_GUEST_CR0, C0_NE | C0_ET);
	w(F_GUEST_CR4, C4_VMXE);
	assert_true(mock_launch());
	M.v.regs[R_RDX] = C0_PG | C0_NE | C0_ET | C0_CD;
	mock_exit(XR_CR, 0 | 0 << 4 | R_RDX << 8);
	assert_int_equal(mock_hw_get(F_ENTRY_INTR_INFO) & 0xff, XV_GP);
	assert_false(mock_hw_get(F_GUEST_CR0) & C0_PG);
}

static void bug12_flushes_and_leaks(void **state)
{
	u64 hpa;

	(void)state;
	mock_vmxon();
	mock_good_vmcs12();
	w(F_CPU2_CTL, CPU2_EPT | CPU2_VPID);
	w(F_VPID, 5);
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_TPR_SHADOW);
	w(F_VIRT_APIC, G_VAPIC);
	assert_true(mock_launch());
	assert_int_equal(M.pins[G_VAPIC / 4096], 1);
	hpa = mock_l2_access(G_FREE, NV_R);
	assert_int_equal(hpa, mock_hpa(G_FREE));
	mock_exit(XR_CPUID, 0);
	/* Another VPID, and an entry that fails: vpid02 changes hands all the same, at the next entry. */
	w(F_VPID, 6);
	w(F_GUEST_RFLAGS, 0);
	M.invvpids = 0;
	assert_false(mock_resume());
	w(F_GUEST_RFLAGS, 2);
	assert_true(mock_resume());
	assert_true(M.invvpids >= 1);
	mock_exit(XR_CPUID, 0);
	/* The same VPID: nothing is flushed. */
	M.invvpids = 0;
	assert_true(mock_resume());
	assert_int_equal(M.invvpids, 0);
	mock_exit(XR_CPUID, 0);
	/* VMCLEAR lets the pages go. */
	assert_int_equal(mock_vmx(XR_VMCLEAR, G_VMCS).what, OK_);
	assert_int_equal(M.pins[G_VAPIC / 4096], 0);
	/* And the CPU is told to let go of every VMCS before its page is freed. */
	mach_vmcs_load(&M.v, &M.v.shadow);
	mach_vmcs_load(&M.v, &M.v.vmcs02);
	mach_vmcs_load(&M.v, &M.v.vmcs01);
	nv_vcpu_free(&M.v);
	assert_int_equal(M.v.shadow.cpu, -1);
	assert_int_equal(M.v.vmcs02.cpu, -1);
	assert_int_equal(M.v.vmcs01.cpu, -1);
}

static void bug13_field_index(void **state)
{
	(void)state;
	bool seen[NV_NFIELDS] = { false };

	for (u64 enc = 0; enc < 0x20000; enc++) {
		int f = nv_field_of(enc);

		assert_true(f >= -1 && f < NV_NFIELDS);
		if (f < 0)
			continue;
		assert_int_equal(nv_fields[f].enc, enc & ~1ull);
		if (!(enc & 1)) {
			assert_false(seen[f]);
			seen[f] = true;
		} else {
			assert_int_equal(nv_enc_width((u32)enc), NV_W64);
		}
	}
	for (int f = 0; f < NV_NFIELDS; f++)
		assert_true(seen[f]);
	for (int b = 15; b < 64; b++)
		assert_int_equal(nv_field_of(1ull << b | ENC_GUEST_RIP), -1);
	mock_vmxon();
	assert_int_equal(mock_vmread(0x7ffe, NULL).error, VE_FIELD);
	assert_int_equal(mock_vmwrite(0xffffffffffffffff, 1).error, VE_FIELD);
	assert_int_equal(mock_vmread(1ull << 32 | ENC_GUEST_RIP, NULL).error, VE_FIELD);
}

static void bug14_no_panic(void **state)
{
	(void)state;
	/* An exit reason nobody knows is told to user space and counted nowhere. */
	mock_hw(F_EXIT_REASON, 0xffff);
	nv_exit_begin(&M.v);
	assert_int_equal(nv_handle_exit(&M.v, false), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_INTERNAL);
	assert_int_equal(nv_handle_exit(&M.v, true), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_FAIL_ENTRY);
	mock_hw(F_EXIT_REASON, 0);
}

static void bug15_roles(void **state)
{
	u64 eptp;

	(void)state;
	l2();
	assert_int_equal(mock_l2_access(G_FREE, NV_R), mock_hpa(G_FREE));
	assert_false(mock_hw_get(F_EPTP) & EPTP_AD);
	eptp = mock_hw_get(F_EPTP);
	mock_exit(XR_CPUID, 0);
	/* The same tables with accessed and dirty flags are another thing: another root, which shares nothing. */
	w(F_EPTP, G_EPT | 0x5e);
	assert_true(mock_resume());
	assert_true(mock_hw_get(F_EPTP) & EPTP_AD);
	assert_int_not_equal(mock_hw_get(F_EPTP) & ~0xfffull, eptp & ~0xfffull);
	assert_int_equal(mock_l2_access(G_FREE, NV_R), mock_hpa(G_FREE));
	/* Accessed was set, dirty was not: the write comes here first and sets it. */
	assert_true(mock_read(G_EPT + 0x3000 + 8 * (G_FREE >> 12)) & EPT_A);
	assert_false(mock_read(G_EPT + 0x3000 + 8 * (G_FREE >> 12)) & EPT_D);
	assert_int_equal(mock_l2_access(G_FREE, NV_W), mock_hpa(G_FREE));
	assert_true(mock_read(G_EPT + 0x3000 + 8 * (G_FREE >> 12)) & EPT_D);
	mock_invariants();
	/* Dropping one leaves the other whole. */
	nv_ept02_drop(&M.v, 0, true);
	mock_invariants();
	assert_int_equal(M.v.mmu->ept02[0].pages + M.v.mmu->ept02[1].pages, 0);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(bug01_invalidation_types), T(bug02_vmxon_again), T(bug03_invept_null), T(bug04_cr8), T(bug05_cpl_first),
		T(bug06_timer_ends_with_vmx), T(bug07_x2apic), T(bug08_l1_intercepts), T(bug09_double_fetch), T(bug10_barrier),
		T(bug11_cr0_consistency), T(bug12_flushes_and_leaks), T(bug13_field_index), T(bug14_no_panic), T(bug15_roles),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
