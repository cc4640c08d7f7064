// SPDX-License-Identifier: LGPL-2.1-or-later
/* A page-fault-heavy L2, as fork, exec and mmap are: it makes address spaces, faults pages in one by one, unmaps some and
 * faults again, throws the address space away. With EPT12 L1 sees none of it; without, L1 shadows L2's tables as hypervisors
 * did before EPT: a virtual TLB, filled on #PF, emptied on MOV to CR3 and INVLPG. */
#include "vmx.h"

#define PROCESSES 8u
#define PAGES     128u                 /* mapped by each process */
#define UNMAPPED  32u                  /* of them unmapped and touched again */
#define WORK_AT   (2ull << 30)         /* where: a table of its own */

struct work {
    u64 *pml4, *pdpt, *pd, *pt;        /* L2's own */
    u8 *frames;
    u64 faults, used;
};
static struct work work;

/* --- in L2 --- */

void l2_page_fault(u64 address);
void l2_page_fault(u64 address) {
    work.pt[address >> 12 & 511] = (uintptr_t)(work.frames + (work.used++ % PAGES) * 4096) | 7;
    work.faults++;
}

__asm__(".balign 16\n"
        "l2_fault_entry:\n"
        "pushq %rax; pushq %rcx; pushq %rdx; pushq %rsi; pushq %rdi; pushq %r8; pushq %r9; pushq %r10; pushq %r11\n"
        "movq %cr2, %rdi\n"
        "call l2_page_fault\n"
        "popq %r11; popq %r10; popq %r9; popq %r8; popq %rdi; popq %rsi; popq %rdx; popq %rcx; popq %rax\n"
        "addq $8, %rsp\n" /* the error code */
        "iretq\n"
        ".balign 16\n"
        "l2_workload:\n"
        "call l2_work\n"
        "vmcall\n");
extern u8 l2_fault_entry[], l2_workload[];

static void copy_page(u64 *to, const u64 *from) {
    for (unsigned i = 0; i < 512; i++)
        to[i] = from[i];
}

void l2_work(void);
void l2_work(void) {
    volatile u8 *at = (volatile u8 *)WORK_AT;
    for (unsigned p = 0; p < PROCESSES; p++) {
        u64 *fresh = p % 2 ? work.pml4 + 512 : work.pml4;
        copy_page(fresh, (u64 *)READ_CR(3));
        for (unsigned i = 0; i < 512; i++)
            work.pt[i] = 0;
        WRITE_CR(3, (uintptr_t)fresh);
        for (unsigned i = 0; i < PAGES; i++)
            at[i * 4096] = i;
        for (unsigned i = 0; i < UNMAPPED; i++) {
            work.pt[i] = 0;
            __asm__ volatile("invlpg (%0)" ::"r"(at + i * 4096) : "memory");
        }
        for (unsigned i = 0; i < UNMAPPED; i++)
            at[i * 4096] = i;
    }
}

/* --- in L1: the virtual TLB --- */

static u64 l2_cr3;
static bool tagged; /* L2 has a VPID: what L1 takes out of the shadow tables must be invalidated */

static void forget(u64 address, bool all) {
    struct cpu *c = this_cpu();
    if (all)
        memset((void *)((uintptr_t)l1_entry(c->shadow_root, WORK_AT) & ~4095ull), 0, 4096);
    else if (address >= WORK_AT && address < WORK_AT + (2u << 20))
        *l1_entry(c->shadow_root, address) = 0;
    struct descriptor d = {{c->args->vcpu + 1, address}};
    if (tagged)
        invvpid(all ? 1 : 0, &d);
}

/* L2's entry for ADDRESS, or 0. Its tables lie where L1 sees them too. */
static u64 walk(u64 address) {
    u64 *table = (u64 *)(l2_cr3 & ~4095ull);
    for (unsigned l = 4; l > 1; l--) {
        u64 e = table[address >> (12 + 9 * (l - 1)) & 511];
        if (!(e & 1))
            return 0;
        if (e & 1 << 7)
            return e;
        table = (u64 *)(e & 0xffffffffff000);
    }
    return table[address >> 12 & 511];
}

