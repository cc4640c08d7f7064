/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-mark.h"
#include "guest-place.h"
#include "guest-setting.h"

struct writer {
    const struct guest_doc *d;
    struct guest_edits *e;
    const struct guest_want *wants;
    size_t n;
    enum guest_region region;
};

/* A path's last component: an element's name, and an attribute that it is told by. */
struct component {
    char name[32], attr[16], value[32];
};

static struct component component_of(const struct writer *w, const char *path, size_t len) {
    struct component c = {};
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (len == 0)
        snprintf(c.name, sizeof(c.name), "%s", guest_region_name(w->region));
    else {
        char text[80];
        snprintf(text, sizeof(text), "%.*s", (int)(len - start), path + start);
        sscanf(text, "%31[^ ] %15[^=]=%31s", c.name, c.attr, c.value);
    }
    return c;
}

static uint32_t find_child(const struct writer *w, uint32_t parent, const struct component *c) {
    uint32_t e = XML_NONE;
    if (parent == XML_NONE)
        return XML_NONE;
    do
        e = xml_child(&w->d->xml, parent, NULL, c->name, e);
    while (e != XML_NONE && *c->attr && !streq_ptr(xml_attr(&w->d->xml, e, c->attr), c->value));
    return e;
}

/* Is this want's element the one at PATH? */
static bool is_at(const struct writer *w, const struct guest_want *want, const char *path, size_t len) {
    return want->setting->region == w->region && strlen(want->setting->path) == len &&
           memcmp(want->setting->path, path, len) == 0;
}

/* How much of this want's path names a child of the element at PATH: 0 if it is none of its descendants. */
static size_t child_length(const struct writer *w, const struct guest_want *want, const char *path, size_t len) {
    const char *own = want->setting->path;
    if (want->setting->region != w->region || strlen(own) <= len || memcmp(own, path, len) != 0)
        return 0;
    size_t start = len > 0 ? len + 1 : 0;
    if (len > 0 && own[len] != '/')
        return 0;
    return start + strcspn(own + start, "/");
}

static void note(struct writer *w, const struct component *c, const struct guest_want *want) {
    const struct guest_setting *s = want->setting;
    edit_note(w->e, s->attr ? "<%s %s='%s'>: %s" : "<%s>%.0s%.0s: %s", c->name, strempty(s->attr), strempty(want->value),
              s->reason);
}

static char *element(struct writer *w, const char *path, size_t len, uint32_t elem, const char *gap, const char *unit);

/* What is to be appended to the element at PATH, which is PARENT, or is being made. */
static char *children(struct writer *w, const char *path, size_t len, uint32_t parent, const char *gap, const char *unit) {
    char *all = NULL;
    FOREACH_ARRAY(want, w->wants, w->n) {
        size_t child = child_length(w, want, path, len);
        bool done = false;
        for (const struct guest_want *other = w->wants; other < want && !done; other++)
            done = child_length(w, other, path, len) == child && memcmp(other->setting->path, want->setting->path, child) == 0;
        if (child == 0 || done)
            continue;
        struct component c = component_of(w, want->setting->path, child);
        _cleanup_free_ char *before = all;
        _cleanup_free_ char *text = element(w, want->setting->path, child, find_child(w, parent, &c), gap, unit);
        if (asprintf(&all, "%s%s", strempty(before), strempty(text)) < 0) {
            all = NULL;
            w->e->failed = true;
        }
    }
    return all;
}

static void change_element(struct writer *w, const char *path, size_t len, uint32_t elem, const char *unit) {
    static const char *const nothing[] = {NULL};
    _cleanup_(place_done) struct place own = {}, inner = {};
    const struct xml_doc *xml = &w->d->xml;
    struct component c = component_of(w, path, len);
    bool leaf = xml_child(xml, elem, NULL, NULL, XML_NONE) == XML_NONE;

    if (place_find(w->d, xml->elems[elem].parent, elem, nothing, &own) < 0 ||
        (!leaf && place_find(w->d, elem, XML_NONE, nothing, &inner) < 0)) {
        w->e->failed = true;
        return;
    }
    FOREACH_ARRAY(want, w->wants, w->n) {
        const struct guest_setting *s = want->setting;
        if (!is_at(w, want, path, len) || !s->attr)
            continue;
        const char *have = xml_attr(xml, elem, s->attr);
        if (streq_ptr(have, want->value) || (have && s->keep))
            continue;
        edit_set_attr(w->e, xml, elem, s->attr, want->value);
        note(w, &c, want);
    }
    _cleanup_free_ char *text = children(w, path, len, elem, leaf ? own.child_gap : inner.gap, unit);
    if (text && *text)
        edit_append(w->e, xml, elem, own.gap, text);
}

