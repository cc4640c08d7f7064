/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMX as L1 uses it: SDM volume 3C, chapters 24 to 31 and appendices A to C. */
#pragma once

#include "cpu.h"

enum {
    MSR_TSC = 0x10, MSR_APICBASE = 0x1b, MSR_FEATURE_CONTROL = 0x3a, MSR_SYSENTER_CS = 0x174, MSR_PAT = 0x277,
    MSR_VMX_BASIC = 0x480, MSR_VMX_PIN = 0x481, MSR_VMX_PROC = 0x482, MSR_VMX_EXIT = 0x483, MSR_VMX_ENTRY = 0x484,
    MSR_VMX_MISC = 0x485, MSR_VMX_CR0_FIXED0 = 0x486, MSR_VMX_CR4_FIXED0 = 0x488, MSR_VMX_PROC2 = 0x48b,
    MSR_VMX_EPT_VPID = 0x48c, MSR_VMX_TRUE_PIN = 0x48d, MSR_VMX_TRUE_PROC = 0x48e, MSR_VMX_TRUE_EXIT = 0x48f,
    MSR_VMX_TRUE_ENTRY = 0x490, MSR_EFER = 0xc0000080, MSR_FS_BASE = 0xc0000100, MSR_GS_BASE = 0xc0000101,
};

enum { /* VMCS fields, appendix B */
    VPID = 0x0, PI_VECTOR = 0x2, GUEST_ES = 0x800, GUEST_CS = 0x802, GUEST_TR = 0x80e, HOST_ES = 0xc00, HOST_CS = 0xc02,
    HOST_TR = 0xc0c, IO_BITMAP_A = 0x2000, IO_BITMAP_B = 0x2002, MSR_BITMAP = 0x2004, EXIT_STORE = 0x2006, EXIT_LOAD = 0x2008,
    ENTRY_LOAD = 0x200a, TSC_OFFSET = 0x2010, VAPIC_PAGE = 0x2012, APIC_ACCESS = 0x2014, EPTP = 0x201a, GPA = 0x2400,
    LINK_POINTER = 0x2800, GUEST_PAT = 0x2804, GUEST_EFER = 0x2806, HOST_PAT = 0x2c00, HOST_EFER = 0x2c02, PIN = 0x4000,
    PROC = 0x4002, EXCEPTIONS = 0x4004, EXIT_CONTROLS = 0x400c, EXIT_STORE_COUNT = 0x400e, EXIT_LOAD_COUNT = 0x4010,
    ENTRY_CONTROLS = 0x4012, ENTRY_LOAD_COUNT = 0x4014, ENTRY_INTR = 0x4016, ENTRY_ERROR = 0x4018, ENTRY_LENGTH = 0x401a,
    TPR_THRESHOLD = 0x401c, PROC2 = 0x401e, INSN_ERROR = 0x4400, EXIT_REASON = 0x4402, EXIT_INTR = 0x4404,
    EXIT_INTR_ERROR = 0x4406, IDT_VECTORING = 0x4408, IDT_VECTORING_ERROR = 0x440a, EXIT_LENGTH = 0x440c, INSN_INFO = 0x440e,
    GUEST_ES_LIMIT = 0x4800, GUEST_GDTR_LIMIT = 0x4810, GUEST_IDTR_LIMIT = 0x4812, GUEST_ES_AR = 0x4814, GUEST_CS_AR = 0x4816,
    GUEST_INTERRUPTIBILITY = 0x4824, GUEST_ACTIVITY = 0x4826, PREEMPTION_TIMER = 0x482e, CR0_MASK = 0x6000, CR4_MASK = 0x6002,
    CR0_SHADOW = 0x6004, CR4_SHADOW = 0x6006, QUALIFICATION = 0x6400, GUEST_LINEAR = 0x640a, GUEST_CR0 = 0x6800,
    GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, GUEST_ES_BASE = 0x6806, GUEST_CS_BASE = 0x6808, GUEST_GDTR_BASE = 0x6816,
    GUEST_IDTR_BASE = 0x6818, GUEST_DR7 = 0x681a, GUEST_RSP = 0x681c, GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820,
    HOST_CR0 = 0x6c00, HOST_CR3 = 0x6c02, HOST_CR4 = 0x6c04, HOST_FS_BASE = 0x6c06, HOST_GS_BASE = 0x6c08,
    HOST_TR_BASE = 0x6c0a, HOST_GDTR_BASE = 0x6c0c, HOST_IDTR_BASE = 0x6c0e, HOST_RSP = 0x6c14, HOST_RIP = 0x6c16,
};

enum { /* basic exit reasons, appendix C */
    EXIT_EXCEPTION = 0, EXIT_CPUID = 10, EXIT_HLT = 12, EXIT_INVEPT_ = 50, EXIT_VMCALL = 18, EXIT_VMXOFF = 26, EXIT_CR = 28,
    EXIT_IO = 30, EXIT_RDMSR = 31, EXIT_WRMSR = 32, EXIT_ENTRY_STATE = 33, EXIT_MTF = 37, EXIT_EPT_VIOLATION = 48,
    EXIT_EPT_MISCONFIG = 49, EXIT_TIMER = 52,
};