static void on_fault(u64 address, u32 error) {
    u64 e = walk(address);
    if (e & 1) {
        *l1_entry(this_cpu()->shadow_root, address) = e;
        return;
    }
    __asm__ volatile("movq %0, %%cr2" ::"r"(address));
    vmwrite(ENTRY_INTR, 0x80000b0e);
    vmwrite(ENTRY_ERROR, error & ~1u);
}

static bool on_cr_access(void) {
    u64 q = vmread(QUALIFICATION);
    unsigned gpr = q >> 8 & 15;
    if ((q & 15) != 3)
        return false;
    if ((q >> 4 & 3) == 0) {
        l2_cr3 = this_cpu()->gpr[gpr];
        forget(0, true);
    } else {
        this_cpu()->gpr[gpr] = l2_cr3;
    }
    vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_LENGTH));
    return true;
}

static bool handle(u32 reason) {
    switch (reason) {
    case EXIT_EXCEPTION:
        on_fault(vmread(QUALIFICATION), vmread(EXIT_INTR_ERROR));
        return true;
    case EXIT_CR:
        return on_cr_access();
    case 14: /* INVLPG */
        forget(vmread(QUALIFICATION), false);
        vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_LENGTH));
        return true;
    default:
        return false;
    }
}

static void prepare(u64 *idt) {
    struct cpu *c = this_cpu();
    u64 handler = (uintptr_t)l2_fault_entry;
    idt[2 * 14] = (handler & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48;
    idt[2 * 14 + 1] = handler >> 32;
    vmwrite(GUEST_IDTR_BASE, (uintptr_t)idt);
    vmwrite(GUEST_IDTR_LIMIT, 32 * 16 - 1);
    work = (struct work){.pml4 = page_alloc(2), .pdpt = page_alloc(1), .pd = page_alloc(1), .pt = page_alloc(1),
                         .frames = page_alloc(PAGES)};
    /* L1's identity map below, the workload's table above. */
    memcpy(work.pml4, (void *)(READ_CR(3) & ~4095ull), 4096);
    memcpy(work.pdpt, (void *)(work.pml4[0] & ~4095ull), 4096);
    work.pml4[0] = (uintptr_t)work.pdpt | 7;
    work.pdpt[WORK_AT >> 30] = (uintptr_t)work.pd | 7;
    work.pd[0] = (uintptr_t)work.pt | 7;
    if (c->ept) {
        vmwrite(GUEST_CR3, (uintptr_t)work.pml4);
        return;
    }
    l1_map(c->shadow_root, WORK_AT, 0, 1);
    l2_cr3 = (uintptr_t)work.pml4;
    vmwrite(EXCEPTIONS, 1 << 14);
    vmwrite(PROC, vmread(PROC) | PROC_CR3_LOAD | PROC_CR3_STORE | PROC_INVLPG);
}

static void one_workload(const char *name, bool with_ept) {
    struct cpu *c = this_cpu();
    bool had = c->ept;
    c->ept = with_ept;
    u64 *idt = page_alloc(1);
    const char *why = l1_start_l2(l2_workload);
    if (!why) {
        prepare(idt);
        tagged = vmread(PROC) & PROC_SECONDARY && vmread(PROC2) & PROC2_VPID;
        u32 before = inl(PAYLOAD_PORT_EXITS), reason = 0;
        u64 t = rdtsc();
        while (l1_run(&reason) == 0 && handle(reason))
            ;
        t = rdtsc() - t;
        u64 exits = inl(PAYLOAD_PORT_EXITS) - before;
        u64 expected = PROCESSES * (PAGES + UNMAPPED);
        if (reason == EXIT_VMCALL && work.faults == expected)
            say("cost %s %u %u", name, t, exits);
        else
            result(name, false, "exit=%u faults=%u expected=%u rip=0x%x qualification=0x%x", (u64)reason, work.faults, expected,
                   vmread(GUEST_RIP), vmread(QUALIFICATION));
    }
    c->ept = had;
}

/* L2 has no GS to find a struct of its vCPU with: one vCPU works, the others have nothing to do. */
void run_workload(void) {
    if (this_cpu()->args->vcpu > 0)
        return;
    if (this_cpu()->ept)
        one_workload("workload_ept", true);
    one_workload("workload_shadow", false);
}
