// SPDX-License-Identifier: LGPL-2.1-or-later
/* L1 proper: VMX on, a vmcs12 for an L2 that shares L1's segments and memory, EPT12 or shadow tables. */
#include "vmx.h"

const char *l1_vmx_on(void) {
    struct cpu *c = this_cpu();
    u32 r[4];
    cpuid(1, 0, r);
    if (!(r[2] >> 5 & 1))
        return "CPUID offers no VMX";
    u64 lock = rdmsr(MSR_FEATURE_CONTROL);
    if (!(lock & 1))
        wrmsr(MSR_FEATURE_CONTROL, lock | 5);
    if ((rdmsr(MSR_FEATURE_CONTROL) & 5) != 5)
        return "IA32_FEATURE_CONTROL is locked without VMX";
    for (int i = 0; i < 2; i++) {
        c->cr0_fixed[i] = rdmsr(MSR_VMX_CR0_FIXED0 + i);
        c->cr4_fixed[i] = rdmsr(MSR_VMX_CR4_FIXED0 + i);
    }
    c->vmcs_revision = rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    WRITE_CR(0, (READ_CR(0) | c->cr0_fixed[0]) & c->cr0_fixed[1]);
    WRITE_CR(4, ((READ_CR(4) | c->cr4_fixed[0]) & c->cr4_fixed[1]) | CR4_VMXE);
    *(u32 *)c->vmxon_page = c->vmcs_revision;
    u64 pa = (uintptr_t)c->vmxon_page;
    return vmxon(&pa) == VM_OK ? NULL : "VMXON failed";
}

/* Sets the entry for ADDRESS at LEVEL (1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB); upper entries get every permission. Serves EPT12
 * (R, W, X) and ordinary paging (P, W, U) alike: both are 7. */
void l1_map(u64 *table, u64 address, u64 entry, unsigned level) {
    for (unsigned l = 4; l > level; l--) {
        u64 *e = &table[address >> (12 + 9 * (l - 1)) & 511];
        if (!(*e & 7))
            *e = (uintptr_t)page_alloc(1) | 7;
        table = (u64 *)(*e & 0xffffffffff000);
    }
    table[address >> (12 + 9 * (level - 1)) & 511] = entry;
}

/* The 4 KiB entry for ADDRESS, which l1_map() made. */
u64 *l1_entry(u64 *table, u64 address) {
    for (unsigned l = 4; l > 1; l--)
        table = (u64 *)(table[address >> (12 + 9 * (l - 1)) & 511] & 0xffffffffff000);
    return &table[address >> 12 & 511];
}

/* Write-back, read/write/execute. */
u64 l1_ept_flags(void) {
    return 6 << 3 | 7;
}

static u32 control(u32 msr, u32 true_msr, u32 want) {
    u64 v = rdmsr(rdmsr(MSR_VMX_BASIC) >> 55 & 1 ? true_msr : msr);
    return (want | (u32)v) & (u32)(v >> 32);
}

static u32 allowed2(void) {
    u32 proc = rdmsr(MSR_VMX_PROC) >> 32;
    return proc & PROC_SECONDARY ? rdmsr(MSR_VMX_PROC2) >> 32 : 0;
}

const char *l1_init(void) {
    struct cpu *c = this_cpu();
    c->vmxon_page = page_alloc(1);
    c->vmcs_page = page_alloc(1);
    c->msr_bitmap = page_alloc(1);
    c->io_bitmap = page_alloc(2);
    c->l2_stack = (u8 *)page_alloc(1) + 4096;
    const char *why = l1_vmx_on();
    if (why)
        return why;
    c->ept = !(c->args->flags & PAYLOAD_NO_EPT) && (allowed2() & PROC2_EPT);
    say("info ept12 %u", (u64)c->ept);
    say("info vpid12 %u", (u64)!!(allowed2() & PROC2_VPID));
    /* L2 sees L1's first GiB at the same addresses; in 4 KiB steps where it will be taken apart. */
    c->ept_root = page_alloc(1);
    c->shadow_root = page_alloc(1);
    for (u64 a = 0; a < 1u << 30; a += 2u << 20) {
        l1_map(c->ept_root, a, a | 1 << 7 | l1_ept_flags(), 2);
        l1_map(c->shadow_root, a, a | 1 << 7 | 7, 2);
    }
    return NULL;
}

void l1_stop(void) {
    vmxoff();
    WRITE_CR(4, READ_CR(4) & ~CR4_VMXE);
}

