/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "feature.h"

#include "text.h"

/* Capability MSRs (SDM 3D, appendix A). The upper half of a control MSR says which controls may be 1. */
#define PINBASED   0x481
#define PROCBASED2 0x48B
#define EPT_VPID   0x48C
#define PROCBASED3 0x492
#define ALLOWED_1(bit) (32 + (bit))

#define NEEDS(id) FEATURE_BIT(FEATURE_##id)
#define SINCE(major, minor) KERNEL_VERSION_CODE(major, minor)
#define ALWAYS 0

/* Sources: module_param lines of arch/x86/kvm/vmx/{vmx,nested}.c and arch/x86/kvm/svm/{svm,avic}.c and their
 * hardware_setup(), 5.10 to 6.18 (.needs, defaults); arch/x86/include/asm/{cpufeatures,vmxfeatures}.h (flags; "vmx flags"
 * exists since 5.6). Sorted by extension, then as enum feature_id. */
const struct feature features[] = {
    { FEATURE_NESTED, EXTENSION_VMX, "nested", "nested", "vmx", ALWAYS,
      "lets guests run guests of their own with VMX",
      .kernel_default = true, .default_since = SINCE(4, 20) },
    { FEATURE_EPT, EXTENSION_VMX, "ept", "ept", "ept", ALWAYS,
      "two-level paging in hardware; without it every page-table write of a nested guest is an exit",
      .kernel_default = true, .msr = PROCBASED2, .msr_bit = ALLOWED_1(1) },
    { FEATURE_EPT_AD, EXTENSION_VMX, "ept_ad", "eptad", "ept_ad", SINCE(5, 6),
      "accessed and dirty bits in EPT; spares write faults when memory is tracked", NEEDS(EPT),
      .kernel_default = true, .msr = EPT_VPID, .msr_bit = 21 },
    { FEATURE_SHADOW_VMCS, EXTENSION_VMX, "shadow_vmcs", "enable_shadow_vmcs", "shadow_vmcs", SINCE(5, 6),
      "the guest hypervisor's VMREAD and VMWRITE need no exit; the largest single gain for nested guests",
      .kernel_default = true, .msr = PROCBASED2, .msr_bit = ALLOWED_1(14) },
    { FEATURE_APICV, EXTENSION_VMX, "apicv", "enable_apicv", "apicv", SINCE(5, 6),
      "interrupts are delivered to guests by hardware, also to the guest hypervisor",
      .kernel_default = true, .msr = PINBASED, .msr_bit = ALLOWED_1(7) },
    /* KVM does without VPID where there is no INVVPID; where there is, there is VPID. */
    { FEATURE_VPID, EXTENSION_VMX, "vpid", "vpid", "invvpid", SINCE(5, 6),
      "the TLB survives the switches between host, guest and nested guest",
      .kernel_default = true, .msr = EPT_VPID, .msr_bit = 32 },
    { FEATURE_UNRESTRICTED_GUEST, EXTENSION_VMX, "unrestricted_guest", "unrestricted_guest", "unrestricted_guest",
      SINCE(5, 6), "real mode and unpaged protected mode run in hardware; boot loaders of nested guests need it",
      NEEDS(EPT), .kernel_default = true, .msr = PROCBASED2, .msr_bit = ALLOWED_1(7) },
    { FEATURE_FLEXPRIORITY, EXTENSION_VMX, "flexpriority", "flexpriority", "flexpriority", ALWAYS,
      "the task priority register and the APIC page are virtualized in hardware",
      .kernel_default = true, .msr = PROCBASED2, .msr_bit = ALLOWED_1(0) },
    { FEATURE_PML, EXTENSION_VMX, "pml", "pml", "pml", SINCE(5, 6),
      "dirty pages are logged by hardware, which makes live migration cheaper", NEEDS(EPT) | NEEDS(EPT_AD),
      .kernel_default = true, .msr = PROCBASED2, .msr_bit = ALLOWED_1(17) },
    { FEATURE_IPIV, EXTENSION_VMX, "ipiv", "enable_ipiv", "ipi_virt", SINCE(5, 19),
      "guests send interrupts between their CPUs without an exit", NEEDS(APICV),
      .kernel_default = true, .msr = PROCBASED3, .msr_bit = 4 },
    { FEATURE_TSC_SCALING, EXTENSION_VMX, "tsc_scaling", NULL, "tsc_scaling", SINCE(5, 6),
      "guests see one TSC rate wherever they run; used whenever the CPU has it",
      .kernel_default = true, .msr = PROCBASED2, .msr_bit = ALLOWED_1(25) },
    { FEATURE_PREEMPTION_TIMER, EXTENSION_VMX, "preemption_timer", "preemption_timer", "preemption_timer", SINCE(5, 6),
      "the guest's APIC timer fires by a VMX timer instead of a host timer",
      .kernel_default = true, .msr = PINBASED, .msr_bit = ALLOWED_1(6) },
    { FEATURE_VNMI, EXTENSION_VMX, "vnmi", "vnmi", "vnmi", ALWAYS,
      "hardware tracks whether the guest blocks NMIs",
      .kernel_default = true, .msr = PINBASED, .msr_bit = ALLOWED_1(5) },

    { FEATURE_NESTED, EXTENSION_SVM, "nested", "nested", "svm", ALWAYS,
      "lets guests run guests of their own with SVM",
      .kernel_default = true },
    { FEATURE_EPT, EXTENSION_SVM, "npt", "npt", "npt", ALWAYS,
      "two-level paging in hardware; without it every page-table write of a nested guest is an exit",
      .kernel_default = true, .svm_edx = 1U << 0 },
    { FEATURE_APICV, EXTENSION_SVM, "avic", "avic", "avic", SINCE(4, 6),
      "interrupts are delivered to guests by hardware; KVM inhibits it while a guest runs nested guests", NEEDS(EPT),
      .kernel_default = false, .auto_since = SINCE(6, 18), .svm_edx = 1U << 13 },
    { FEATURE_IPIV, EXTENSION_SVM, "ipiv", "enable_ipiv", "avic", SINCE(4, 6),
      "guests send interrupts between their CPUs without an exit", NEEDS(APICV),
      .kernel_default = true, .svm_edx = 1U << 13 },
    { FEATURE_TSC_SCALING, EXTENSION_SVM, "tsc_scaling", "tsc_scaling", "tsc_scale", ALWAYS,
      "guests see one TSC rate wherever they run",
      .kernel_default = true, .svm_edx = 1U << 4 },
    { FEATURE_VLS, EXTENSION_SVM, "vls", "vls", "v_vmsave_vmload", SINCE(4, 13),
      "the guest hypervisor's VMLOAD and VMSAVE need no exit", NEEDS(EPT),
      .kernel_default = true, .svm_edx = 1U << 15 },
    { FEATURE_VGIF, EXTENSION_SVM, "vgif", "vgif", "vgif", SINCE(4, 13),
      "the guest hypervisor's STGI and CLGI need no exit",
      .kernel_default = true, .svm_edx = 1U << 16 },
    { FEATURE_VNMI, EXTENSION_SVM, "vnmi", "vnmi", "vnmi", SINCE(6, 3),
      "hardware tracks whether the guest blocks NMIs", NEEDS(VGIF),
      .kernel_default = true, .svm_edx = 1U << 25 },
    { FEATURE_NRIPS, EXTENSION_SVM, "nrips", "nrips", "nrip_save", ALWAYS,
      "hardware tells where the next instruction begins, so that KVM need not decode this one",
      .kernel_default = true, .svm_edx = 1U << 3 },
};
const size_t n_features = ELEMENTSOF(features);