enum { /* controls, by bit */
    PIN_NMI = 1 << 3, PIN_TIMER = 1 << 6,
    PROC_TSC_OFFSET = 1 << 3, PROC_HLT = 1 << 7, PROC_INVLPG = 1 << 9, PROC_CR3_LOAD = 1 << 15, PROC_CR3_STORE = 1 << 16,
    PROC_CR8_LOAD = 1 << 19, PROC_TPR_SHADOW = 1 << 21, PROC_IO = 1 << 24, PROC_IO_BITMAPS = 1 << 25, PROC_MTF = 1 << 27, PROC_MSR_BITMAPS = 1 << 28,
    PROC2_EPT = 1 << 1, PROC2_VPID = 1 << 5, PROC2_UNRESTRICTED = 1 << 7,
    EXIT_64BIT = 1 << 9, EXIT_SAVE_PAT = 1 << 18, EXIT_LOAD_PAT = 1 << 19, EXIT_SAVE_EFER = 1 << 20, EXIT_LOAD_EFER = 1 << 21,
    ENTRY_64BIT = 1 << 9, ENTRY_LOAD_PAT = 1 << 14, ENTRY_LOAD_EFER = 1 << 15,
};
#define PROC_SECONDARY (1u << 31)

#define CR0_PE 1ull
#define CR0_PG (1ull << 31)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_VMXE (1ull << 13)

static inline u64 rdtsc(void) {
    u32 a, d;
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d)::"memory");
    return (u64)d << 32 | a;
}

static inline u64 rdmsr(u32 msr) {
    u32 a, d;
    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(msr));
    return (u64)d << 32 | a;
}

static inline void wrmsr(u32 msr, u64 v) {
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4]) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub) : "memory");
}

#define READ_CR(n) ({ u64 _v; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(_v)); _v; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n ::"r"((u64)(v)) : "memory")

static inline void outl(u16 port, u32 v) {
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline u32 inl(u16 port) {
    u32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

/* How a VMX instruction ended: VM_OK, VMfailInvalid, VMfailValid, or 0x100 + the exception's vector. */
enum { VM_OK, VM_FAIL_INVALID, VM_FAIL_VALID, VM_FAULT = 0x100 };

#define VMX_TRY(insn, ...)                                                                                    \
    ({                                                                                                        \
        u8 _c, _z;                                                                                            \
        struct cpu *_cpu = this_cpu();                                                                        \
        _cpu->vector = ~0u;                                                                                   \
        __asm__ volatile("leaq 1f(%%rip), %%rax; movq %%rax, %%gs:16; orl $1, %%eax\n\t" insn             \
                         "\n1:\tsetc %0; setz %1; movq $0, %%gs:16"                                           \
                         : "=&r"(_c), "=&r"(_z)                                                               \
                         : __VA_ARGS__                                                                        \
                         : "rax", "memory", "cc");                                                            \
        _cpu->vector != ~0u ? (int)(VM_FAULT + _cpu->vector) : _c ? VM_FAIL_INVALID : _z ? VM_FAIL_VALID : VM_OK; \
    })

static inline int vmxon(const u64 *pa) { return VMX_TRY("vmxon %2", "m"(*pa)); }
static inline int vmclear(const u64 *pa) { return VMX_TRY("vmclear %2", "m"(*pa)); }
static inline int vmptrld(const u64 *pa) { return VMX_TRY("vmptrld %2", "m"(*pa)); }
static inline int vmptrst(u64 *pa) { return VMX_TRY("vmptrst (%2)", "r"(pa)); }
static inline int vmxoff(void) { return VMX_TRY("vmxoff", "i"(0)); }
static inline int vmlaunch(void) { return VMX_TRY("vmlaunch", "i"(0)); }
static inline int vmresume(void) { return VMX_TRY("vmresume", "i"(0)); }
static inline int vmwrite_try(u64 field, u64 v) { return VMX_TRY("vmwrite %3, %2", "r"(field), "r"(v)); }
static inline int vmread_try(u64 field, u64 *p) { return VMX_TRY("vmread %2, (%3)", "r"(field), "r"(p)); }

struct descriptor { u64 w[2]; };
static inline int invept(u64 type, const struct descriptor *d) { return VMX_TRY("invept %3, %2", "r"(type), "m"(*d)); }
static inline int invvpid(u64 type, const struct descriptor *d) { return VMX_TRY("invvpid %3, %2", "r"(type), "m"(*d)); }

static inline u64 vmread(u64 field) {
    u64 v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc");
    return v;
}

/* Refused writes show later, as a failing case: the fields here exist on every CPU unless checked. */
static inline void vmwrite(u64 field, u64 v) {
    __asm__ volatile("vmwrite %1, %0" ::"r"(field), "r"(v) : "cc");
}
