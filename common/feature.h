/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of features: what they are called, which module parameter switches them, how hardware tells that it
 * has them. It drives probe, plan, output, documentation and tests. */
#pragma once

#include "macros.h"

enum tristate { TRISTATE_NO, TRISTATE_YES, TRISTATE_UNKNOWN };
const char *tristate_to_string(enum tristate t); /* "no", "yes", "unknown" */

enum extension { EXTENSION_NONE, EXTENSION_VMX, EXTENSION_SVM, _EXTENSION_MAX };

enum feature_id {
    FEATURE_NESTED,
    FEATURE_EPT, /* npt on AMD */
    FEATURE_EPT_AD,
    FEATURE_SHADOW_VMCS,
    FEATURE_APICV, /* avic on AMD */
    FEATURE_VPID,
    FEATURE_UNRESTRICTED_GUEST,
    FEATURE_FLEXPRIORITY,
    FEATURE_PML,
    FEATURE_IPIV,
    FEATURE_TSC_SCALING,
    FEATURE_PREEMPTION_TIMER,
    FEATURE_VLS,
    FEATURE_VGIF,
    FEATURE_VNMI,
    FEATURE_NRIPS,
    _FEATURE_MAX,
};

/* One row an extension and a feature; a feature that the extension does not know has no row. */
struct feature {
    enum feature_id id;
    enum extension extension;
    const char *name;      /* in CLI, JSON and configuration: "ept", on AMD "npt" */
    const char *parameter; /* the kernel's own name: "enable_shadow_vmcs"; NULL: the kernel has no switch for it */
    const char *flag;      /* in /proc/cpuinfo, "flags" or "vmx flags" */
    uint32_t flag_since;   /* KERNEL_VERSION_CODE from which on the flag is shown, so that its absence means "no" */
    const char *effect;    /* one sentence: what it does for nested guests */
    uint32_t needs;        /* BIT(feature_id): what must be on for this one to be on (kvm_intel's own rules) */
    /* The kernel's default for the parameter, effective only where the hardware has it; distributions may differ. */
    bool kernel_default;
    uint32_t default_since; /* KERNEL_VERSION_CODE before which it was the opposite; 0: never */
    uint32_t auto_since;    /* ... from which on the kernel decides by the CPU; 0: never */
    /* Where an IA32_VMX_* capability MSR tells it: MSR number and bit, 0 where none does (SDM 3D, appendix A) */
    uint32_t msr;
    uint8_t msr_bit;
    /* Where CPUID Fn8000_000A_EDX tells it: BIT(n), 0 where it does not (APM 3, appendix E.4.9) */
    uint32_t svm_edx;
};

#define KERNEL_VERSION_CODE(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

#define FEATURE_BIT(id) (UINT32_C(1) << (id))

extern const struct feature features[];
extern const size_t n_features;

/* The row, or NULL. NAME may also be the other vendor's name for the same thing (ept and npt, apicv and avic). */
const struct feature *feature_by_name(enum extension extension, const char *name);
const struct feature *feature_by_id(enum extension extension, enum feature_id id);
const char *extension_to_string(enum extension extension); /* "none", "vmx", "svm" */
/* The module that drives the extension: "kvm_intel", "kvm_amd" or NULL. */
const char *extension_module(enum extension extension);
/* "6.1.0-49-amd64" to KERNEL_VERSION_CODE(6, 1); 0 if it does not begin so. */
uint32_t kernel_version_code(const char *release);
/* What the kernel's source says the parameter is without an option; UNKNOWN: it depends on the CPU. RELEASE NULL or
 * strange: as in current kernels. */
enum tristate feature_kernel_default(const struct feature *feature, const char *release);
