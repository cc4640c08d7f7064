/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a child of an element stands or would go, and the white space that fits there. */
#pragma once

#include "guest-doc.h"

struct place {
    size_t at;       /* where to put a new element (with GAP before it) */
    char *gap;       /* white space before the element, existing or new: "\n  " */
    char *child_gap; /* white space before its children: "\n    " */
};

/* For ELEM, a child of PARENT; if it is XML_NONE, for a new one after the last of the children AFTER (names, most
 * wanted first, NULL-terminated) that is there, else as PARENT's first. PARENT must not be an empty-element tag. */
int place_find(const struct guest_doc *doc, uint32_t parent, uint32_t elem, const char *const *after,
               struct place *ret);
void place_done(struct place *place);
