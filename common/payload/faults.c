// SPDX-License-Identifier: LGPL-2.1-or-later
/* The VMX instructions themselves: which fault or VMfail, in which order (SDM 3C chapter 31). */
#include "vmx.h"

static void outcome(const char *name, int got, int expected, u64 error) {
    u64 e = got == VM_FAIL_VALID ? vmread(INSN_ERROR) : 0;
    result(name, got == expected && e == error, "got=0x%x error=%u", (u64)got, e);
}

void run_fault_cases(void) {
    struct cpu *c = this_cpu();
    const char *why = l1_start_l2(l2_vmcall);
    if (why) {
        result("vmx_instructions", false, "%s", why);
        return;
    }
    u64 vmcs = (uintptr_t)c->vmcs_page, on = (uintptr_t)c->vmxon_page, odd = vmcs + 8, far = 1ull << 62, v = 0;
    struct descriptor none = {{0, 0}}, reserved = {{0, 1}};

    outcome("vmxon_in_vmx_root", vmxon(&on), VM_FAIL_VALID, 15);
    outcome("vmclear_unaligned", vmclear(&odd), VM_FAIL_VALID, 2);
    outcome("vmclear_beyond_physical", vmclear(&far), VM_FAIL_VALID, 2);
    outcome("vmclear_vmxon_pointer", vmclear(&on), VM_FAIL_VALID, 3);
    outcome("vmptrld_unaligned", vmptrld(&odd), VM_FAIL_VALID, 9);
    outcome("vmptrld_vmxon_pointer", vmptrld(&on), VM_FAIL_VALID, 10);
    u32 *other = page_alloc(1);
    u64 wrong = (uintptr_t)other;
    *other = c->vmcs_revision + 1;
    outcome("vmptrld_wrong_revision", vmptrld(&wrong), VM_FAIL_VALID, 11);
    outcome("vmptrst", vmptrst(&v), VM_OK, 0);
    result("vmptrst_value", v == vmcs, "0x%x", v);
    outcome("vmread_no_such_field", vmread_try(0x7ffe, &v), VM_FAIL_VALID, 12);
    outcome("vmwrite_no_such_field", vmwrite_try(0x7ffe, 0), VM_FAIL_VALID, 12);
    if (!(rdmsr(MSR_VMX_MISC) >> 29 & 1))
        outcome("vmwrite_read_only", vmwrite_try(EXIT_REASON, 0), VM_FAIL_VALID, 13);
    outcome("vmread_reserved_bits", vmread_try(1ull << 40 | EXIT_REASON, &v), VM_FAIL_VALID, 12);
    outcome("vmresume_not_launched", vmresume(), VM_FAIL_VALID, 5);
    u64 caps = rdmsr(MSR_VMX_PROC) >> 63 ? rdmsr(MSR_VMX_EPT_VPID) : 0;
    if (caps >> 20 & 1) {
        outcome("invept_type_0", invept(0, &none), VM_FAIL_VALID, 28);
        outcome("invept_type_3", invept(3, &none), VM_FAIL_VALID, 28);
        outcome("invept_type_64bit", invept(1ull << 32, &none), VM_FAIL_VALID, 28);
        outcome("invept_null_eptp", invept(1, &none), VM_FAIL_VALID, 28);
        outcome("invept_all", invept(2, &none), VM_OK, 0);
    }
    if (caps >> 32 & 1) {
        outcome("invvpid_type_4", invvpid(4, &none), VM_FAIL_VALID, 28);
        outcome("invvpid_zero", invvpid(1, &none), VM_FAIL_VALID, 28);
        outcome("invvpid_reserved", invvpid(1, &reserved), VM_FAIL_VALID, 28);
        struct descriptor noncanonical = {{1, 1ull << 62}};
        outcome("invvpid_noncanonical", invvpid(0, &noncanonical), VM_FAIL_VALID, 28);
        outcome("invvpid_all", invvpid(2, &none), VM_OK, 0);
    }
    outcome("vmclear_current", vmclear(&vmcs), VM_OK, 0);
    outcome("vmread_no_current", vmread_try(EXIT_REASON, &v), VM_FAIL_INVALID, 0);
    outcome("vmlaunch_no_current", vmlaunch(), VM_FAIL_INVALID, 0);
    vmptrst(&v);
    result("vmptrst_none", v == ~0ull, "0x%x", v);
    outcome("vmxoff", vmxoff(), VM_OK, 0);
    outcome("vmread_without_vmxon", vmread_try(EXIT_REASON, &v), VM_FAULT + 6, 0);
    outcome("vmclear_without_vmxon", vmclear(&vmcs), VM_FAULT + 6, 0);
    outcome("vmxon_unaligned", vmxon(&odd), VM_FAIL_INVALID, 0);
    outcome("vmxon_again", vmxon(&on), VM_OK, 0);
    WRITE_CR(4, READ_CR(4)); /* VMXE stays: clearing it now would fault */
}
