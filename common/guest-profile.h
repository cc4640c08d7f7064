/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each hypervisor wants of the guest it runs in, beyond the extension itself, and what may be asked for beside it.
 * A wish's profile is a string, "PROFILE[+EXTRA...]": "kvm", "hyperv+viommu", "xen+hugepages+numa=0". One row for each
 * word; each setting and each requirement has its reason and its source. A profile changes what it lists and nothing
 * else; a requirement that the guest does not meet is refused, not mended. No profile names a vmx-* feature:
 * libvirt 9.0 knows none of them.
 */
#pragma once

#include "guest-setting.h"

/* Returns NULL when it is met, else what to do about it (static). */
typedef const char *(*profile_requirement_t)(const struct guest_doc *doc, const char *value);

struct guest_profile {
    const char *name;
    const char *what;
    bool extra;  /* goes with a hypervisor's profile */
    bool valued; /* "numa=0" */
    const struct guest_setting *settings; /* ended by a NULL reason, or NULL */
    struct {
        profile_requirement_t check;
        const char *reason;
    } requirements[4];
    const char *host_note; /* what it needs of the host, which nestd does not change; or NULL */
    const char *source;
};

extern const struct guest_profile guest_profiles[];
extern const size_t n_guest_profiles;

/* The row of the hypervisor that a wish's PROFILE begins with, or NULL. */
const struct guest_profile *guest_profile_hypervisor(const char *profile);

/* If S is one of the Hyper-V enlightenments, its name. */
const char *guest_setting_enlightenment(const struct guest_setting *s);

/* Adds the edits of W's profile (there may be none). Errors, with *ret_why: -EINVAL no such profile, -EOPNOTSUPP a
 * requirement is not met. */
int guest_profile_edit(const struct guest_doc *doc, const struct guest_wish *w, struct guest_edits *e, char **ret_why);
/* Does DOC lack any of what W's profile changes or requires? Not if there is no such profile. */
bool guest_profile_lacks(const struct guest_doc *doc, const struct guest_wish *w);
