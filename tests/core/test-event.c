// SPDX-License-Identifier: LGPL-2.1-or-later
/* Events that wait or are under delivery when an entry is not made (a signal came), and when user space takes the state elsewhere. */
#include "run.h"

/* L1 in 64-bit mode, ready for interrupts. */
static void l1_open(void)
{
	nv_put(M.v.cur, F_GUEST_RFLAGS, FL_IF | 2);
	nv_put(M.v.cur, F_GUEST_INTERRUPTIBILITY, 0);
}

static void another_machine(void)
{
	mock_stop();
	mock_reset();
	assert_int_equal(mock_start(), 0);
}

/* What KVM_RUN does when a signal comes between preparation and entry. */
static void entry_not_made(void)
{
	assert_int_equal(nv_prepare_entry(&M.v), NV_RESUME);
}

static void interrupt_survives_a_signal(void **state)
{
	(void)state;
	l1_open();
	nv_queue_interrupt(&M.v, 0x41);
	entry_not_made();
	/* It is not delivered yet: no other one may be given. */
	assert_false(nv_irq_ready(&M.v));
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(injected(), INFO_MAKE(EV_EXT, 0x41));
	/* Now it is. */
	mock_exit(XR_EXT_INT, 0);
	assert_true(nv_irq_ready(&M.v));
	assert_false(injected() & INFO_VALID);
}

static void nmi_after_an_interrupt_not_entered(void **state)
{
	(void)state;
	l1_open();
	nv_queue_interrupt(&M.v, 0x41);
	entry_not_made();
	nv_queue_nmi(&M.v);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(injected(), INFO_MAKE(EV_EXT, 0x41));
	mock_exit(XR_EXT_INT, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_NMI, XV_NMI));
	mock_exit(XR_EXT_INT, 0);
	assert_false(injected() & INFO_VALID);
}

/* L2's exception was about to be injected when an interrupt made L2 exit: L1 finds it as IDT-vectoring information. */
static void exit_instead_of_an_injection(void **state)
{
	(void)state;
	good();
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT);
	assert_true(mock_launch());
	nv_inject_gp(&M.v, 0x10);
	entry_not_made();
	nv_queue_interrupt(&M.v, 0x41);
	entry_not_made();
	reflected(XR_EXT_INT);
	assert_int_equal(r12(F_IDT_INFO), INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	assert_int_equal(r12(F_IDT_ERR), 0x10);
	/* L1 does not want it any more: L2 does not get it. */
	M.v.n->ev.irq = false;
	assert_true(mock_resume());
	assert_false(injected() & INFO_VALID);
}

static void same(const struct nv_event_state *a, const struct nv_event_state *b)
{
	assert_int_equal(a->exc, b->exc);
	assert_int_equal(a->exc_vector, b->exc_vector);
	assert_int_equal(a->exc_has_err, b->exc_has_err);
	assert_int_equal(a->exc_err, b->exc_err);
	assert_int_equal(a->irq, b->irq);
	assert_int_equal(a->irq_vector, b->irq_vector);
	assert_int_equal(a->nmi_injected, b->nmi_injected);
	assert_int_equal(a->nmi_pending, b->nmi_pending);
	assert_int_equal(a->nmi_masked, b->nmi_masked);
	assert_int_equal(a->shadow, b->shadow);
}

/* A machine's events go to another machine, and back, twice: as KVM_SET_VCPU_EVENTS does. */
static void carried(const struct nv_event_state *want, u64 inject)
{
	struct nv_event_state s, again;

	nv_get_event_state(&M.v, &s);
	same(&s, want);
	another_machine();
	l1_open();
	nv_set_event_state(&M.v, &s);
	nv_set_event_state(&M.v, &s);
	nv_get_event_state(&M.v, &again);
	same(&again, want);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(injected(), inject);
}

static void under_delivery_in_l1(void **state)
{
	static const struct {
		u64 idt; /* what the exit interrupted */
		struct nv_event_state s;
	} cases[] = {
		{ INFO_MAKE(EV_EXT, 0x41), { .irq = true, .irq_vector = 0x41 } },
		{ INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR, { .exc = true, .exc_vector = XV_PF, .exc_has_err = true, .exc_err = 6 } },
		{ INFO_MAKE(EV_HW_EXC, XV_UD), { .exc = true, .exc_vector = XV_UD } },
		{ INFO_MAKE(EV_NMI, XV_NMI), { .nmi_injected = true } },
		/* INT n is executed again by itself. */
		{ INFO_MAKE(EV_SW_INT, 0x80), {} },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		another_machine();
		l1_open();
		M.v.cr2 = 0x1234;
		mock_hw(F_IDT_INFO, cases[i].idt);
		mock_hw(F_IDT_ERR, cases[i].s.exc_err);
		mock_exit(XR_EXT_INT, 0);
		if (cases[i].s.nmi_injected || cases[i].s.exc || cases[i].s.irq)
			assert_int_equal(injected(), cases[i].idt);
		carried(&cases[i].s, cases[i].idt & INFO_VALID && INFO_TYPE_OF(cases[i].idt) != EV_SW_INT ? cases[i].idt : 0);
		assert_int_equal(M.v.cr2, 0); /* comes with the registers */
	}
}

