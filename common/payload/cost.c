// SPDX-License-Identifier: LGPL-2.1-or-later
/* Costs in TSC ticks. Each is the median of short samples, so that a host timer interrupt in a few of them does not
 * count; what the sampling itself costs is taken out by the difference of two lengths. */
#include "vmx.h"

#define SAMPLES 41u
#define TOUCHED 256u            /* pages per touch measurement */
#define TOUCH_AT (1ull << 30)   /* where L2 sees them: beyond the identity map, so no large page is in the way */

static u64 median(u64 *v, unsigned n) {
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j && v[j - 1] > v[j]; j--) {
            u64 t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
    return v[n / 2];
}

/* Exits the engine counted; reading them is itself SELF exits, which the callers take off. */
static u32 exits(void) {
    return inl(PAYLOAD_PORT_EXITS);
}

static u32 exits_self(void) {
    u32 a = exits();
    return exits() - a;
}

typedef void (*repeat_fn)(unsigned n);

static void cost(const char *name, repeat_fn f) {
    u64 few[SAMPLES], many[SAMPLES], counted[SAMPLES];
    f(2);
    for (unsigned i = 0; i < SAMPLES; i++) {
        u64 t = rdtsc();
        f(2);
        few[i] = rdtsc() - t;
        t = rdtsc();
        f(10);
        many[i] = rdtsc() - t;
    }
    for (unsigned i = 0; i < SAMPLES; i++) { /* the exits of exits() itself cancel out */
        u32 a = exits();
        f(2);
        u32 b = exits();
        f(10);
        counted[i] = (u64)(exits() - b - (b - a)) & 0xffff;
    }
    say("cost %s %u %u", name, (median(many, SAMPLES) - median(few, SAMPLES) + 4) / 8, (median(counted, SAMPLES) + 4) / 8);
}

static void repeat_cpuid(unsigned n) {
    u32 r[4];
    while (n--)
        cpuid(0, 0, r);
}

static void repeat_vmread(unsigned n) {
    while (n--)
        vmread(EXIT_REASON);
}

static void repeat_vmread_unshadowed(unsigned n) {
    while (n--)
        vmread(HOST_RIP);
}

static void repeat_vmwrite(unsigned n) {
    while (n--)
        vmwrite(GUEST_RSP, (uintptr_t)this_cpu()->l2_stack - 16);
}

static void repeat_vmwrite_unshadowed(unsigned n) {
    while (n--)
        vmwrite(HOST_RSP, (uintptr_t)this_cpu() + CPU_STACK_TOP - 8192);
}

static void repeat_l2(unsigned n) {
    this_cpu()->count = n;
    if (l2_enter() != 0) {
        say("info error L2 entry failed, error %u", vmread(INSN_ERROR));
        quit(3);
    }
}

void run_plain_costs(void) {
    cost("l1_cpuid", repeat_cpuid);
}

static void start(void *rip, void *handler) {
    const char *why = l1_start_l2(rip);
    if (why) {
        say("info error %s", why);
        quit(3);
    }
    vmwrite(HOST_RIP, (uintptr_t)handler);
}

/* L1's answer to the first touch of a page: EPT12 or its shadow table, filled on the violation. */
static void fill_on_demand(u8 *pages) {
    struct cpu *c = this_cpu();
    bool violation = c->ept && (u16)vmread(EXIT_REASON) == EXIT_EPT_VIOLATION;
    u64 at = violation ? vmread(GPA) : vmread(QUALIFICATION);
    u64 page = (uintptr_t)pages + (at - TOUCH_AT), *e = l1_entry(violation ? c->ept_root : c->shadow_root, at);
    *e = (page & ~4095ull) | (violation ? l1_ept_flags() : 7);
}

enum touch { POPULATED, DEMAND };

