// SPDX-License-Identifier: LGPL-2.1-or-later
/* The L1 payload: a hypervisor without devices. What it says and how: abi.h. */
#include "vmx.h"

static void describe_machine(struct payload_args *args) {
    u32 r[4];
    cpuid(1, 0, r);
    say("info l1_cpuid_1_eax 0x%x", (u64)r[0]);
    say("info vmx %u", (u64)(r[2] >> 5 & 1));
    say("info memory %u", args->memory);
    if (!(r[2] >> 5 & 1) || (args->flags & PAYLOAD_PLAIN))
        return;
    for (u32 m = MSR_VMX_BASIC; m <= MSR_VMX_EPT_VPID; m++)
        say("info msr_%x 0x%x", (u64)m, rdmsr(m));
    if (rdmsr(MSR_VMX_BASIC) >> 55 & 1)
        for (u32 m = MSR_VMX_TRUE_PIN; m <= MSR_VMX_TRUE_ENTRY; m++)
            say("info msr_%x 0x%x", (u64)m, rdmsr(m));
}

void payload_main(struct payload_args *args, struct cpu *c) {
    cpu_start(args, c, args->memory);
    if (args->vcpu == 0)
        describe_machine(args);
    if (args->flags & PAYLOAD_PLAIN) {
        run_plain_costs();
    } else {
        const char *why = l1_init();
        if (why) {
            result("l1_init", false, "%s", why);
        } else {
            if (args->flags & PAYLOAD_CASES) {
                run_cases();
                run_fault_cases();
            }
            if (args->flags & PAYLOAD_COSTS)
                run_costs();
            if (args->flags & PAYLOAD_ENTRY)
                run_entry_cases();
            if (args->flags & PAYLOAD_WORKLOAD)
                run_workload();
            l1_stop();
        }
    }
    say("end %u %u", (u64)args->vcpu, (u64)c->failed);
    quit(c->failed ? 1 : 0);
}
