/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A payload for L1 that nests: kmod/core on a machine of a few lines (machine.c), which offers VMX to the ordinary L1 payload
 * in L2 (main.c), which runs its own guests in L3. */
#pragma once

#include "kmod/core/core.h"
#include "common/payload/vmx.h"

/* L2's memory, as L2 sees it from 0, is this part of L1's. */
#define NEST_BASE (12u << 20)
#define NEST_SIZE (8u << 20)

extern u8 nest_image[], nest_image_end[], nest_exit[];
int nest_enter(u64 regs[16], bool launched);
void nest_vcpu_machine(struct nv_vcpu *v); /* VMCS regions and VPIDs */
