// SPDX-License-Identifier: LGPL-2.1-or-later
/* Functional cases: L2 in each mode, what of it exits and how. Whatever machine runs L1, the answers are the SDM's. */
#include "vmx.h"

static u32 allowed(u32 msr) {
    return rdmsr(msr) >> 32;
}

static u32 allowed2(void) {
    return allowed(MSR_VMX_PROC) & PROC_SECONDARY ? allowed(MSR_VMX_PROC2) : 0;
}

/* Enters L2 and expects this exit. */
static bool expect(const char *name, u32 reason) {
    u32 got = 0;
    int r = l1_run(&got);
    if (r) {
        result(name, false, "entry=%u error=%u", (u64)r, vmread(INSN_ERROR));
        return false;
    }
    if (got != reason)
        result(name, false, "exit=0x%x expected=0x%x qualification=0x%x rip=0x%x intr=0x%x", (u64)got, (u64)reason, vmread(QUALIFICATION),
               vmread(GUEST_RIP), vmread(EXIT_INTR));
    return got == reason;
}

static void skip_instruction(void) {
    vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_LENGTH));
}

static bool start(const char *name, void *rip) {
    const char *why = l1_start_l2(rip);
    if (why)
        result(name, false, "%s", why);
    return !why;
}

static void case_mode64(const char *name) {
    u64 *r = this_cpu()->gpr;
    if (expect(name, EXIT_VMCALL))
        result(name, r[15] == 0x123456789abcdef0 && r[RAX] == 0x12345678, "r15=0x%x rax=0x%x", r[15], r[RAX]);
}

static void case_vmcall_length(const char *name) {
    if (expect(name, EXIT_VMCALL))
        result(name, vmread(EXIT_LENGTH) == 3 && vmread(GUEST_RIP) == (uintptr_t)l2_vmcall, "length=%u", vmread(EXIT_LENGTH));
}

static void case_cpuid_again(const char *name) {
    for (unsigned i = 0; i < 20; i++) {
        if (!expect(name, EXIT_CPUID))
            return;
        skip_instruction();
    }
    result(name, vmread(EXIT_LENGTH) == 2, "length=%u", vmread(EXIT_LENGTH));
}

/* 32-bit code segment; IA-32e mode off. */
static void set_legacy(u64 cr0, u64 cr3, u64 cr4) {
    vmwrite(ENTRY_CONTROLS, vmread(ENTRY_CONTROLS) & ~ENTRY_64BIT);
    vmwrite(GUEST_EFER, 0);
    vmwrite(GUEST_CS, 24);
    vmwrite(GUEST_CS_AR, 0xc09b);
    vmwrite(GUEST_CR0, cr0);
    vmwrite(CR0_SHADOW, cr0);
    vmwrite(GUEST_CR3, cr3);
    vmwrite(GUEST_CR4, cr4);
    vmwrite(CR4_SHADOW, cr4);
}

static void case_mode32_paging(const char *name) {
    u32 *directory = page_alloc(1);
    for (u32 i = 0; i < 256; i++)
        directory[i] = i << 22 | 0x87;
    set_legacy(READ_CR(0), (uintptr_t)directory, (READ_CR(4) & ~CR4_PAE) | CR4_PSE);
    if (expect(name, EXIT_VMCALL))
        result(name, this_cpu()->gpr[RAX] == 0x80000001, "rax=0x%x", this_cpu()->gpr[RAX]);
}

static void case_mode32_pae(const char *name) {
    u64 *pdpt = page_alloc(2);
    pdpt[0] = (uintptr_t)(pdpt + 512) | 1;
    for (u64 i = 0; i < 512; i++)
        pdpt[512 + i] = i << 21 | 0x87;
    set_legacy(READ_CR(0), (uintptr_t)pdpt, READ_CR(4));
    if (this_cpu()->ept)
        vmwrite(0x280a, pdpt[0]); /* GUEST_PDPTE0: with EPT the CPU takes them from here */
    if (expect(name, EXIT_VMCALL))
        result(name, this_cpu()->gpr[RAX] == 0x80000001, "rax=0x%x", this_cpu()->gpr[RAX]);
}

