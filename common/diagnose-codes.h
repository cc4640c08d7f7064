/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every reason that diagnose_host() can give, once: what it is called, how bad it is, which line of `nestctl check` it
 * belongs to, and what to do about it. */
#pragma once

#include "diagnose.h"

enum check_id {
    CHECK_CPU, CHECK_FIRMWARE, CHECK_CPUS_AGREE, CHECK_OWNER, CHECK_MODULE, CHECK_DEVICE, CHECK_NESTED, CHECK_BOOT,
    CHECK_OPTIONS, CHECK_PAGING, CHECK_EXITS, CHECK_VULNERABILITIES, CHECK_LOCKDOWN, CHECK_CONFIGURATION,
    _CHECK_MAX,
};

enum reason_id {
    /* what makes nested guests impossible here */
    R_NO_CPUINFO, R_NOT_X86, R_NO_EXTENSION, R_HIDDEN_BY_HYPERVISOR, R_BIOS_DISABLED, R_EXTENSION_MASKED,
    R_CPUS_DISAGREE, R_XEN_DOM0, R_MODULE_MISSING, R_NO_NESTED_PARAMETER, R_OPTION_REFUSED,
    /* what stands in the way, or will */
    R_PARAVIRTUAL_KVM, R_BIOS_DISAGREES, R_VMX_OWNED, R_MODULE_NOT_LOADED, R_MODULE_BUSY, R_MODULE_BLACKLISTED,
    R_MODULE_INSTALL, R_NO_DEV_KVM, R_DEV_KVM_STRANGE, R_DEV_KVM_PRIVATE, R_NESTED_OFF, R_NESTED_OFF_AT_BOOT,
    R_OPTION_OVERRIDDEN, R_OPTION_UNKNOWN, R_EPT_OFF, R_NO_EPT, R_SHADOW_VMCS_OFF, R_VULNERABLE, R_DRIFT,
    R_CONFIG_INVALID, R_UNREADABLE, R_INITRAMFS,
    /* good to know */
    R_PENDING, R_NESTED_HOST, R_KVM_HOLDS_VMX, R_NO_SHADOW_VMCS, R_CPUS_OFFLINE, R_SIGNED_MODULES, R_MSR_UNREADABLE,
    _R_MAX,
};

struct reason_code {
    const char *code;
    enum reason_level level;
    enum check_id check;
    const char *hint; /* may have one %s: the extension's module, or "kvm" where there is none */
};
extern const struct reason_code reason_codes[_R_MAX];

const struct reason_code *reason_code_of(const struct reason *reason);
