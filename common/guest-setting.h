/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single settings of a profile, and how they get into a document. */
#pragma once

#include "guest-rewrite.h"

struct guest_setting {
    enum guest_region region;
    /* Below the region's element: "hyperv/relaxed"; "timer name=hypervclock" is the <timer> with that name; "" is the
     * element itself. */
    const char *path;
    const char *attr;         /* NULL: that the element is there is all */
    const char *value;        /* NULL: what the user said */
    bool keep;                /* any other value will do if there is one */
    enum extension extension; /* EXTENSION_NONE: on both */
    const char *reason, *source;
};

struct guest_want {
    const struct guest_setting *setting;
    const char *value;
};

/* Makes the document say what is wanted, with a note for each change; what it says already stays as it is. Elements that
 * lack are made. A region below another element needs that one, with content. -ENOMEM. */
int guest_settings_edit(const struct guest_doc *doc, const struct guest_want *wants, size_t n, struct guest_edits *e);
