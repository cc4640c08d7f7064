/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-mark.h"
#include "guest-place.h"

static const char *const regions[_REGION_MAX] = {
    [REGION_CPU] = "cpu",
    [REGION_FEATURES] = "features",
    [REGION_MEMORY_BACKING] = "memoryBacking",
    [REGION_NUMATUNE] = "numatune",
    [REGION_CLOCK] = "clock",
    [REGION_IOMMU] = "devices/iommu",
};

const char *guest_region_path(enum guest_region region) {
    return regions[region];
}

const char *guest_region_name(enum guest_region region) {
    const char *slash = strrchr(regions[region], '/');
    return slash ? slash + 1 : regions[region];
}

uint32_t guest_region(const struct guest_doc *d, enum guest_region region) {
    return xml_find(&d->xml, 0, regions[region]);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *base64_encode(const char *data, size_t n) {
    const unsigned char *p = (const unsigned char *)data;
    char *out = malloc((n + 2) / 3 * 4 + 1), *o = out;
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        *o++ = base64[v >> 18];
        *o++ = base64[v >> 12 & 63];
        *o++ = i + 1 < n ? base64[v >> 6 & 63] : '=';
        *o++ = i + 2 < n ? base64[v & 63] : '=';
    }
    *o = 0;
    return out;
}

/* -EBADMSG unless it is base64 of text; white space in it is no harm, as others may re-indent the document. */
static int base64_decode(const char *s, char **ret) {
    _cleanup_free_ char *out = malloc(strlen(s) / 4 * 3 + 4);
    size_t n = 0, bits = 0, padding = 0;
    uint32_t v = 0;
    if (!out)
        return -ENOMEM;
    for (; *s; s++) {
        if (strchr(" \t\r\n", *s))
            continue;
        const char *digit = *s == '=' ? NULL : strchr(base64, *s);
        if (*s == '=' ? ++padding > 2 : !digit || padding > 0)
            return -EBADMSG;
        v = v << 6 | (digit ? (uint32_t)(digit - base64) : 0);
        bits += 6;
        if (bits < 24)
            continue;
        out[n++] = (char)(v >> 16);
        out[n++] = (char)(v >> 8);
        out[n++] = (char)v;
        v = 0;
        bits = 0;
    }
    if (bits != 0 || padding > n)
        return -EBADMSG;
    n -= padding;
    out[n] = 0;
    if (strlen(out) != n)
        return -EBADMSG;
    *ret = TAKE_PTR(out);
    return 0;
}

