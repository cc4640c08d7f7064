/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzzers of kmod/core share: the input as a stream of choices, and an oracle that knows which translations L2 may
 * have, and that nothing of the host shows. The oracle walks EPT12 by code of its own. It judges a translation only when no
 * table on the way was written since L1's last INVEPT for that EPTP: before, an old one may stand.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../core/mock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void nested_input(const uint8_t *data, size_t size);
bool nested_more(void);
u8 byte(void);
u64 word(void);
u64 address(void); /* one that means something, or any */
u64 value(void);

void nested_params(u8 how); /* bits 3:0: what the module is loaded without; after mock_reset() */
void nested_start(void); /* after mock_start() */
void nested_fail(void); /* an allocation, a pin or a look for host memory fails soon */
struct mock_result nested_invept(u64 type, u64 eptp);
struct mock_result nested_invvpid(u64 type, u64 d0, u64 d1);
/* After each step: return values, tables, TLB, and the mock's own rules. */
void nested_check(void);
/* User space's part until the guest runs again; false: it never will. */
bool nested_settle(void);
