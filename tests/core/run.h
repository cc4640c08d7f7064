/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the unit tests over the mock machine share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "mock.h"

static inline int setup(void **state)
{
	(void)state;
	mock_reset();
	return mock_start();
}

static inline int teardown(void **state)
{
	(void)state;
	mock_invariants();
	mock_stop();
	return 0;
}

static inline void w(enum nv_field f, u64 val)
{
	assert_int_equal(mock_vmwrite(nv_fields[f].enc, val).what, OK_);
}

static inline u64 r12(enum nv_field f)
{
	u64 val = 0;

	assert_int_equal(mock_vmread(nv_fields[f].enc, &val).what, OK_);
	return val;
}

static inline void good(void)
{
	mock_vmxon();
	mock_good_vmcs12();
}

static inline void l2(void)
{
	good();
	assert_true(mock_launch());
}

/* The exit went to L1, with this reason. */
static inline void reflected(u32 reason)
{
	assert_false(M.v.in_l2);
	assert_int_equal(V12(&M.v, EXIT_REASON), reason);
	assert_int_equal(mock_hw_get(F_GUEST_RIP), 0x5000);
}

static inline u64 injected(void)
{
	return mock_hw_get(F_ENTRY_INTR_INFO);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