static const struct { const char *name; enum feature_id id; } aliases[] = {
    { "ept", FEATURE_EPT }, { "npt", FEATURE_EPT }, { "apicv", FEATURE_APICV }, { "avic", FEATURE_APICV },
};

const struct feature *feature_by_id(enum extension extension, enum feature_id id) {
    FOREACH_ARRAY(f, features, n_features)
        if (f->extension == extension && f->id == id)
            return f;
    return NULL;
}

const struct feature *feature_by_name(enum extension extension, const char *name) {
    FOREACH_ARRAY(f, features, n_features)
        if (f->extension == extension && streq(f->name, name))
            return f;
    FOREACH_ARRAY(a, aliases, ELEMENTSOF(aliases))
        if (streq(a->name, name))
            return feature_by_id(extension, a->id);
    return NULL;
}

const char *extension_to_string(enum extension extension) {
    static const char *const names[] = { "none", "vmx", "svm" };

    return names[extension];
}

const char *extension_module(enum extension extension) {
    static const char *const names[] = { NULL, "kvm_intel", "kvm_amd" };

    return names[extension];
}

uint32_t kernel_version_code(const char *release) {
    unsigned major, minor;

    if (!release || sscanf(release, "%4u.%4u", &major, &minor) != 2)
        return 0;
    return KERNEL_VERSION_CODE(major, minor);
}

enum tristate feature_kernel_default(const struct feature *feature, const char *release) {
    uint32_t version = kernel_version_code(release);

    if (version == 0)
        version = UINT32_MAX;
    if (feature->auto_since && version >= feature->auto_since)
        return TRISTATE_UNKNOWN;
    return feature->kernel_default == (version >= feature->default_since) ? TRISTATE_YES : TRISTATE_NO;
}