static void case_mode32_flat(const char *name) {
    set_legacy(READ_CR(0) & ~CR0_PG, 0, READ_CR(4) & ~CR4_PAE);
    if (expect(name, EXIT_VMCALL))
        result(name, this_cpu()->gpr[RAX] == 0x80000001, "rax=0x%x", this_cpu()->gpr[RAX]);
}

static void case_real(const char *name) {
    struct cpu *c = this_cpu();
    memcpy((void *)(uintptr_t)PAYLOAD_LOW_CODE, l2_real, l2_real_end - l2_real);
    set_legacy(READ_CR(0) & ~(CR0_PG | CR0_PE), 0, READ_CR(4) & ~CR4_PAE);
    for (unsigned s = 0; s < 6; s++) {
        vmwrite(GUEST_ES + 2 * s, s == 1 ? PAYLOAD_LOW_CODE >> 4 : 0);
        vmwrite(GUEST_ES_BASE + 2 * s, s == 1 ? PAYLOAD_LOW_CODE : 0);
        vmwrite(GUEST_ES_LIMIT + 2 * s, 0xffff);
        vmwrite(GUEST_ES_AR + 2 * s, s == 1 ? 0x9b : 0x93);
    }
    vmwrite(GUEST_RIP, 0);
    vmwrite(GUEST_RSP, PAYLOAD_LOW_CODE + 0xff0);
    if (expect(name, EXIT_VMCALL))
        result(name, (u16)c->gpr[RAX] == 0x2340 && (u16)c->gpr[RBX] == PAYLOAD_LOW_CODE >> 4, "ax=0x%x cs=0x%x", c->gpr[RAX], c->gpr[RBX]);
}

static void case_hlt(const char *name) {
    vmwrite(PROC, vmread(PROC) | PROC_HLT);
    if (expect(name, EXIT_HLT))
        result(name, vmread(GUEST_RIP) == (uintptr_t)l2_sti_hlt && vmread(EXIT_LENGTH) == 1, "length=%u", vmread(EXIT_LENGTH));
}

static void case_io(const char *name) {
    struct cpu *c = this_cpu();
    c->io_bitmap[0x80 / 8] |= 1 << 0x80 % 8;
    c->gpr[RDX] = 0x80;
    if (expect(name, EXIT_IO))
        result(name, vmread(QUALIFICATION) == 0x800000, "qualification=0x%x", vmread(QUALIFICATION));
}

static void case_rdmsr_exits(const char *name) {
    struct cpu *c = this_cpu();
    c->gpr[RCX] = MSR_SYSENTER_CS;
    c->msr_bitmap[MSR_SYSENTER_CS / 8] |= 1 << MSR_SYSENTER_CS % 8;
    if (expect(name, EXIT_RDMSR))
        result(name, true, "rcx=0x%x", c->gpr[RCX]);
}

static void case_wrmsr_passes(const char *name) {
    struct cpu *c = this_cpu();
    c->gpr[RCX] = MSR_SYSENTER_CS;
    c->gpr[RAX] = 0x5678;
    c->gpr[RDX] = 0;
    if (expect(name, EXIT_VMCALL))
        result(name, vmread(0x482a) == 0x5678 && rdmsr(MSR_SYSENTER_CS) == 0, "l2=0x%x l1=0x%x", vmread(0x482a), rdmsr(MSR_SYSENTER_CS));
}

static void case_exception(const char *name) {
    vmwrite(EXCEPTIONS, 1 << 6);
    if (expect(name, EXIT_EXCEPTION))
        result(name, vmread(EXIT_INTR) == 0x80000306 && vmread(GUEST_RIP) == (uintptr_t)l2_ud, "intr=0x%x", vmread(EXIT_INTR));
}

/* L1 injects an interrupt, whose delivery meets an IDT without room: the #GP exits, IDT_VECTORING tells of the interrupt. */
static void case_injection(const char *name) {
    vmwrite(GUEST_IDTR_LIMIT, 0);
    vmwrite(EXCEPTIONS, 1 << 13);
    vmwrite(ENTRY_INTR, 0x80000020);
    vmwrite(GUEST_RFLAGS, 0x202); /* or the entry fails (SDM 3C 27.3.1.4) */
    if (expect(name, EXIT_EXCEPTION))
        result(name, (vmread(EXIT_INTR) & 0xfff) == 0xb0d && (vmread(IDT_VECTORING) & 0x80000fff) == 0x80000020 && vmread(EXIT_INTR_ERROR) == 0x103,
               "intr=0x%x vectoring=0x%x error=0x%x", vmread(EXIT_INTR), vmread(IDT_VECTORING), vmread(EXIT_INTR_ERROR));
}

