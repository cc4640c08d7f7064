/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the L1 payload and the VMM that loads it (common/vmm.c) agree on. The payload uses nothing else: no firmware,
 * no devices, no interrupts. */
#pragma once

#ifndef __ASSEMBLER__
#include <stdint.h>
#endif

#define PAYLOAD_LOAD_ADDRESS 0x100000u /* the flat image is placed and entered here, in 64-bit mode */
#define PAYLOAD_PAGE_TABLES  0x1000u   /* PML4, PDPT, PD: the first GiB, identity, 2 MiB pages */
#define PAYLOAD_ARGS         0x6000u   /* one struct payload_args per vCPU, 64 bytes apart; RDI points at it */
#define PAYLOAD_LOW_CODE     0x8000u   /* a page the payload may use for 16-bit code */
#define PAYLOAD_MAX_CPUS     4u
#define PAYLOAD_MAX_LINE     160u
#define PAYLOAD_MAGIC        0x3144564eu

/* 32-bit ports. Each access is one exit to the VMM. */
#define PAYLOAD_PORT_LINE  0x510u /* out: guest-physical address of a zero-terminated line of output */
#define PAYLOAD_PORT_EXIT  0x511u /* out: this vCPU has finished, with this status (0 = all well) */
#define PAYLOAD_PORT_EXITS 0x512u /* in: exits of this vCPU that the engine counted so far, low 32 bits */
#define PAYLOAD_PORT_SAVE  0x513u /* out: save this VM's whole state, go on in a new VM. L2 may write it */

#define PAYLOAD_CASES    (1 << 0) /* functional cases */
#define PAYLOAD_COSTS    (1 << 1) /* costs, in TSC ticks */
#define PAYLOAD_PLAIN    (1 << 2) /* level one only: no VMX instruction */
#define PAYLOAD_NO_EPT   (1 << 3) /* L1 runs L2 on shadow page tables even where EPT is offered */
#define PAYLOAD_WORKLOAD (1 << 4) /* the page-fault-heavy L2 */
#define PAYLOAD_ENTRY    (1 << 5) /* VM entry with each VMCS of entry_cases.h */
#define PAYLOAD_BARE     (1 << 6) /* nothing below: lines go to port 0xE9 */

#ifndef __ASSEMBLER__
struct payload_args {
    uint32_t magic, flags;
    uint32_t vcpu, n_vcpus;
    uint64_t memory; /* bytes of RAM from address 0 */
    uint64_t reserved[5];
};
#endif

/* The lines (one record each, fields separated by one space):
 *   info NAME VALUE            a fact about the machine that L1 sees
 *   case NAME ok|fail|skip DETAIL
 *   cost NAME TICKS EXITS      the median of the samples; EXITS are those the engine counted for one event
 *   end VCPU FAILED            how many cases failed
 */
