/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The edits to one document, collected before any is made, with the sentences that explain them. */
#pragma once

#include "guest-text.h"
#include "guest-xml.h"

/* The parts of a document that a wish may change besides our own element: each occurs at most once. */
enum guest_region {
    REGION_CPU,
    REGION_FEATURES,
    REGION_MEMORY_BACKING,
    REGION_NUMATUNE,
    REGION_CLOCK,
    REGION_IOMMU,
    _REGION_MAX
};

struct guest_edits {
    struct text_splice *splices;
    size_t n_splices;
    char **notes; /* one sentence each, for a person; NULL-terminated */
    size_t n_notes;
    bool created[_REGION_MAX]; /* made anew, after GAP bytes of new white space */
    size_t gap[_REGION_MAX];
    bool failed; /* out of memory somewhere: checked once, by the one who uses the edits */
};

/* Replace LEN bytes at AT. Edits must not overlap; insertions at the same place keep the order they were made in. */
void edit_replace(struct guest_edits *e, size_t at, size_t len, const char *text);
_printf_(4, 5) void edit_replacef(struct guest_edits *e, size_t at, size_t len, const char *format, ...);
_printf_(2, 3) void edit_note(struct guest_edits *e, const char *format, ...);
/* Puts a new element, given as text, at AT. */
void edit_create(struct guest_edits *e, enum guest_region region, size_t at, const char *gap, const char *element);
/* Removes an element with the white space before it. */
void edit_remove_element(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem);
/* Gives an element an attribute, which must need no escaping. */
void edit_set_attr(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem, const char *name,
                   const char *value);
void edit_remove_attr(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem, const char *name);
/* Adds children given as text (each with its own white space before it) as the last of ELEM; GAP is the white space
 * before ELEM itself, put before an end tag that has to be made. */
void edit_append(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem, const char *gap,
                 const char *children);
/* Sorts the splices by place; what is put at a place comes before what is replaced from there on. */
void edits_sort(struct guest_edits *e);
void edits_done(struct guest_edits *e);

#define _cleanup_guest_edits_ _cleanup_(edits_done)

/* Sets *why (if WHY is not NULL) to the sentence, and returns ERROR. */
_printf_(3, 4) int refuse(char **why, int error, const char *format, ...);

char **strv_free(char **strv);
/* Moves FROM's notes to the end of a NULL-terminated list, which may be NULL. -ENOMEM. */
int notes_append(char ***notes, struct guest_edits *from);