static void waiting_in_l1(void **state)
{
	(void)state;
	nv_put(M.v.cur, F_GUEST_RFLAGS, 2);
	nv_queue_interrupt(&M.v, 0x41);
	entry_not_made();
	carried(&(struct nv_event_state){ .irq = true, .irq_vector = 0x41 }, INFO_MAKE(EV_EXT, 0x41));

	another_machine();
	l1_open();
	nv_put(M.v.cur, F_GUEST_INTERRUPTIBILITY, INTR_NMI | INTR_STI);
	nv_queue_nmi(&M.v);
	entry_not_made();
	carried(&(struct nv_event_state){ .nmi_pending = true, .nmi_masked = true, .shadow = INTR_STI }, 0);
	assert_int_equal(mock_hw_get(F_GUEST_INTERRUPTIBILITY), INTR_NMI | INTR_STI);
}

/* A page fault that the core has queued: CR2 is set by then, and set again by nobody. */
static void page_fault_leaves_cr2(void **state)
{
	struct nv_event_state s;

	(void)state;
	l1_open();
	nv_inject_pf(&M.v, 0xabc000, 2);
	entry_not_made();
	nv_get_event_state(&M.v, &s);
	assert_int_equal(M.v.cr2, 0xabc000);
	carried(&(struct nv_event_state){ .exc = true, .exc_vector = XV_PF, .exc_has_err = true, .exc_err = 2 },
		INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
}

/* The machine is reset while an event was to be entered with: the next entry has none. */
static void reset_forgets(void **state)
{
	(void)state;
	l1_open();
	nv_queue_interrupt(&M.v, 0x41);
	entry_not_made();
	nv_set_event_state(&M.v, &(struct nv_event_state){ .nmi_masked = true });
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_false(injected() & INFO_VALID);
	assert_int_equal(mock_hw_get(F_GUEST_INTERRUPTIBILITY), INTR_NMI);
}

/* What is under delivery to L2 goes with the nested state, what waits for L1 with the events: neither twice, neither lost. */
static void in_l2(void **state)
{
	static struct nv_nested_state ns;
	struct nv_event_state s;

	(void)state;
	good();
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT);
	w(F_GUEST_RFLAGS, FL_IF | 2);
	assert_true(mock_launch());
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_EXT, 0x99));
	mock_exit(XR_EXT_INT, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_EXT, 0x99));
	nv_queue_interrupt(&M.v, 0x41);
	nv_get_event_state(&M.v, &s);
	same(&s, &(struct nv_event_state){ .irq = true, .irq_vector = 0x41 });
	assert_int_equal(nv_get_nested_state(&M.v, &ns), 0);
	assert_int_equal(nv_set_nested_state(&M.v, &ns), 0);
	nv_set_event_state(&M.v, &s);
	nv_set_event_state(&M.v, &s);
	assert_true(M.v.in_l2);
	entry_not_made();
	reflected(XR_EXT_INT);
	assert_int_equal(r12(F_IDT_INFO), INFO_MAKE(EV_EXT, 0x99));
}

/* An exception that user space gives L2 is L1's, if L1 intercepts it. */
static void exception_from_user_space_in_l2(void **state)
{
	(void)state;
	good();
	w(F_EXCEPTION_BITMAP, NV_BIT(XV_PF));
	assert_true(mock_launch());
	M.v.cr2 = 0xdef000;
	nv_set_event_state(&M.v, &(struct nv_event_state){ .exc = true, .exc_vector = XV_PF, .exc_has_err = true, .exc_err = 4 });
	entry_not_made();
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_QUAL), 0xdef000);
	assert_int_equal(r12(F_EXIT_INTR_ERR), 4);
}

/* An exception of L2's own goes first; the interrupt is not left until L2 happens to exit. */
static void interrupt_behind_an_exception(void **state)
{
	(void)state;
	good();
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT);
	assert_true(mock_launch());
	nv_inject_gp(&M.v, 0x10);
	nv_queue_interrupt(&M.v, 0x41);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	assert_true(mock_hw_get(F_PIN_CTL) & PIN_PREEMPT);
	assert_int_equal(mock_hw_get(F_PREEMPT_TIMER), 0);
	mock_exit(XR_PREEMPT, 0);
	reflected(XR_EXT_INT);
	assert_false(r12(F_IDT_INFO) & INFO_VALID);
}

/* User space wants to know when an interrupt may be given: an exception of L2's goes first, and is not lost on the way. */
static void window_with_an_exception(void **state)
{
	(void)state;
	good();
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT);
	assert_true(mock_launch());
	nv_inject_gp(&M.v, 0x10);
	M.v.want_irq_window = true;
	assert_int_equal(nv_prepare_entry(&M.v), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_IRQ_WINDOW);
	M.v.want_irq_window = false;
	assert_int_equal(M.v.n->ev.inj_info, INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	assert_false(M.v.n->ev.exc.pending);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(interrupt_survives_a_signal), T(nmi_after_an_interrupt_not_entered), T(exit_instead_of_an_injection),
		T(under_delivery_in_l1), T(waiting_in_l1), T(page_fault_leaves_cr2), T(reset_forgets), T(in_l2),
		T(exception_from_user_space_in_l2), T(window_with_an_exception), T(interrupt_behind_an_exception),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