/* The text of an element that is not there. */
static char *make_element(struct writer *w, const char *path, size_t len, const char *gap, const char *unit) {
    struct component c = component_of(w, path, len);
    _cleanup_free_ char *deeper = NULL, *inside = NULL;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f || asprintf(&deeper, "%s%s", gap, unit) < 0) {
        deeper = NULL;
        w->e->failed = true;
        if (f)
            fclose(f);
        free(text);
        return NULL;
    }
    fprintf(f, "%s<%s", gap, c.name);
    if (*c.attr)
        fprintf(f, " %s='%s'", c.attr, c.value);
    FOREACH_ARRAY(want, w->wants, w->n) {
        if (!is_at(w, want, path, len))
            continue;
        if (want->setting->attr)
            fprintf(f, " %s='%s'", want->setting->attr, want->value);
        note(w, &c, want);
    }
    inside = children(w, path, len, XML_NONE, deeper, unit);
    if (inside)
        fprintf(f, ">%s%s</%s>", inside, gap, c.name);
    else
        fputs("/>", f);
    if (fclose(f) != 0)
        w->e->failed = true;
    return text;
}

/* Edits the element at PATH if it is there (ELEM), else returns its text with GAP before it. */
static char *element(struct writer *w, const char *path, size_t len, uint32_t elem, const char *gap, const char *unit) {
    if (elem == XML_NONE)
        return make_element(w, path, len, gap, unit);
    change_element(w, path, len, elem, unit);
    return NULL;
}

/* Where libvirt would write it: after the first of these that is there. */
static const char *const *siblings(enum guest_region region) {
    static const char *const after[_REGION_MAX][8] = {
        [REGION_FEATURES] = {"iothreadids", "os", "vcpu", "memory", "name"},
        [REGION_MEMORY_BACKING] = {"currentMemory", "memory", "maxMemory", "metadata", "description", "uuid", "name"},
        [REGION_NUMATUNE] = {"cputune", "iothreads", "vcpu", "memoryBacking", "currentMemory", "memory"},
        [REGION_CLOCK] = {"cpu", "features", "os", "vcpu", "memory", "name"},
        [REGION_IOMMU] = {"shmem", "panic", "rng", "memballoon", "watchdog", "video"},
    };
    return after[region];
}

static int edit_region(struct writer *w) {
    const char *path = guest_region_path(w->region), *slash = strchr(path, '/');
    uint32_t elem = guest_region(w->d, w->region), parent = 0;
    _cleanup_(place_done) struct place place = {};
    _cleanup_free_ char *text = NULL;

    if (slash)
        parent = xml_find(&w->d->xml, 0, "devices");
    int r = place_find(w->d, parent, elem, siblings(w->region), &place);
    if (r < 0)
        return r;
    const char *unit = place.child_gap + strlen(place.gap);
    text = element(w, "", 0, elem, place.gap, unit);
    if (elem == XML_NONE && text)
        edit_create(w->e, w->region, place.at, place.gap, text + strlen(place.gap));
    return 0;
}

int guest_settings_edit(const struct guest_doc *d, const struct guest_want *wants, size_t n, struct guest_edits *e) {
    struct writer w = {.d = d, .e = e, .wants = wants, .n = n};
    for (size_t region = 0; region < _REGION_MAX; region++) {
        bool wanted = false;
        FOREACH_ARRAY(want, wants, n)
            wanted = wanted || want->setting->region == region;
        w.region = (enum guest_region)region;
        int r = wanted ? edit_region(&w) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}
