/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where each element of a document stands in its text. libxml2 parses (and so decides what is well-formed); we keep
 * byte offsets, so that an edit touches these bytes and no others. A document is never rebuilt from a tree.
 */
#pragma once

#include "macros.h"

#define XML_NONE UINT32_MAX
/* More elements than any real domain has (a 700-disk guest has some 8000): bounds memory, not use. */
#define XML_ELEMENTS_MAX 100000U

struct xml_attr {
    uint32_t name;  /* in the pool: local name */
    uint32_t uri;   /* in the pool, or XML_NONE */
    uint32_t value; /* in the pool: decoded */
};

struct xml_elem {
    uint32_t parent;        /* XML_NONE: the root */
    uint32_t name;          /* in the pool: local name */
    uint32_t uri;           /* in the pool, or XML_NONE */
    uint32_t attrs, n_attrs;
    uint32_t start;         /* of '<' */
    uint32_t tag_end;       /* after the start tag's '>' */
    uint32_t content_end;   /* of '</'; an empty-element tag has tag_end here */
    uint32_t end;           /* after the last '>' */
    bool empty;             /* <x/> */
};

struct xml_text {
    uint32_t elem, at, len; /* a piece of character data, decoded, in the pool */
};

struct xml_doc {
    const char *text; /* the caller's, must outlive the document */
    size_t len;
    struct xml_elem *elems; /* in document order; [0] is the root */
    size_t n_elems, elems_room;
    struct xml_attr *attrs;
    size_t n_attrs, attrs_room;
    struct xml_text *texts;
    size_t n_texts, texts_room;
    char *pool;
    size_t n_pool, pool_room;
};

/*
 * Parses UTF-8 TEXT (no byte order mark). Nothing outside TEXT is read; a document type declaration is refused, so
 * there are no entities beyond XML's own five. On failure *ret_why (may be NULL) says what and where; the caller frees it.
 * Errors: -EBADMSG not well-formed, -EPROTONOSUPPORT has a DTD, -E2BIG too many elements, -ENOPKG, -ELIBBAD, -ENOMEM.
 */
int xml_parse(const char *text, size_t len, struct xml_doc *ret, char **ret_why);
void xml_doc_done(struct xml_doc *doc);

const char *xml_name(const struct xml_doc *doc, uint32_t elem);
/* The element's namespace, or NULL. */
const char *xml_uri(const struct xml_doc *doc, uint32_t elem);
/* The first child of PARENT after AFTER (XML_NONE: from the start) with this namespace (NULL: none) and name (NULL:
 * any), or XML_NONE. libvirt looks its elements up without a namespace, so URI is NULL for all of them. */
uint32_t xml_child(const struct xml_doc *doc, uint32_t parent, const char *uri, const char *name, uint32_t after);
/* Follows a path of names without namespace: "os/type". */
uint32_t xml_find(const struct xml_doc *doc, uint32_t from, const char *path);
size_t xml_count(const struct xml_doc *doc, uint32_t parent, const char *uri, const char *name);
/* An attribute without namespace, decoded, or NULL. ELEM may be XML_NONE. */
const char *xml_attr(const struct xml_doc *doc, uint32_t elem, const char *name);
/* The character data directly in ELEM (XML_NONE: empty), stripped of white space at both ends. The caller frees. */
int xml_content(const struct xml_doc *doc, uint32_t elem, char **ret);

/* Where an attribute stands in the text: [start, end) with the white space before it, [value, value_end) inside
 * its quotes. False when the element has none. */
struct xml_attr_span {
    size_t start, value, value_end, end;
};
bool xml_attr_span(const struct xml_doc *doc, uint32_t elem, const char *name, struct xml_attr_span *ret);

/* The length of the white space that ends at AT. */
size_t xml_space_before(const char *text, size_t at);

#define _cleanup_xml_doc_ _cleanup_(xml_doc_done)