/* L2 touches TOUCHED pages that neither it nor L1 touched before, in tables of its own for each run. */
static void touch(const char *name, enum touch how, bool with_ept) {
    struct cpu *c = this_cpu();
    bool had = c->ept;
    u32 *ticks = page_alloc(TOUCHED * 4 / 4096 + 1), violations = 0;
    u8 *pages = page_alloc(TOUCHED);
    u64 *saved_ept = c->ept_root, *saved_shadow = c->shadow_root;
    c->ept = with_ept;
    c->ept_root = page_alloc(1);
    c->shadow_root = page_alloc(1);
    memcpy(c->ept_root, saved_ept, 4096);
    memcpy(c->shadow_root, saved_shadow, 4096);
    /* The first GiB is shared with the old root, what follows needs an upper table of its own. */
    u64 *pdpt = page_alloc(2);
    memcpy(pdpt, (void *)(saved_ept[0] & ~4095ull), 4096);
    memcpy(pdpt + 512, (void *)(saved_shadow[0] & ~4095ull), 4096);
    pdpt[1] = pdpt[513] = 0;
    c->ept_root[0] = (uintptr_t)pdpt | 7;
    c->shadow_root[0] = (uintptr_t)(pdpt + 512) | 7;
    for (u64 i = 0; i < TOUCHED; i++) {
        u64 a = TOUCH_AT + i * 4096, page = (uintptr_t)pages + i * 4096;
        l1_map(c->ept_root, a, how == POPULATED ? page | l1_ept_flags() : 0, 1);
        /* With EPT12 L2 pages identically; without it the shadow table is what L1 fills. */
        l1_map(c->shadow_root, a, with_ept ? a | 7 : how == POPULATED ? page | 7 : 0, 1);
    }
    start(l2_touch, l2_exit);
    vmwrite(GUEST_CR3, (uintptr_t)c->shadow_root);
    if (!with_ept)
        vmwrite(EXCEPTIONS, 1 << 14);
    c->gpr[RBX] = TOUCH_AT;
    c->gpr[RCX] = TOUCHED;
    c->gpr[RDI] = (uintptr_t)ticks;
    u32 self = exits_self(), before = exits(), reason = 0;
    while (l1_run(&reason) == 0 && (u16)reason != EXIT_VMCALL && violations++ < 2 * TOUCHED)
        fill_on_demand(pages);
    u32 counted = exits() - before - self;
    if ((u16)reason != EXIT_VMCALL || (how == DEMAND && violations != TOUCHED)) {
        say("info error %s: L2 exit %u after %u, qualification 0x%x", name, (u64)(u16)reason, (u64)violations, vmread(QUALIFICATION));
        c->failed++;
    } else {
        u64 v[TOUCHED];
        for (unsigned i = 0; i < TOUCHED; i++)
            v[i] = ticks[i];
        /* The final VMCALL, two exits or more, vanishes in the division. */
        say("cost %s %u %u", name, median(v, TOUCHED), (u64)(counted / TOUCHED));
    }
    c->ept = had;
    c->ept_root = saved_ept;
    c->shadow_root = saved_shadow;
}

void run_costs(void) {
    cost("l1_cpuid", repeat_cpuid);
    start(l2_cpuid, l2_exit);
    cost("vmread_shadowed", repeat_vmread);
    cost("vmread_unshadowed", repeat_vmread_unshadowed);
    cost("vmwrite_shadowed", repeat_vmwrite);
    cost("vmwrite_unshadowed", repeat_vmwrite_unshadowed);
    start(l2_cpuid, l2_exit_bare);
    cost("l2_cpuid_roundtrip", repeat_l2);
    start(l2_cpuid, l2_exit_10r4w);
    cost("l2_cpuid_roundtrip_10r4w", repeat_l2);
    if (this_cpu()->ept) {
        touch("ept12_populated_touch", POPULATED, true);
        touch("ept12_demand_touch", DEMAND, true);
    }
    touch("shadow_populated_touch", POPULATED, false);
    touch("shadow_demand_touch", DEMAND, false);
}
