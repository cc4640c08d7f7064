/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/capability.h>
#include "caps.h"
#include "macros.h"

/* systemd/nestd.service's CapabilityBoundingSet= names the same ones; tests/daemon compares them. Files need none: root
 * owns what nestd writes, and group kvm (SupplementaryGroups=) is what giving /dev/kvm back to its group takes. */
static const cap_value_t needed[] = {
    CAP_SYS_MODULE, /* load and unload kvm_intel, kvm_amd */
    CAP_SYS_RAWIO,  /* open /dev/cpu/N/msr: IA32_FEATURE_CONTROL and VM_CR tell what firmware locked */
};

DEFINE_CLEANUP(cap_t, cap_free)

static bool is_needed(cap_value_t cap) {
    FOREACH_ARRAY(n, needed, ELEMENTSOF(needed))
        if (*n == cap)
            return true;
    return false;
}

int caps_drop(void) {
    _cleanup_(cap_freep) cap_t have = cap_get_proc(), want = cap_init();

    if (!have || !want)
        return -errno;

    /* Without CAP_SETPCAP (the unit's bounding set has none) there is nothing left to drop from the bounding set. */
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
        if (!is_needed(cap) && cap_get_bound(cap) > 0 && cap_drop_bound(cap) < 0 && errno != EPERM)
            return -errno;

    FOREACH_ARRAY(n, needed, ELEMENTSOF(needed)) {
        cap_flag_value_t permitted;
        if (cap_get_flag(have, *n, CAP_PERMITTED, &permitted) < 0)
            return -errno;
        if (permitted == CAP_SET && cap_set_flag(want, CAP_PERMITTED, 1, n, CAP_SET) < 0)
            return -errno;
    }
    return cap_set_proc(want) < 0 ? -errno : 0;
}

int caps_raise(void) {
    _cleanup_(cap_freep) cap_t have = cap_get_proc();

    if (!have)
        return -errno;
    FOREACH_ARRAY(n, needed, ELEMENTSOF(needed)) {
        cap_flag_value_t permitted;
        if (cap_get_flag(have, *n, CAP_PERMITTED, &permitted) < 0 ||
            cap_set_flag(have, CAP_EFFECTIVE, 1, n, permitted) < 0)
            return -errno;
    }
    return cap_set_proc(have) < 0 ? -errno : 0;
}
