/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One vCPU of L1: what GS points to. The offsets are checked in runtime.c. */
#pragma once

#define CPU_SELF      0
#define CPU_L1_RSP    8
#define CPU_FIXUP     16
#define CPU_COUNT     24
#define CPU_VECTOR    32
#define CPU_ERROR     36
#define CPU_LAUNCHED  40
#define CPU_GPR       64
#define CPU_STACK_TOP 20480
#define CPU_SIZE      24576

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 };

struct cpu {
    struct cpu *self;
    u64 l1_rsp;   /* of l2_enter() while L2 runs */
    u64 fixup;    /* where an expected exception continues, 0 = none is expected */
    u64 count;    /* exits the bench handlers still take */
    u32 vector, error;
    u8 launched;
    u8 pad[23];
    u64 gpr[16];  /* of L2 */
    struct payload_args *args;
    u8 *heap, *heap_end;
    u32 failed;
    u32 vmcs_revision;
    bool ept;     /* L1 gives L2 an EPT12 of its own */
    u64 cr0_fixed[2], cr4_fixed[2];
    u64 *ept_root, *shadow_root;
    u8 *vmxon_page, *vmcs_page, *msr_bitmap, *io_bitmap;
    u8 *l2_stack;
    u8 stack[] __attribute__((aligned(4096)));
};

static inline struct cpu *this_cpu(void) {
    struct cpu *c;
    __asm__("movq %%gs:0, %0" : "=r"(c));
    return c;
}

/* start.S */
int l2_enter(void);
extern u8 exception_stubs[], l2_exit[], l2_exit_bare[], l2_exit_10r4w[];
extern u8 l2_vmcall[], l2_cpuid[], l2_mode64[], l2_touch[], l2_store[], l2_fetch[], l2_save[], l2_rdmsr[], l2_wrmsr[], l2_ud[],
    l2_sti_hlt[], l2_movcr8[], l2_setcr8[], l2_vmxon[], l2_spin[], l2_io[], l2_mode32[], l2_real[], l2_real_end[];

/* runtime.c */
void *memset(void *p, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
void *page_alloc(unsigned n);
void say(const char *format, ...);
void result(const char *name, bool ok, const char *format, ...);
void quit(u32 status) __attribute__((noreturn));
void cpu_start(struct payload_args *args, struct cpu *c, u64 limit);

/* l1.c */
const char *l1_vmx_on(void); /* NULL, or why not; needs c->vmxon_page */
const char *l1_init(void);
const char *l1_start_l2(void *rip); /* fresh vmcs12 for 64-bit L2 at rip */
void l1_stop(void);
int l1_run(u32 *ret_reason);        /* enters L2; 0 and the basic exit reason, or as l2_enter() */
void l1_map(u64 *root, u64 address, u64 entry, unsigned level);
u64 *l1_entry(u64 *root, u64 address);
u64 l1_ept_flags(void);

/* cases.c, faults.c, cost.c */
void run_cases(void);
void run_fault_cases(void);
void run_entry_cases(void);
void run_plain_costs(void);
void run_costs(void);
void run_workload(void);
#endif
