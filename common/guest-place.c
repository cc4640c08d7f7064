/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-place.h"

static char *space_before(const struct guest_doc *d, size_t at) {
    size_t n = xml_space_before(d->xml.text, at);
    /* Blank lines are not indentation. */
    const char *line = memrchr(d->xml.text + at - n, '\n', n);
    if (line) {
        n = (size_t)(d->xml.text + at - line);
        if (line > d->xml.text && line[-1] == '\r')
            n++;
    }
    return strndup(d->xml.text + at - n, n);
}

int place_find(const struct guest_doc *d, uint32_t parent, uint32_t elem, const char *const *after,
               struct place *ret) {
    struct place p = {};
    uint32_t sibling = elem;

    for (; sibling == XML_NONE && *after; after++)
        sibling = xml_child(&d->xml, parent, NULL, *after, XML_NONE);
    if (sibling != XML_NONE)
        p.at = d->xml.elems[sibling].end;
    else {
        p.at = d->xml.elems[parent].tag_end;
        sibling = xml_child(&d->xml, parent, NULL, NULL, XML_NONE);
    }
    p.gap = sibling == XML_NONE ? strdup("\n  ") : space_before(d, d->xml.elems[sibling].start);
    bool lines = p.gap && strchr(p.gap, '\n');
    /* One more level: what the document itself uses, as far as that can be told from its first line. */
    if (!p.gap || asprintf(&p.child_gap, "%s%s", p.gap, !lines ? "" : strchr(p.gap, '\t') ? "\t" : "  ") < 0) {
        free(p.gap);
        return -ENOMEM;
    }
    *ret = p;
    return 0;
}

void place_done(struct place *p) {
    free(p->gap);
    free(p->child_gap);
    *p = (struct place){};
}
