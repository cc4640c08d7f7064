/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each hypervisor wants of the guest it runs in, beyond the extension itself. One row a hypervisor; each setting and
 * each requirement has its reason and its source. A profile changes what it lists and nothing else; a requirement that
 * the guest does not meet is refused, not mended.
 */
#pragma once

#include "guest-rewrite.h"

/* An enlightenment in <features><hyperv>. */
struct profile_enlightenment {
    const char *name;
    const char *attribute, *value; /* beside state='on', or NULL */
    enum extension extension; /* EXTENSION_NONE: on both */
    const char *reason;
};

/* Returns NULL when it is met, else what to do about it (static). */
typedef const char *(*profile_requirement_t)(const struct guest_doc *doc);

struct guest_profile {
    const char *name;
    const char *what; /* the hypervisor */
    const struct profile_enlightenment *enlightenments; /* ended by a NULL name, or NULL */
    struct {
        profile_requirement_t check;
        const char *reason;
    } requirements[4];
    const char *host_note; /* what it needs of the whole host, which nestd does not change; or NULL */
    const char *source;
};

extern const struct guest_profile guest_profiles[];
extern const size_t n_guest_profiles;

/* Adds the edits of W's profile (there may be none). Errors, with *ret_why: -EINVAL no such profile, -EOPNOTSUPP a
 * requirement is not met. */
int guest_profile_edit(const struct guest_doc *doc, const struct guest_wish *w, struct guest_edits *e, char **ret_why);
