// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An L1 that offers VMX to its guest: the ordinary L1 payload runs here as L2, and its guests as L3. Every case it has is so a case
 * of three levels; what it says, L1 passes on.
 */
#include "nest.h"

/* Bits of payload_args.flags that are ours: what kmod/core in L1 goes without. */
enum { NEST_NO_SHADOW_VMCS = 1 << 16, NEST_NO_EPT = 1 << 17, NEST_NO_NESTED_EPT = 1 << 18, NEST_NO_VPID = 1 << 19 };

static struct nv_vm vm;
static struct nv_vcpu vcpu;
static struct nv_cpuid leaves[] = {
    {.leaf = 0}, {.leaf = 1}, {.leaf = 7}, {.leaf = 0x80000000}, {.leaf = 0x80000001}, {.leaf = 0x80000008},
};

static void set_params(u32 flags) {
    nv_params.shadow_vmcs = !(flags & NEST_NO_SHADOW_VMCS);
    nv_params.ept = !(flags & NEST_NO_EPT);
    nv_params.nested_ept = !(flags & NEST_NO_NESTED_EPT);
    nv_params.vpid = !(flags & NEST_NO_VPID);
}

/* As common/vmm.c does for L1. */
static void load_l2(struct payload_args *args) {
    u64 *table = (u64 *)(uintptr_t)(NEST_BASE + PAYLOAD_PAGE_TABLES);
    table[0] = (PAYLOAD_PAGE_TABLES + 4096) | 3;
    table[512] = (PAYLOAD_PAGE_TABLES + 2 * 4096) | 3;
    for (u64 i = 0; i < 512; i++)
        table[1024 + i] = i << 21 | 0x83;
    *(struct payload_args *)(uintptr_t)(NEST_BASE + PAYLOAD_ARGS) = (struct payload_args){
        .magic = PAYLOAD_MAGIC, .flags = args->flags & 0xffff, .n_vcpus = 1, .memory = NEST_SIZE};
    memcpy((void *)(uintptr_t)(NEST_BASE + PAYLOAD_LOAD_ADDRESS), nest_image, nest_image_end - nest_image);
}

static int set_registers(struct nv_vcpu *v) {
    struct nv_sregs s;
    nv_get_sregs(v, &s);
    for (unsigned i = 0; i < 6; i++)
        s.seg[i] = (struct nv_seg){.sel = 16, .limit = ~0u, .ar = 0xc093};
    s.seg[1] = (struct nv_seg){.sel = 8, .limit = ~0u, .ar = 0xa09b};
    s.cr0 = 0x80000031;
    s.cr3 = PAYLOAD_PAGE_TABLES;
    s.cr4 = CR4_PAE;
    s.efer = 0x500;
    int r = nv_set_sregs(v, &s);
    v->regs[R_RDI] = PAYLOAD_ARGS;
    nv_set_rip_rsp_rflags(v, PAYLOAD_LOAD_ADDRESS, 0, 2);
    return r;
}

static const char *create_l2(struct payload_args *args) {
    set_params(args->flags);
    if (nv_global_init())
        return "L1's VMX lacks a control that the core needs";
    if (nv_vm_init(&vm))
        return "nv_vm_init() failed";
    vcpu.vm = &vm;
    nest_vcpu_machine(&vcpu);
    for (unsigned i = 0; i < sizeof(leaves) / sizeof(*leaves); i++) {
        u32 r[4];
        cpuid(leaves[i].leaf, 0, r);
        leaves[i].eax = r[0];
        leaves[i].ebx = r[1];
        leaves[i].ecx = r[2];
        leaves[i].edx = r[3];
    }
    vcpu.cpuid = leaves;
    vcpu.ncpuid = sizeof(leaves) / sizeof(*leaves);
    if (nv_vcpu_init(&vcpu))
        return "nv_vcpu_init() failed";
    mach_vmcs_clear(&vcpu, &vcpu.vmcs02);
    mach_vmcs_clear(&vcpu, &vcpu.shadow);
    mach_vmcs_clear(&vcpu, &vcpu.vmcs01);
    mach_vmcs_load(&vcpu, &vcpu.vmcs01);
    return set_registers(&vcpu) ? "nv_set_sregs() failed" : NULL;
}

/* L2 has come to its end: was there an L3, and did VMCS shadowing, if used, spare L2 its exits? It reads EXIT_REASON after each. */
static void __attribute__((noreturn)) finish(u32 status) {
    struct nv_stats *s = &vcpu.stats;
    u64 reads = s->vmread[F_EXIT_REASON];
    result("l3_ran", s->nested_entries >= 20, "entries=%u", s->nested_entries);
    if (nv_params.shadow_vmcs)
        result("l2_vmread_shadowed", reads == 0, "exits=%u", reads);
    else
        result("l2_vmread_exits", reads >= 20, "exits=%u", reads);
    nv_vcpu_free(&vcpu);
    nv_vm_free(&vm);
    result("l1_tables_freed", vm.stats.table_pages == 0, "left=%u", vm.stats.table_pages);
    say("end 0 %u", (u64)this_cpu()->failed);
    quit(status || this_cpu()->failed);
}

static bool port(struct nv_ux *ux) {
    u32 value;
    memcpy(&value, ux->io.data, 4);
    if (ux->io.size != 4)
        return false;
    switch (ux->io.addr) {
    case PAYLOAD_PORT_LINE:
        if (value > NEST_SIZE - PAYLOAD_MAX_LINE)
            return false;
        outl(PAYLOAD_PORT_LINE, NEST_BASE + value);
        return true;
    case PAYLOAD_PORT_EXIT:
        finish(value);
    case PAYLOAD_PORT_EXITS:
        value = inl(PAYLOAD_PORT_EXITS);
        memcpy(ux->io.data, &value, 4);
        return true;
    case PAYLOAD_PORT_SAVE: /* L3 asked: all three levels move */
        outl(PAYLOAD_PORT_SAVE, value);
        return true;
    default:
        return false;
    }
}

static int enter(struct nv_vcpu *v) {
    int r = nv_prepare_entry(v);
    if (r != NV_RESUME)
        return r;
    nv_commit_entry(v);
    WRITE_CR(2, v->cr2);
    bool failed = nest_enter(v->regs, v->cur->launched);
    v->cr2 = READ_CR(2);
    if (!failed) {
        v->cur->launched = true;
        nv_exit_begin(v);
    }
    return nv_handle_exit(v, failed);
}

static void run(struct nv_vcpu *v) {
    for (;;) {
        int r = enter(v);
        if (r == NV_RESUME)
            continue;
        if (r == NV_USER && v->ux.type == NV_UX_IO && port(&v->ux))
            r = nv_complete_io(v);
        if (r != NV_RESUME) {
            result("l2", false, "r=%u stop=%u hw=0x%x rip=0x%x", (u64)-r, (u64)v->ux.type, v->ux.hw, nv_get_rip(v));
            quit(4);
        }
    }
}

void payload_main(struct payload_args *args, struct cpu *c) {
    cpu_start(args, c, NEST_BASE);
    c->vmxon_page = page_alloc(1);
    const char *why = l1_vmx_on();
    if (!why)
        why = create_l2(args);
    if (why) {
        result("l1_init", false, "%s", why);
        quit(1);
    }
    load_l2(args);
    run(&vcpu);
}