/* The #GP that L1 injects meets a #PF, which L1 intercepts: it is told of both. */
static void case_vectoring(const char *name) {
    u64 nowhere = 3ull << 30;
    vmwrite(EXCEPTIONS, 1 << 14);
    vmwrite(GUEST_IDTR_BASE, nowhere);
    vmwrite(ENTRY_INTR, 0x80000b0d);
    vmwrite(ENTRY_ERROR, 0x68);
    if (expect(name, EXIT_EXCEPTION))
        result(name, (vmread(EXIT_INTR) & 0x80000fff) == 0x80000b0e && (vmread(IDT_VECTORING) & 0x80000fff) == 0x80000b0d &&
                     vmread(IDT_VECTORING_ERROR) == 0x68 && vmread(QUALIFICATION) == nowhere + 13 * 16,
               "intr=0x%x vectoring=0x%x error=0x%x qualification=0x%x", vmread(EXIT_INTR), vmread(IDT_VECTORING),
               vmread(IDT_VECTORING_ERROR), vmread(QUALIFICATION));
}

static void case_cr_access(const char *name) {
    vmwrite(PROC, vmread(PROC) | 1u << 20); /* CR8-store exiting */
    if (expect(name, EXIT_CR))
        result(name, vmread(QUALIFICATION) == 0x18, "qualification=0x%x", vmread(QUALIFICATION));
}

static void case_vmx_in_l2(const char *name) {
    if (expect(name, EXIT_VMXOFF))
        result(name, true, "length=%u", vmread(EXIT_LENGTH));
}

static void case_mtf(const char *name) {
    vmwrite(PROC, vmread(PROC) | PROC_MTF);
    if (expect(name, EXIT_MTF))
        result(name, vmread(GUEST_RIP) == (uintptr_t)l2_spin + 3, "rip=+%u", vmread(GUEST_RIP) - (uintptr_t)l2_spin);
}

static void case_timer(const char *name) {
    vmwrite(PIN, vmread(PIN) | PIN_TIMER);
    vmwrite(PREEMPTION_TIMER, 30000);
    if (expect(name, EXIT_TIMER))
        result(name, this_cpu()->gpr[RAX] > 0, "%s", "expired");
}

static void case_tsc_offset(const char *name) {
    struct cpu *c = this_cpu();
    vmwrite(PROC, vmread(PROC) | PROC_TSC_OFFSET);
    vmwrite(TSC_OFFSET, 1ull << 40);
    u64 low = rdtsc();
    c->gpr[RCX] = MSR_TSC;
    if (!expect(name, EXIT_VMCALL))
        return;
    u64 seen = (u64)(u32)c->gpr[RDX] << 32 | (u32)c->gpr[RAX];
    result(name, seen >= low + (1ull << 40) && seen < rdtsc() + (1ull << 40), "seen=0x%x l1=0x%x", seen, low);
}

/* Bits 0-2 and 7, 8 of the qualification (SDM 3C table 28-7); A/D, advanced information and the like vary by CPU. */
static void ept_violation(const char *name, u64 entry, u64 qualification) {
    struct cpu *c = this_cpu();
    u64 *page = page_alloc(2), at = (uintptr_t)page;
    u64 *pd = (u64 *)(((u64 *)(c->ept_root[0] & ~4095ull))[0] & ~4095ull), large = pd[at >> 21];
    pd[at >> 21] = 0;
    for (u64 i = 0; i < 512; i++)
        l1_map(c->ept_root, (at & ~0x1fffffull) + i * 4096, ((at & ~0x1fffffull) + i * 4096) | l1_ept_flags(), 1);
    *l1_entry(c->ept_root, at) = at | entry;
    struct descriptor d = {{vmread(EPTP), 0}};
    invept(1, &d);
    c->gpr[RBX] = at + 8;
    if (entry == 0xff) { /* marks the misconfiguration case */
        *l1_entry(c->ept_root, at) = at | 2; /* writable, not readable */
        if (expect(name, EXIT_EPT_MISCONFIG))
            result(name, vmread(GPA) == at + 8 || vmread(GPA) == at, "gpa=+0x%x", vmread(GPA) - at);
    } else if (expect(name, EXIT_EPT_VIOLATION)) {
        u64 q = vmread(QUALIFICATION);
        bool where = vmread(GPA) == at + 8 && vmread(GUEST_LINEAR) == at + 8, what = (q & 0x1bf) == qualification;
        *l1_entry(c->ept_root, at) = at | l1_ept_flags();
        *(u8 *)(at + 8) = 0xc3; /* ret: for the fetch */
        u32 reason = 0;
        l1_run(&reason); /* no INVEPT: a violation leaves nothing cached for its address (SDM 3C 29.4.3.1) */
        result(name, where && what && reason == EXIT_VMCALL, "qualification=0x%x gpa=+0x%x then=%u", q, vmread(GPA) - at, (u64)reason);
    }
    pd[at >> 21] = large;
    invept(1, &d);
}

