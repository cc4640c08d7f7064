/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dl-libxml2.h"
#include "guest-xml.h"

struct parse {
    const struct libxml2 *lx;
    xmlParserCtxtPtr ctxt;
    struct xml_doc doc;
    uint32_t open; /* the innermost open element */
    int error;     /* the first of our own reasons to stop */
};

static void stop(struct parse *p, int error) {
    if (p->error == 0)
        p->error = error;
    p->lx->xmlStopParser(p->ctxt);
}

/* Room for one more entry of SIZE bytes. */
static bool grow(void **array, size_t n, size_t *room, size_t more, size_t size) {
    if (n + more <= *room)
        return true;
    size_t want = (*room + more) * 2;
    void *a = realloc(*array, want * size);
    if (!a)
        return false;
    *array = a;
    *room = want;
    return true;
}
#define GROW(doc, array, more)                                                                               \
    grow((void **)&(doc)->array, (doc)->n_##array, &(doc)->array##_room, more, sizeof(*(doc)->array))

/* Copies S, NUL-terminated, into the pool: its offset, or XML_NONE when there is no memory. */
static uint32_t pool_add(struct xml_doc *doc, const char *s, size_t len) {
    if (!grow((void **)&doc->pool, doc->n_pool, &doc->pool_room, len + 1, 1))
        return XML_NONE;
    uint32_t at = (uint32_t)doc->n_pool;
    memcpy(doc->pool + at, s, len);
    doc->pool[at + len] = 0;
    doc->n_pool += len + 1;
    return at;
}

static uint32_t pool_add_name(struct xml_doc *doc, const xmlChar *s) {
    return pool_add(doc, (const char *)s, strlen((const char *)s));
}

/* Without entity replacement libxml2 hands '&' over as "&#38;", for a later parse (parser.c,
 * xmlParseAttValueComplex). There is none here. */
static uint32_t pool_add_value(struct xml_doc *doc, const char *s, size_t len) {
    uint32_t at = pool_add(doc, s, len);
    if (at == XML_NONE)
        return at;
    char *to = doc->pool + at;
    for (const char *from = to, *end = to + len; from <= end; from++) {
        *to++ = *from;
        if (*from == '&' && end - from >= 5 && memcmp(from, "&#38;", 5) == 0)
            from += 4;
    }
    return at;
}

static void on_start(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
                     const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes) {
    struct parse *p = ((xmlParserCtxtPtr)ctx)->_private;
    struct xml_doc *doc = &p->doc;

    if (p->error != 0)
        return;
    if (doc->n_elems >= XML_ELEMENTS_MAX)
        return stop(p, -E2BIG);
    /* libxml2 stands before the '>' or '/>'. A start tag contains no other '<' (XML 1.0, 2.4). */
    long at = p->lx->xmlByteConsumed(p->ctxt);
    if (at <= 0 || (size_t)at >= doc->len)
        return stop(p, -EBADMSG);
    bool empty = doc->text[at] == '/';
    size_t tag_end = at + (empty ? 2 : 1);
    const char *tag = memrchr(doc->text, '<', at);
    if (!tag || tag_end > doc->len || doc->text[tag_end - 1] != '>')
        return stop(p, -EBADMSG);
    if (!GROW(doc, elems, 1) || !GROW(doc, attrs, (size_t)n_attributes))
        return stop(p, -ENOMEM);

    struct xml_elem e = {
        .parent = p->open,
        .name = pool_add_name(doc, local),
        .uri = uri ? pool_add_name(doc, uri) : XML_NONE,
        .attrs = (uint32_t)doc->n_attrs,
        .n_attrs = (uint32_t)n_attributes,
        .start = (uint32_t)(tag - doc->text),
        .tag_end = (uint32_t)tag_end,
        .content_end = (uint32_t)tag_end,
        .end = (uint32_t)tag_end,
        .empty = empty,
    };
    bool ok = e.name != XML_NONE && (!uri || e.uri != XML_NONE);
    /* libxml2: five pointers an attribute: local name, prefix, URI, begin and end of the value */
    for (int i = 0; i < n_attributes; i++) {
        const xmlChar **a = attributes + 5 * i;
        struct xml_attr attr = {
            .name = pool_add_name(doc, a[0]),
            .uri = a[2] ? pool_add_name(doc, a[2]) : XML_NONE,
            .value = pool_add_value(doc, (const char *)a[3], a[4] - a[3]),
        };
        ok = ok && attr.name != XML_NONE && attr.value != XML_NONE && (!a[2] || attr.uri != XML_NONE);
        doc->attrs[doc->n_attrs++] = attr;
    }
    if (!ok)
        return stop(p, -ENOMEM);
    p->open = (uint32_t)doc->n_elems;
    doc->elems[doc->n_elems++] = e;
}

static void on_end(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri) {
    struct parse *p = ((xmlParserCtxtPtr)ctx)->_private;
    struct xml_doc *doc = &p->doc;

    if (p->error != 0 || p->open == XML_NONE)
        return;
    struct xml_elem *e = &doc->elems[p->open];
    p->open = e->parent;
    if (e->empty)
        return;
    /* libxml2 stands after the end tag, which contains no other '<'. */
    long at = p->lx->xmlByteConsumed(p->ctxt);
    if (at <= 0 || (size_t)at > doc->len || doc->text[at - 1] != '>')
        return stop(p, -EBADMSG);
    const char *tag = memrchr(doc->text, '<', at);
    if (!tag || tag[1] != '/' || (size_t)(tag - doc->text) < e->tag_end)
        return stop(p, -EBADMSG);
    e->content_end = (uint32_t)(tag - doc->text);
    e->end = (uint32_t)at;
}

static void on_text(void *ctx, const xmlChar *s, int len) {
    struct parse *p = ((xmlParserCtxtPtr)ctx)->_private;
    struct xml_doc *doc = &p->doc;

    if (p->error != 0 || p->open == XML_NONE || len <= 0)
        return;
    if (!GROW(doc, texts, 1))
        return stop(p, -ENOMEM);
    uint32_t at = pool_add(doc, (const char *)s, (size_t)len);
    if (at == XML_NONE)
        return stop(p, -ENOMEM);
    doc->texts[doc->n_texts++] = (struct xml_text){p->open, at, (uint32_t)len};
}

static void on_dtd(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system) {
    stop(((xmlParserCtxtPtr)ctx)->_private, -EPROTONOSUPPORT);
}

static void on_error(void *userdata, xmlErrorPtr error) {
}

/* "line 3: opening and ending tag mismatch", or NULL. */
static char *describe(const struct parse *p) {
    const xmlError *e = p->lx->xmlCtxtGetLastError(p->ctxt);
    char *why = NULL;
    if (!e || !e->message)
        return strdup("not well-formed XML");
    if (asprintf(&why, "line %d: %.*s", e->line, (int)strcspn(e->message, "\n"), e->message) < 0)
        return NULL;
    /* The message quotes the document; a terminal must not be at its mercy. */
    for (unsigned char *c = (unsigned char *)why; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
    return why;
}

int xml_parse(const char *text, size_t len, struct xml_doc *ret, char **ret_why) {
    struct parse p = {.doc = {.text = text, .len = len}, .open = XML_NONE};
    xmlSAXHandler sax = {
        .initialized = XML_SAX2_MAGIC,
        .internalSubset = on_dtd,
        .startElementNs = on_start,
        .endElementNs = on_end,
        .characters = on_text,
        .ignorableWhitespace = on_text,
        .cdataBlock = on_text,
        .serror = on_error,
    };
    int r = libxml2_load(&p.lx);
    if (r < 0)
        return r;
    if (len == 0 || len > INT32_MAX)
        return len == 0 ? -EBADMSG : -E2BIG;
    if (!(p.ctxt = p.lx->xmlCreateMemoryParserCtxt(text, (int)len)))
        return -ENOMEM;
    xmlSAXHandlerPtr own = p.ctxt->sax;
    p.ctxt->sax = &sax;
    p.ctxt->_private = &p;
    p.lx->xmlCtxtUseOptions(p.ctxt, XML_PARSE_NONET);
    p.lx->xmlParseDocument(p.ctxt);
    if (p.error == 0 && (!p.ctxt->wellFormed || p.doc.n_elems == 0 || p.open != XML_NONE))
        p.error = -EBADMSG;
    if (p.error == -EBADMSG && ret_why)
        *ret_why = describe(&p);
    p.ctxt->sax = own;
    p.lx->xmlFreeParserCtxt(p.ctxt);
    if (p.error < 0) {
        xml_doc_done(&p.doc);
        return p.error;
    }
    *ret = p.doc;
    return 0;
}

void xml_doc_done(struct xml_doc *doc) {
    free(doc->elems);
    free(doc->attrs);
    free(doc->texts);
    free(doc->pool);
    *doc = (struct xml_doc){};
}

static const char *pooled(const struct xml_doc *doc, uint32_t at) {
    return at == XML_NONE ? NULL : doc->pool + at;
}

const char *xml_name(const struct xml_doc *doc, uint32_t elem) {
    return pooled(doc, doc->elems[elem].name);
}

const char *xml_uri(const struct xml_doc *doc, uint32_t elem) {
    return pooled(doc, doc->elems[elem].uri);
}

uint32_t xml_child(const struct xml_doc *doc, uint32_t parent, const char *uri, const char *name, uint32_t after) {
    if (parent == XML_NONE)
        return XML_NONE;
    for (size_t i = (after == XML_NONE ? parent : after) + 1;
         i < doc->n_elems && doc->elems[i].start < doc->elems[parent].end; i++)
        if (doc->elems[i].parent == parent && streq_ptr(xml_uri(doc, (uint32_t)i), uri) &&
            (!name || streq(xml_name(doc, (uint32_t)i), name)))
            return (uint32_t)i;
    return XML_NONE;
}

uint32_t xml_find(const struct xml_doc *doc, uint32_t from, const char *path) {
    while (from != XML_NONE && *path) {
        size_t n = strcspn(path, "/");
        char name[32];
        if (n >= sizeof(name))
            return XML_NONE;
        memcpy(name, path, n);
        name[n] = 0;
        from = xml_child(doc, from, NULL, name, XML_NONE);
        path += n + (path[n] == '/');
    }
    return from;
}

size_t xml_count(const struct xml_doc *doc, uint32_t parent, const char *uri, const char *name) {
    size_t n = 0;
    for (uint32_t e = XML_NONE; (e = xml_child(doc, parent, uri, name, e)) != XML_NONE;)
        n++;
    return n;
}

const char *xml_attr(const struct xml_doc *doc, uint32_t elem, const char *name) {
    if (elem == XML_NONE || doc->elems[elem].n_attrs == 0)
        return NULL;
    const struct xml_elem *e = &doc->elems[elem];
    FOREACH_ARRAY(a, doc->attrs + e->attrs, e->n_attrs)
        if (a->uri == XML_NONE && streq(pooled(doc, a->name), name))
            return pooled(doc, a->value);
    return NULL;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int xml_content(const struct xml_doc *doc, uint32_t elem, char **ret) {
    size_t n = 0;
    if (elem != XML_NONE)
        FOREACH_ARRAY(t, doc->texts, doc->n_texts)
            n += t->elem == elem ? t->len : 0;
    char *s = malloc(n + 1);
    if (!s)
        return -ENOMEM;
    size_t len = 0;
    if (n > 0)
        FOREACH_ARRAY(t, doc->texts, doc->n_texts)
            if (t->elem == elem) {
                memcpy(s + len, doc->pool + t->at, t->len);
                len += t->len;
            }
    while (len > 0 && is_space(s[len - 1]))
        len--;
    size_t skip = 0;
    while (skip < len && is_space(s[skip]))
        skip++;
    memmove(s, s + skip, len - skip);
    s[len - skip] = 0;
    *ret = s;
    return 0;
}

/* The parser has accepted the tag, so it is: '<' name (space name space? '=' space? quoted)* space? '/'? '>' */
bool xml_attr_span(const struct xml_doc *doc, uint32_t elem, const char *name, struct xml_attr_span *ret) {
    const struct xml_elem *e = &doc->elems[elem];
    const char *t = doc->text;
    size_t i = e->start + 1, end = e->tag_end - (e->empty ? 2 : 1), n = strlen(name);

    while (i < end && !is_space(t[i]))
        i++;
    while (i < end) {
        size_t start = i;
        while (i < end && is_space(t[i]))
            i++;
        size_t word = i;
        while (i < end && !is_space(t[i]) && t[i] != '=')
            i++;
        size_t word_end = i;
        while (i < end && t[i] != '"' && t[i] != '\'')
            i++;
        if (i >= end)
            return false;
        const char *close = memchr(t + i + 1, t[i], end - i - 1);
        if (!close)
            return false;
        if (word_end - word == n && memcmp(t + word, name, n) == 0) {
            *ret = (struct xml_attr_span){start, i + 1, close - t, close - t + 1};
            return true;
        }
        i = close - t + 1;
    }
    return false;
}

size_t xml_space_before(const char *text, size_t at) {
    size_t n = 0;
    while (n < at && is_space(text[at - n - 1]))
        n++;
    return n;
}
