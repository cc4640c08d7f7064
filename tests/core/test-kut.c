// SPDX-License-Identifier: LGPL-2.1-or-later
/* What kvm-unit-tests' [vmx] group found (tests/vmx/check-kut), here without an emulated host. */
#include "run.h"

/* L2 gets no branch records, traces or BTS interrupts, whichever way L1 or L2 asks: they would be made with the host's MSRs. */
static void no_branch_records(void **state)
{
	u64 val;

	(void)state;
	good();
	assert_int_equal(nv_set_msr(&M.v, M_DEBUGCTL, DEBUGCTL_LBR, false), 0);
	assert_int_equal(nv_get_msr(&M.v, M_DEBUGCTL, &val, false), 0);
	assert_int_equal(val, 0);
	w(F_GUEST_DEBUGCTL, 0x1c3);
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_SAVE_DEBUG);
	w(F_ENTRY_CTL, V12(&M.v, ENTRY_CTL) | ENTRY_LOAD_DEBUG);
	assert_true(mock_launch());
	assert_int_equal(mock_hw_get(F_GUEST_DEBUGCTL), DEBUGCTL_BTF);
	assert_int_equal(nv_set_msr(&M.v, M_DEBUGCTL, DEBUGCTL_LBR | DEBUGCTL_BTF, false), 0);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(r12(F_GUEST_DEBUGCTL), DEBUGCTL_BTF);
	assert_int_equal(mock_hw_get(F_GUEST_DEBUGCTL), 0);
}

/* 26.5.2: an instruction of L2's that L0 emulates ends with an MTF exit as well. Found by kvm-unit-tests' vmx_mtf_test. */
static void monitor_trap_flag(void **state)
{
	static struct nv_nested_state s;

	(void)state;
	good();
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_MTF);
	w(F_GUEST_RFLAGS, FL_TF | 2);
	assert_true(mock_launch());
	mock_hw(F_EXIT_INSN_LEN, 2);
	assert_int_equal(mock_exit(XR_IO, 0x80 << 16), NV_USER);
	/* Saved while it waits: not lost. */
	assert_int_equal(nv_get_nested_state(&M.v, &s), 0);
	assert_int_equal(s.flags, NV_NS_GUEST_MODE | NV_NS_MTF_PENDING);
	nv_queue_interrupt(&M.v, 0x33);
	assert_int_equal(mock_enter(), NV_RESUME);
	reflected(XR_MTF);
	assert_int_equal(r12(F_GUEST_RIP), 0x2002);
	/* The single-step trap at the same boundary comes after it, and so does the interrupt. */
	assert_int_equal(r12(F_GUEST_PENDING_DBG), 1 << 14);
	assert_true(M.v.n->ev.irq);
	M.v.n->ev.irq = false;
	/* Of REP, one iteration. */
	w(F_GUEST_RFLAGS, 2);
	w(F_GUEST_PENDING_DBG, 0);
	assert_true(mock_resume());
	M.v.regs[R_RCX] = 2;
	M.v.regs[R_RSI] = G_FREE;
	mock_hw(F_EXIT_INSN_INFO, 2 << 7);
	mock_hw(F_GUEST_LINEAR, G_FREE);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 5), NV_USER);
	assert_int_equal(mock_enter(), NV_RESUME);
	reflected(XR_MTF);
	assert_int_equal(M.v.regs[R_RCX], 1);
	assert_int_equal(r12(F_GUEST_RIP), 0x2002);
	/* A fault that L0 injects: the CPU's own MTF exit follows the delivery. */
	assert_true(mock_resume());
	mock_hw(F_GUEST_LINEAR, 0x700000000000);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 3), NV_RESUME);
	assert_true(M.v.in_l2);
	assert_int_equal(injected() & 0xff, XV_PF);
	assert_int_equal(mock_exit(XR_IO, 0x80 << 16), NV_USER);
	nv_queue_exception(&M.v, XV_UD, false, 0);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_true(M.v.in_l2 && !M.v.n->ev.mtf);
	assert_int_equal(injected() & 0xff, XV_UD);
}

/* 27.6.2: L1 injects a pending MTF exit; it needs no control for that. */
static void injected_mtf(void **state)
{
	(void)state;
	good();
	w(F_ENTRY_INTR_INFO, INFO_MAKE(EV_OTHER, 0));
	assert_true(mock_launch());
	assert_int_equal(injected(), INFO_MAKE(EV_OTHER, 0));
	assert_int_equal(mock_exit(XR_MTF, 0), NV_RESUME);
	reflected(XR_MTF);
	assert_false(r12(F_IDT_INFO) & INFO_VALID);
}