static void case_ept_write(const char *name) { ept_violation(name, 6 << 3 | 5, 0x1aa); }
static void case_ept_absent(const char *name) { ept_violation(name, 0, 0x182); }
static void case_ept_fetch(const char *name) { ept_violation(name, 6 << 3 | 3, 0x19c); }
static void case_ept_misconfig(const char *name) { ept_violation(name, 0xff, 0); }

/* L2 nests nothing here, the VM moves under it. */
static void case_save_in_l2(const char *name) {
    struct cpu *c = this_cpu();
    u32 *counter = page_alloc(1);
    c->gpr[RBX] = (uintptr_t)counter;
    if (expect(name, EXIT_VMCALL))
        result(name, *counter == 6, "count=%u", (u64)*counter);
}

static void case_failed_entry(const char *name) {
    struct cpu *c = this_cpu();
    vmwrite(GUEST_RFLAGS, 0); /* bit 1 must be 1 */
    u32 reason = 0;
    int r = l1_run(&reason);
    result(name, r == 0 && reason == (1u << 31 | EXIT_ENTRY_STATE), "r=%u reason=0x%x", (u64)r, (u64)reason);
    c->launched = 0; /* the entry failed: still clear (SDM 3C 27.8) */
    vmwrite(GUEST_RFLAGS, 2);
}

static void case_bad_host(const char *name) {
    u32 reason = 0;
    vmwrite(HOST_CS, 0);
    int r = l1_run(&reason);
    result(name, r == VM_FAIL_VALID && vmread(INSN_ERROR) == 8, "r=%u error=%u", (u64)r, vmread(INSN_ERROR));
}

static void case_bad_control(const char *name) {
    u32 reason = 0;
    vmwrite(PROC, 0);
    int r = l1_run(&reason);
    result(name, r == VM_FAIL_VALID && vmread(INSN_ERROR) == 7, "r=%u error=%u", (u64)r, vmread(INSN_ERROR));
}

static void case_entry_msr_list(const char *name) {
    u64 *list = page_alloc(1);
    list[0] = MSR_SYSENTER_CS;
    list[1] = 0x77;
    list[2] = MSR_FS_BASE; /* may not be in the list (SDM 3C 27.4) */
    list[3] = 0;
    vmwrite(ENTRY_LOAD, (uintptr_t)list);
    vmwrite(ENTRY_LOAD_COUNT, 2);
    u32 reason = 0;
    int r = l1_run(&reason);
    result(name, r == 0 && reason == (1u << 31 | 34) && vmread(QUALIFICATION) == 2, "reason=0x%x entry=%u", (u64)reason, vmread(QUALIFICATION));
}

static void case_exit_msr_list(const char *name) {
    u64 *list = page_alloc(1);
    list[0] = MSR_SYSENTER_CS;
    vmwrite(0x482a, 0x99);
    vmwrite(EXIT_STORE, (uintptr_t)list);
    vmwrite(EXIT_STORE_COUNT, 1);
    if (expect(name, EXIT_VMCALL))
        result(name, list[1] == 0x99, "stored=0x%x", list[1]);
}