/* The text must be one element of this name and nothing else: nobody smuggles anything in through a forged mark. */
static int check_element(const char *text, const char *name) {
    _cleanup_xml_doc_ struct xml_doc xml = {};
    int r = xml_parse(text, strlen(text), &xml, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    bool whole = xml.elems[0].start == 0 && xml.elems[0].end == xml.len;
    return whole && streq(xml_name(&xml, 0), name) && !xml_uri(&xml, 0) ? 0 : -EBADMSG;
}

static int read_length(const char *s, size_t *ret) {
    char *end;
    if (!s)
        return 0;
    if (*s < '0' || *s > '9')
        return -EBADMSG;
    errno = 0;
    unsigned long v = strtoul(s, &end, 10);
    if (errno || *end || v > GUEST_TEXT_MAX)
        return -EBADMSG;
    *ret = v;
    return 0;
}

static int read_wish(const struct guest_doc *d, struct guest_mark *m) {
    const char *wish = xml_attr(&d->xml, d->mark, "wish"), *extension = xml_attr(&d->xml, d->mark, "extension"),
               *mode = xml_attr(&d->xml, d->mark, "mode"), *model = xml_attr(&d->xml, d->mark, "model"),
               *profile = xml_attr(&d->xml, d->mark, "profile"), *without = xml_attr(&d->xml, d->mark, "without");
    int cpu_mode = mode ? cpu_mode_from_string(mode) : CPU_KEEP;

    if (!wish || !extension || cpu_mode < 0 || (!streq(wish, "expose") && !streq(wish, "hide")))
        return -EBADMSG;
    if ((!streq(extension, "vmx") && !streq(extension, "svm")) ||
        (without && without[strspn(without, "abcdefghijklmnopqrstuvwxyz_,")]))
        return -EBADMSG;
    if ((model && !(m->model = strdup(model))) || (profile && !(m->profile = strdup(profile))) ||
        (without && !(m->without = strdup(without))))
        return -ENOMEM;
    m->wish = (struct guest_wish){
        .action = streq(wish, "expose") ? GUEST_EXPOSE : GUEST_HIDE,
        .extension = streq(extension, "vmx") ? EXTENSION_VMX : EXTENSION_SVM,
        .mode = (enum cpu_mode)cpu_mode,
        .model = m->model,
        .profile = m->profile,
        .without = m->without,
        .by_conf = streq_ptr(xml_attr(&d->xml, d->mark, "by"), "nestd.conf"),
    };
    return 0;
}

static int read_was(const struct guest_doc *d, uint32_t elem, struct guest_mark *m) {
    const char *part = xml_attr(&d->xml, elem, "part"), *absent = xml_attr(&d->xml, elem, "absent");
    _cleanup_free_ char *content = NULL;
    size_t region = 0;

    while (region < _REGION_MAX && !streq_ptr(part, regions[region]))
        region++;
    if (region == _REGION_MAX || m->was[region].changed)
        return -EBADMSG;
    struct guest_was *was = &m->was[region];
    was->changed = true;
    was->absent = absent != NULL;
    int r = read_length(absent, &was->gap);
    if (r < 0 || absent)
        return r;
    if ((r = xml_content(&d->xml, elem, &content)) < 0 || (r = base64_decode(content, &was->text)) < 0)
        return r;
    return check_element(was->text, guest_region_name((enum guest_region)region));
}

static int read_metadata(const struct guest_doc *d, struct guest_mark *m) {
    const char *metadata = xml_attr(&d->xml, d->mark, "metadata");
    int r = read_length(xml_attr(&d->xml, d->mark, "metadata-gap"), &m->metadata_gap);
    if (r < 0 || !metadata)
        return r;
    if (streq(metadata, "added")) {
        m->metadata_added = true;
        return 0;
    }
    if ((r = base64_decode(metadata, &m->metadata_text)) < 0)
        return r;
    return check_element(m->metadata_text, "metadata");
}

int guest_mark_read(const struct guest_doc *d, struct guest_mark *ret) {
    _cleanup_guest_mark_ struct guest_mark m = {};
    int r;

    if (d->mark == XML_NONE)
        return -ENOENT;
    if ((r = read_wish(d, &m)) < 0 || (r = read_metadata(d, &m)) < 0 ||
        (r = read_length(xml_attr(&d->xml, d->mark, "gap"), &m.gap)) < 0)
        return r;
    for (uint32_t e = XML_NONE; (e = xml_child(&d->xml, d->mark, GUEST_XMLNS, "was", e)) != XML_NONE;)
        if ((r = read_was(d, e, &m)) < 0)
            return r;
    *ret = m;
    m = (struct guest_mark){};
    return 0;
}

void guest_mark_done(struct guest_mark *m) {
    free(m->model);
    free(m->profile);
    free(m->without);
    free(m->metadata_text);
    FOREACH_ARRAY(was, m->was, _REGION_MAX)
        free(was->text);
    *m = (struct guest_mark){};
}

static bool touched(const struct guest_edits *e, const struct xml_elem *elem) {
    FOREACH_ARRAY(s, e->splices, e->n_splices)
        if (s->at >= elem->start + (s->len == 0) && s->at < elem->end)
            return true;
    return false;
}

/* The <was> children, as text. */
static int write_parts(const struct guest_doc *d, const struct guest_edits *e, const char *gap, FILE *f) {
    for (size_t region = 0; region < _REGION_MAX; region++) {
        uint32_t elem = guest_region(d, (enum guest_region)region);
        if (e->created[region])
            fprintf(f, "%s<nestd:was part='%s' absent='%zu'/>", gap, regions[region], e->gap[region]);
        if (elem == XML_NONE || !touched(e, &d->xml.elems[elem]))
            continue;
        const struct xml_elem *x = &d->xml.elems[elem];
        _cleanup_free_ char *text = base64_encode(d->xml.text + x->start, x->end - x->start);
        if (!text)
            return -ENOMEM;
        fprintf(f, "%s<nestd:was part='%s'>%s</nestd:was>", gap, regions[region], text);
    }
    return 0;
}

int guest_mark_edit(const struct guest_doc *d, const struct guest_wish *w, struct guest_edits *e) {
    static const char *const names[] = {"description", "title", "genid", "uuid", "name", NULL};
    static const char *const nothing[] = {NULL};
    _cleanup_(place_done) struct place outer = {}, inner = {};
    bool empty = d->metadata != XML_NONE && d->xml.elems[d->metadata].empty;
    _cleanup_free_ char *buffer = NULL, *tag = NULL;
    size_t size;

    int r = place_find(d, 0, d->metadata, names, &outer);
    if (r < 0)
        return r;
    /* Like what is in <metadata> already, else one level below it. */
    if (d->metadata != XML_NONE && xml_child(&d->xml, d->metadata, NULL, NULL, XML_NONE) != XML_NONE &&
        (r = place_find(d, d->metadata, XML_NONE, nothing, &inner)) < 0)
        return r;
    const char *gap = inner.gap ? inner.gap : outer.child_gap;
    if (empty) {
        const struct xml_elem *x = &d->xml.elems[d->metadata];
        if (!(tag = base64_encode(d->xml.text + x->start, x->end - x->start)))
            return -ENOMEM;
    }

    FILE *f = open_memstream(&buffer, &size);
    if (!f)
        return -ENOMEM;
    if (d->metadata == XML_NONE)
        fprintf(f, "%s<metadata>", outer.gap);
    fprintf(f, "%s<nestd:" GUEST_MARK " xmlns:nestd='" GUEST_XMLNS "' wish='%s' extension='%s'", gap,
            guest_action_to_string(w->action), extension_to_string(w->extension));
    if (w->mode != CPU_KEEP)
        fprintf(f, " mode='%s'", cpu_mode_to_string(w->mode));
    if (w->model)
        fprintf(f, " model='%s'", w->model);
    if (w->profile)
        fprintf(f, " profile='%s'", w->profile);
    if (w->without)
        fprintf(f, " without='%s'", w->without);
    if (w->by_conf)
        fputs(" by='nestd.conf'", f);
    fprintf(f, " gap='%zu'", strlen(gap));
    if (tag)
        fprintf(f, " metadata='%s'", tag);
    if (d->metadata == XML_NONE)
        fprintf(f, " metadata='added' metadata-gap='%zu'", strlen(outer.gap));
    fputs(">", f);
    if (inner.gap)
        r = write_parts(d, e, inner.child_gap, f);
    else {
        /* two levels below a <metadata> that is made here */
        _cleanup_free_ char *deeper = NULL;
        r = asprintf(&deeper, "%s%s", gap, gap + strlen(outer.gap)) < 0 ? -ENOMEM : write_parts(d, e, deeper, f);
    }
    fprintf(f, "%s</nestd:" GUEST_MARK ">", gap);
    if (d->metadata == XML_NONE)
        fprintf(f, "%s</metadata>", outer.gap);
    if (fclose(f) != 0 || r < 0)
        return r < 0 ? r : -ENOMEM;

    if (d->metadata == XML_NONE)
        edit_replace(e, outer.at, 0, buffer);
    else
        edit_append(e, &d->xml, d->metadata, outer.gap, buffer);
    return 0;
}

/* Removes an element with at most GAP bytes of white space before it. */
static void remove_with_gap(const struct guest_doc *d, uint32_t elem, size_t gap, struct guest_edits *e) {
    const struct xml_elem *x = &d->xml.elems[elem];
    size_t space = xml_space_before(d->xml.text, x->start);
    if (space > gap)
        space = gap;
    edit_replace(e, x->start - space, x->end - x->start + space, "");
}

void guest_mark_remove(const struct guest_doc *d, const struct guest_mark *m, struct guest_edits *e) {
    const struct xml_elem *x = &d->xml.elems[d->metadata];
    const struct xml_elem *mark = &d->xml.elems[d->mark];
    const char *text = d->xml.text;
    /* Is there anything else in <metadata> by now? */
    bool alone = mark->start - xml_space_before(text, mark->start) == x->tag_end &&
                 x->content_end - xml_space_before(text, x->content_end) == mark->end;

    if (alone && m->metadata_added)
        remove_with_gap(d, d->metadata, m->metadata_gap, e);
    else if (alone && m->metadata_text)
        edit_replace(e, x->start, x->end - x->start, m->metadata_text);
    else
        remove_with_gap(d, d->mark, m->gap, e);
}

void guest_mark_restore(const struct guest_doc *d, const struct guest_mark *m, enum guest_region region,
                        struct guest_edits *e) {
    const struct guest_was *was = &m->was[region];
    uint32_t elem = guest_region(d, region);

    if (!was->changed || elem == XML_NONE)
        return;
    const struct xml_elem *x = &d->xml.elems[elem];
    if (was->absent)
        remove_with_gap(d, elem, was->gap, e);
    else
        edit_replace(e, x->start, x->end - x->start, was->text);
}
