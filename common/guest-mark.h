/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our element in <metadata>: which wish was fulfilled, and the original text of every part changed for it.
 *
 *   <nestd:nested xmlns:nestd='urn:nestd:guest:1' wish='expose' extension='svm' mode='keep' gap='5'>
 *     <nestd:was part='cpu'>PGNwdT4uLi48L2NwdT4=</nestd:was>          the original text, in base64 of UTF-8
 *     <nestd:was part='features' absent='3'/>                     was not there; 3 bytes of white space were added
 *   </nestd:nested>
 *
 * by='nestd.conf': no person asked for it. metadata='added' (with metadata-gap) or metadata='PG1ldGFkYXRhLz4=' tell what
 * became of <metadata> itself.
 */
#pragma once

#include "guest-rewrite.h"

struct guest_was {
    bool changed; /* the rest is set */
    bool absent;
    size_t gap;
    char *text;
};

struct guest_mark {
    struct guest_wish wish; /* its strings are these: */
    char *model, *profile, *without;
    size_t gap;          /* white space added before our element */
    bool metadata_added;
    size_t metadata_gap;
    char *metadata_text; /* the empty-element tag that <metadata> was, or NULL */
    struct guest_was was[_REGION_MAX];
};

/* "cpu", "devices/iommu": from <domain> on; the element's name; and the element, or XML_NONE. */
const char *guest_region_path(enum guest_region region);
const char *guest_region_name(enum guest_region region);
uint32_t guest_region(const struct guest_doc *doc, enum guest_region region);

/* Reads DOC's mark. Errors: -ENOENT has none, -EBADMSG not one of ours, -ENOMEM. */
int guest_mark_read(const struct guest_doc *doc, struct guest_mark *ret);
/* Adds the mark to the edits: E's other splices tell which parts are to be kept in it. */
int guest_mark_edit(const struct guest_doc *doc, const struct guest_wish *wish, struct guest_edits *e);
/* Takes the mark out again, with what was made for it. */
void guest_mark_remove(const struct guest_doc *doc, const struct guest_mark *mark, struct guest_edits *e);
/* Puts one part back to its original text; what is not there any more stays so. */
void guest_mark_restore(const struct guest_doc *doc, const struct guest_mark *mark, enum guest_region region,
                        struct guest_edits *e);
void guest_mark_done(struct guest_mark *mark);
#define _cleanup_guest_mark_ _cleanup_(guest_mark_done)