static void case_cr8_tpr_shadow(const char *name) {
    struct cpu *c = this_cpu();
    u8 *vapic = page_alloc(1);
    vmwrite(PROC, vmread(PROC) | PROC_TPR_SHADOW);
    vmwrite(VAPIC_PAGE, (uintptr_t)vapic);
    vmwrite(TPR_THRESHOLD, 0);
    c->gpr[RAX] = 5;
    if (expect(name, EXIT_VMCALL))
        result(name, c->gpr[RDX] == 5 && vapic[0x80] == 0x50, "cr8=%u vtpr=0x%x proc=0x%x", c->gpr[RDX], (u64)vapic[0x80], vmread(PROC));
}

enum need { ALWAYS, WITH_EPT, WITH_UNRESTRICTED, WITH_MTF, WITH_TIMER, WITH_TPR_SHADOW, WITH_ONE_CPU };

static const struct {
    const char *name;
    void *code;
    void (*run)(const char *name);
    enum need need;
} cases[] = {
    {"l2_64bit", l2_mode64, case_mode64, ALWAYS},
    {"l2_vmcall", l2_vmcall, case_vmcall_length, ALWAYS},
    {"l2_cpuid_resume", l2_cpuid, case_cpuid_again, ALWAYS},
    {"l2_32bit_paging", l2_mode32, case_mode32_paging, ALWAYS},
    {"l2_32bit_pae", l2_mode32, case_mode32_pae, ALWAYS},
    {"l2_32bit_flat", l2_mode32, case_mode32_flat, WITH_UNRESTRICTED},
    {"l2_real", l2_real, case_real, WITH_UNRESTRICTED},
    {"exit_hlt", l2_sti_hlt, case_hlt, ALWAYS},
    {"exit_io_bitmap", l2_io, case_io, ALWAYS},
    {"exit_msr_bitmap", l2_rdmsr, case_rdmsr_exits, ALWAYS},
    {"msr_passes", l2_wrmsr, case_wrmsr_passes, ALWAYS},
    {"exit_exception", l2_ud, case_exception, ALWAYS},
    {"injection_vectoring", l2_spin, case_injection, ALWAYS},
    {"exception_vectoring", l2_spin, case_vectoring, ALWAYS},
    {"exit_cr8", l2_movcr8, case_cr_access, ALWAYS},
    {"exit_vmx_instruction", l2_vmxon, case_vmx_in_l2, ALWAYS},
    {"exit_mtf", l2_spin, case_mtf, WITH_MTF},
    {"exit_preemption_timer", l2_spin, case_timer, WITH_TIMER},
    {"tsc_offset", l2_rdmsr, case_tsc_offset, ALWAYS},
    {"tpr_shadow", l2_setcr8, case_cr8_tpr_shadow, WITH_TPR_SHADOW},
    {"entry_bad_guest_state", l2_vmcall, case_failed_entry, ALWAYS},
    {"entry_bad_host_state", l2_vmcall, case_bad_host, ALWAYS},
    {"entry_bad_control", l2_vmcall, case_bad_control, ALWAYS},
    {"entry_msr_list", l2_vmcall, case_entry_msr_list, ALWAYS},
    {"exit_msr_list", l2_vmcall, case_exit_msr_list, ALWAYS},
    {"ept12_write_violation", l2_store, case_ept_write, WITH_EPT},
    {"ept12_absent", l2_store, case_ept_absent, WITH_EPT},
    {"ept12_fetch_violation", l2_fetch, case_ept_fetch, WITH_EPT},
    {"ept12_misconfiguration", l2_store, case_ept_misconfig, WITH_EPT},
    {"save_restore_in_l2", l2_save, case_save_in_l2, WITH_ONE_CPU},
};

static bool have(enum need need) {
    switch (need) {
    case WITH_EPT: return this_cpu()->ept;
    case WITH_UNRESTRICTED: return this_cpu()->ept && (allowed2() & PROC2_UNRESTRICTED);
    case WITH_MTF: return allowed(MSR_VMX_PROC) & PROC_MTF;
    case WITH_TIMER: return allowed(MSR_VMX_PIN) & PIN_TIMER;
    case WITH_TPR_SHADOW: return allowed(MSR_VMX_PROC) & PROC_TPR_SHADOW;
    case WITH_ONE_CPU: return this_cpu()->args->n_vcpus == 1;
    default: return true;
    }
}

void run_cases(void) {
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (!have(cases[i].need))
            say("case %s skip not_offered", cases[i].name);
        else if (start(cases[i].name, cases[i].code))
            cases[i].run(cases[i].name);
    }
}