static void set_controls(struct cpu *c) {
    u32 two = allowed2() & (PROC2_VPID | (c->ept ? PROC2_EPT | PROC2_UNRESTRICTED : 0));
    vmwrite(PIN, control(MSR_VMX_PIN, MSR_VMX_TRUE_PIN, 0));
    u32 proc = control(MSR_VMX_PROC, MSR_VMX_TRUE_PROC, PROC_MSR_BITMAPS | PROC_IO_BITMAPS | (two ? PROC_SECONDARY : 0));
    if (proc & PROC_CR3_LOAD && c->ept) /* CPUs before the "true" MSRs: these two must be 1 without EPT only */
        proc &= ~(PROC_CR3_LOAD | PROC_CR3_STORE | PROC_INVLPG);
    vmwrite(PROC, proc);
    if (two) {
        vmwrite(PROC2, two);
        if (two & PROC2_VPID)
            vmwrite(VPID, c->args->vcpu + 1);
        if (two & PROC2_EPT)
            vmwrite(EPTP, (uintptr_t)c->ept_root | 3 << 3 | 6);
    }
    vmwrite(EXIT_CONTROLS, control(MSR_VMX_EXIT, MSR_VMX_TRUE_EXIT, EXIT_64BIT | EXIT_LOAD_EFER | EXIT_SAVE_EFER));
    vmwrite(ENTRY_CONTROLS, control(MSR_VMX_ENTRY, MSR_VMX_TRUE_ENTRY, ENTRY_64BIT | ENTRY_LOAD_EFER));
    vmwrite(MSR_BITMAP, (uintptr_t)c->msr_bitmap);
    vmwrite(IO_BITMAP_A, (uintptr_t)c->io_bitmap);
    vmwrite(IO_BITMAP_B, (uintptr_t)c->io_bitmap + 4096);
    static const u32 zero[] = {EXCEPTIONS, EXIT_STORE_COUNT, EXIT_LOAD_COUNT, ENTRY_LOAD_COUNT, ENTRY_INTR, 0x4006, 0x4008, 0x400a};
    for (unsigned i = 0; i < sizeof(zero) / sizeof(*zero); i++)
        vmwrite(zero[i], 0);
    vmwrite(LINK_POINTER, ~0ull);
    vmwrite(CR0_MASK, 0);
    vmwrite(CR4_MASK, 0);
    if ((u32)(rdmsr(MSR_VMX_PROC) >> 32) & PROC_TSC_OFFSET)
        vmwrite(TSC_OFFSET, 0);
}

static void set_host_state(struct cpu *c) {
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) g, i;
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(g), "=m"(i));
    vmwrite(HOST_CR0, READ_CR(0));
    vmwrite(HOST_CR3, READ_CR(3));
    vmwrite(HOST_CR4, READ_CR(4));
    for (unsigned s = 0; s < 6; s++)
        vmwrite(HOST_ES + 2 * s, s == 1 ? 8 : 16);
    vmwrite(HOST_TR, 32);
    vmwrite(HOST_FS_BASE, 0);
    vmwrite(HOST_GS_BASE, (uintptr_t)c);
    vmwrite(HOST_TR_BASE, 0); /* only the CPU's own task switches would use it */
    vmwrite(HOST_GDTR_BASE, g.base);
    vmwrite(HOST_IDTR_BASE, i.base);
    vmwrite(HOST_EFER, rdmsr(MSR_EFER));
    vmwrite(0x4c00, 0);
    vmwrite(0x6c10, 0);
    vmwrite(0x6c12, 0);
    vmwrite(HOST_RSP, (uintptr_t)c + CPU_STACK_TOP - 8192);
    vmwrite(HOST_RIP, (uintptr_t)l2_exit);
    vmwrite(GUEST_GDTR_BASE, g.base);
    vmwrite(GUEST_GDTR_LIMIT, g.limit);
    vmwrite(GUEST_IDTR_BASE, i.base);
    vmwrite(GUEST_IDTR_LIMIT, i.limit);
}

static void set_guest_state(struct cpu *c, void *rip) {
    for (unsigned s = 0; s < 8; s++) {
        static const u32 rights[8] = {0xc093, 0xa09b, 0xc093, 0xc093, 0xc093, 0xc093, 0x10000, 0x8b};
        vmwrite(GUEST_ES + 2 * s, s == 1 ? 8 : s == 6 ? 0 : s == 7 ? 32 : 16);
        vmwrite(GUEST_ES_LIMIT + 2 * s, s == 7 ? 103 : ~0u);
        vmwrite(GUEST_ES_AR + 2 * s, rights[s]);
        vmwrite(GUEST_ES_BASE + 2 * s, 0);
    }
    vmwrite(GUEST_CR0, READ_CR(0));
    vmwrite(CR0_SHADOW, READ_CR(0));
    vmwrite(GUEST_CR3, c->ept ? READ_CR(3) : (uintptr_t)c->shadow_root);
    vmwrite(GUEST_CR4, READ_CR(4));
    vmwrite(CR4_SHADOW, READ_CR(4));
    vmwrite(GUEST_EFER, rdmsr(MSR_EFER));
    vmwrite(GUEST_DR7, 0x400);
    vmwrite(GUEST_RSP, (uintptr_t)c->l2_stack - 16);
    vmwrite(GUEST_RIP, (uintptr_t)rip);
    vmwrite(GUEST_RFLAGS, 2);
    static const u32 zero[] = {GUEST_INTERRUPTIBILITY, GUEST_ACTIVITY, 0x6822, 0x6824, 0x6826, 0x482a};
    for (unsigned i = 0; i < sizeof(zero) / sizeof(*zero); i++)
        vmwrite(zero[i], 0);
}

const char *l1_start_l2(void *rip) {
    struct cpu *c = this_cpu();
    u64 pa = (uintptr_t)c->vmcs_page;
    *(u32 *)c->vmcs_page = c->vmcs_revision;
    if (vmclear(&pa) != VM_OK || vmptrld(&pa) != VM_OK)
        return "VMCLEAR or VMPTRLD failed";
    c->launched = 0;
    memset(c->gpr, 0, sizeof(c->gpr));
    memset(c->msr_bitmap, 0, 4096);
    memset(c->io_bitmap, 0, 8192);
    set_controls(c);
    set_host_state(c);
    set_guest_state(c, rip);
    struct descriptor d = {{(uintptr_t)c->ept_root | 3 << 3 | 6, 0}}, v = {{c->args->vcpu + 1, 0}};
    if (c->ept)
        invept(1, &d);
    if (allowed2() & PROC2_VPID)
        invvpid(1, &v);
    return NULL;
}

int l1_run(u32 *ret_reason) {
    int r = l2_enter();
    if (r == 0)
        *ret_reason = vmread(EXIT_REASON);
    return r;
}
