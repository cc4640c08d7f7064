/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>

#include "guest-edit.h"

static void add(struct guest_edits *e, size_t at, size_t len, char *text) {
    struct text_splice *s =
        text ? reallocarray(e->splices, e->n_splices + 1, sizeof(*e->splices)) : NULL;
    if (!s) {
        free(text);
        e->failed = true;
        return;
    }
    e->splices = s;
    e->splices[e->n_splices++] = (struct text_splice){at, len, text};
}

void edit_replace(struct guest_edits *e, size_t at, size_t len, const char *text) {
    add(e, at, len, strdup(text));
}

void edit_replacef(struct guest_edits *e, size_t at, size_t len, const char *format, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    add(e, at, len, text);
}

void edit_note(struct guest_edits *e, const char *format, ...) {
    char *note = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&note, format, ap);
    va_end(ap);
    char **notes = n < 0 ? NULL : reallocarray(e->notes, e->n_notes + 2, sizeof(*notes));
    if (!notes) {
        if (n >= 0)
            free(note);
        e->failed = true;
        return;
    }
    e->notes = notes;
    e->notes[e->n_notes++] = note;
    e->notes[e->n_notes] = NULL;
}

void edit_create(struct guest_edits *e, enum guest_region region, size_t at, const char *gap, const char *element) {
    edit_replacef(e, at, 0, "%s%s", gap, element);
    e->created[region] = true;
    e->gap[region] = strlen(gap);
}

void edit_remove_element(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem) {
    const struct xml_elem *x = &xml->elems[elem];
    size_t space = xml_space_before(xml->text, x->start);
    edit_replace(e, x->start - space, x->end - x->start + space, "");
}

void edit_set_attr(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem, const char *name,
                   const char *value) {
    struct xml_attr_span span;
    if (xml_attr_span(xml, elem, name, &span))
        return edit_replace(e, span.value, span.value_end - span.value, value);
    /* No prefix: only elements without namespace are edited, and a default namespace would give them one. */
    edit_replacef(e, xml->elems[elem].start + 1 + strlen(xml_name(xml, elem)), 0, " %s='%s'", name, value);
}

void edit_remove_attr(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem, const char *name) {
    struct xml_attr_span span;
    if (xml_attr_span(xml, elem, name, &span))
        edit_replace(e, span.start, span.end - span.start, "");
}

void edit_append(struct guest_edits *e, const struct xml_doc *xml, uint32_t elem, const char *gap,
                 const char *children) {
    const struct xml_elem *x = &xml->elems[elem];
    if (x->empty) {
        size_t slash = x->end - 2, space = xml_space_before(xml->text, slash);
        return edit_replacef(e, slash - space, 2 + space, ">%s%s</%s>", children, gap, xml_name(xml, elem));
    }
    edit_replace(e, x->content_end - xml_space_before(xml->text, x->content_end), 0, children);
}

static bool before(const struct text_splice *a, const struct text_splice *b) {
    return a->at != b->at ? a->at < b->at : a->len == 0 && b->len > 0;
}

void edits_sort(struct guest_edits *e) {
    /* A handful of splices, and equal ones must keep their order: insertion sort. */
    for (size_t i = 1; i < e->n_splices; i++) {
        struct text_splice s = e->splices[i];
        size_t j = i;
        for (; j > 0 && before(&s, &e->splices[j - 1]); j--)
            e->splices[j] = e->splices[j - 1];
        e->splices[j] = s;
    }
}

char **strv_free(char **strv) {
    for (char **s = strv; s && *s; s++)
        free(*s);
    free(strv);
    return NULL;
}

int notes_append(char ***notes, struct guest_edits *from) {
    size_t have = 0;
    while (*notes && (*notes)[have])
        have++;
    char **all = reallocarray(*notes, have + from->n_notes + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < from->n_notes; i++)
        all[have + i] = TAKE_PTR(from->notes[i]);
    all[have + from->n_notes] = NULL;
    from->n_notes = 0;
    *notes = all;
    return 0;
}

void edits_done(struct guest_edits *e) {
    text_splices_free(e->splices, e->n_splices);
    strv_free(e->notes);
    *e = (struct guest_edits){};
}

int refuse(char **why, int error, const char *format, ...) {
    if (why) {
        va_list ap;
        va_start(ap, format);
        if (vasprintf(why, format, ap) < 0)
            *why = NULL;
        va_end(ap);
    }
    return error;
}