/* INT1, at both levels: delivered as what it is, behind the instruction, or it runs for ever. Found by kvm-unit-tests' vmx_mtf_test. */
static void int1_is_a_trap(void **state)
{
	u64 dr6;

	(void)state;
	good();
	for (int level = 1; level <= 2; level++) {
		if (level == 2)
			assert_true(mock_launch());
		dr6 = M.dr[6] = 0xffff0ff2;
		mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_PRIV_SW, XV_DB));
		mock_hw(F_EXIT_INSN_LEN, 3); /* with two prefixes */
		mock_exit(XR_EXC_NMI, 0);
		assert_int_equal(M.v.in_l2, level == 2);
		assert_int_equal(injected(), INFO_MAKE(EV_PRIV_SW, XV_DB));
		assert_int_equal(mock_hw_get(F_ENTRY_INSN_LEN), 3);
		assert_int_equal(M.dr[6], dr6);
		/* Once. */
		mock_exit(XR_CPUID, 0);
		if (level == 1)
			assert_false(injected() & INFO_VALID);
		else
			reflected(XR_CPUID);
	}
	/* L1's, if it wants it. */
	w(F_EXCEPTION_BITMAP, NV_BIT(XV_DB));
	assert_true(mock_resume());
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_PRIV_SW, XV_DB));
	mock_hw(F_EXIT_INSN_LEN, 1);
	mock_exit(XR_EXC_NMI, 0);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_INTR_INFO), INFO_MAKE(EV_PRIV_SW, XV_DB));
	assert_int_equal(r12(F_EXIT_INSN_LEN), 1);
}

/* 27.3.1.5: with TF set, blocking wants BS pending, which the CPU does not leave at an exit for #DB. */
static void debug_exception_in_blocking(void **state)
{
	static const u64 blocking[] = { INTR_STI, INTR_MOV_SS };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		mock_hw(F_GUEST_RFLAGS, FL_TF | 2);
		mock_hw(F_GUEST_INTERRUPTIBILITY, blocking[i & 1] | INTR_NMI);
		mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(i & 2 ? EV_PRIV_SW : EV_HW_EXC, XV_DB));
		mock_hw(F_EXIT_INSN_LEN, 1);
		mock_exit(XR_EXC_NMI, 0x4000);
		assert_true(injected() & INFO_VALID);
		assert_int_equal(mock_hw_get(F_GUEST_INTERRUPTIBILITY), INTR_NMI);
	}
}

/* Single-stepped HLT does not halt; at either level. Found by kvm-unit-tests' debug. */
static void step_over_hlt(void **state)
{
	(void)state;
	good();
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) & ~CPU_HLT);
	for (int level = 1; level <= 2; level++) {
		if (level == 2)
			assert_true(mock_launch());
		mock_hw(F_GUEST_RFLAGS, FL_TF | FL_IF | 2);
		mock_hw(F_GUEST_INTERRUPTIBILITY, INTR_STI);
		mock_hw(F_EXIT_INSN_LEN, 1);
		assert_int_equal(mock_exit(XR_HLT, 0), NV_RESUME);
		assert_int_equal(M.v.in_l2, level == 2);
		assert_int_equal(mock_hw_get(F_GUEST_PENDING_DBG), DBG_BS);
		assert_int_equal(mock_hw_get(F_GUEST_ACTIVITY), 0);
		mock_hw(F_GUEST_RFLAGS, FL_IF | 2);
		mock_hw(F_GUEST_PENDING_DBG, 0);
	}
	mock_exit(XR_HLT, 0);
	assert_true(M.v.hlt);
}

