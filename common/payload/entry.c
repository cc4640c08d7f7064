// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The VMCSs of entry_cases.h on whatever is below: one line each, "entry NAME OUTCOME [VALUE]". What is right is not said here: the
 * lines of two runs, on the bare CPU and on a hypervisor, are compared.
 */
#include "vmx.h"

enum op { SET, OR, CLR, XOR };
enum need { ANY, EPT_ONLY };
struct entry_case {
    const char *name;
    u32 enc[2];
    enum op op[2];
    u64 val[2];
    u8 n, need;
};
static const struct entry_case cases[] = {
#define EC(name, e, o, v, out) {#name, {e}, {o}, {v}, 1, ANY},
#define EC2(name, e1, o1, v1, e2, o2, v2, out) {#name, {e1, e2}, {o1, o2}, {v1, v2}, 2, ANY},
#define EC_EPT(name, e, o, v, out) {#name, {e}, {o}, {v}, 1, EPT_ONLY},
#include "entry_cases.h"
#undef EC
#undef EC2
#undef EC_EPT
};

static void run_case(const struct entry_case *c) {
    u32 reason = 0;
    const char *why = l1_start_l2(l2_vmcall);
    if (why) {
        say("entry %s error %s", c->name, why);
        return;
    }
    vmwrite(GUEST_IDTR_LIMIT, 0); /* an event that is delivered ends in a triple fault, whatever lies in memory */
    for (unsigned i = 0; i < c->n; i++) {
        u64 f = vmread(c->enc[i]), v = c->val[i];
        vmwrite(c->enc[i], c->op[i] == SET ? v : c->op[i] == OR ? f | v : c->op[i] == CLR ? f & ~v : f ^ v);
    }
    int r = l1_run(&reason);
    if (r != 0)
        say("entry %s vmfail %u", c->name, vmread(INSN_ERROR));
    else if (reason >> 31)
        say("entry %s failed %u qualification 0x%x", c->name, (u64)(u16)reason, vmread(QUALIFICATION));
    else
        say("entry %s entered exit %u", c->name, (u64)(u16)reason);
}

void run_entry_cases(void) {
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (cases[i].need == ANY || this_cpu()->ept)
            run_case(&cases[i]);
}