/* DR7.GD: a fault at any MOV DR, until the handler of a debug exception runs. Found by kvm-unit-tests' debug. */
static void general_detect(void **state)
{
	u64 rip;

	(void)state;
	good();
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_SAVE_DEBUG);
	for (int level = 1; level <= 2; level++) {
		if (level == 2)
			assert_true(mock_launch());
		M.dr[6] = 0xffff0ff1;
		M.v.regs[R_RAX] = 0xffff0ff0;
		rip = mock_hw_get(F_GUEST_RIP);
		mock_hw(F_GUEST_DR7, 0x400 | DR7_GD);
		assert_int_equal(mock_exit(XR_DR, 6), NV_RESUME);
		assert_int_equal(M.v.in_l2, level == 2);
		assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_DB));
		assert_int_equal(mock_hw_get(F_GUEST_RIP), rip);
		assert_true(mock_hw_get(F_GUEST_RFLAGS) & FL_RF);
		assert_int_equal(M.dr[6], 0xffff0ff0 | DBG_BD);
		assert_int_equal(mock_hw_get(F_GUEST_DR7), 0x400);
		/* Now it may. */
		assert_int_equal(mock_exit(XR_DR, 6), NV_RESUME);
		assert_int_equal(M.dr[6], 0xffff0ff0);
		assert_int_equal(mock_hw_get(F_GUEST_RIP), rip + mock_hw_get(F_EXIT_INSN_LEN));
		/* So does the handler of INT1. */
		mock_hw(F_GUEST_DR7, 0x400 | DR7_GD);
		mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_PRIV_SW, XV_DB));
		mock_hw(F_EXIT_INSN_LEN, 1);
		mock_exit(XR_EXC_NMI, 0);
		assert_int_equal(mock_hw_get(F_GUEST_DR7), 0x400);
	}
	/* What L1 intercepts changes no register. */
	mock_exit(XR_CPUID, 0);
	w(F_EXCEPTION_BITMAP, NV_BIT(XV_DB));
	assert_true(mock_resume());
	mock_hw(F_GUEST_DR7, 0x400 | DR7_GD);
	mock_exit(XR_DR, 6);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_QUAL), DBG_BD);
	assert_int_equal(r12(F_GUEST_DR7), 0x400 | DR7_GD);
	assert_int_equal(M.dr[6], 0xffff0ff0);
}

/* Restored with the trap flag waiting; a flag that L1's controls do not have means nothing. */
static void monitor_trap_flag_restored(void **state)
{
	static struct nv_nested_state s;

	(void)state;
	for (int on = 0; on < 2; on++) {
		mock_stop();
		mock_reset();
		assert_int_equal(mock_start(), 0);
		good();
		w(F_CPU_CTL, V12(&M.v, CPU_CTL) | (on ? CPU_MTF : 0));
		assert_true(mock_launch());
		assert_int_equal(nv_get_nested_state(&M.v, &s), 0);
		mock_exit(XR_CPUID, 0);
		s.flags |= NV_NS_MTF_PENDING;
		assert_int_equal(nv_set_nested_state(&M.v, &s), 0);
		assert_int_equal(mock_enter(), NV_RESUME);
		assert_int_equal(M.v.in_l2, !on);
	}
	assert_int_equal(V12(&M.v, EXIT_REASON), XR_MTF);
}

/* MSR-store area: L2's time ends with the exit, not when L0 comes to write it. Found by kvm-unit-tests' rdtsc_vmexit_diff_test. */
static void tsc_of_the_exit(void **state)
{
	u64 then;

	(void)state;
	good();
	nv_set_tsc_offset(&M.v, 5000);
	w(F_EXIT_STORE_COUNT, 1);
	w(F_EXIT_STORE_ADDR, G_LIST);
	mock_write(G_LIST, M_TSC);
	assert_true(mock_launch());
	mock_hw(F_EXIT_REASON, XR_CPUID);
	M.entered = false;
	M.tsc += 1000000;
	nv_exit_begin(&M.v);
	then = M.tsc;
	M.tsc += 1000000; /* an interrupt of the host */
	assert_int_equal(nv_handle_exit(&M.v, false), NV_RESUME);
	assert_int_equal(mock_read(G_LIST + 8), then + 5000);
	mock_enter();
	/* One that L0 makes, long after the CPU's own. */
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT);
	assert_true(mock_resume());
	mock_exit(XR_EXT_INT, 0);
	then = M.tsc += 1000000;
	nv_queue_interrupt(&M.v, 0x33);
	mock_enter();
	reflected(XR_EXT_INT);
	assert_true(mock_read(G_LIST + 8) >= then + 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_branch_records), T(monitor_trap_flag), T(injected_mtf), T(int1_is_a_trap), T(debug_exception_in_blocking),
		T(step_over_hlt), T(general_detect),
		T(monitor_trap_flag_restored), T(tsc_of_the_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
