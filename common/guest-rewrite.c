/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-cpu.h"
#include "guest-mark.h"
#include "guest-profile.h"

const char *guest_action_to_string(enum guest_action a) {
    static const char *const names[] = {[GUEST_EXPOSE] = "expose", [GUEST_HIDE] = "hide", [GUEST_UNDO] = "undo"};
    return names[a];
}

/* Who asked for it does not matter. */
static bool wish_equal(const struct guest_wish *a, const struct guest_wish *b) {
    return a->action == b->action && a->extension == b->extension && a->mode == b->mode &&
           streq_ptr(a->model, b->model) && streq_ptr(a->profile, b->profile) &&
           streq_ptr(a->without, b->without);
}

/* What libvirt writes out by itself where the document did not say (virCPUDefFormatBufFull, virDomainNumaDefFormatXML, and of newer ones qemuDomainIOMMUDefPostParse):
 * having these more than we wrote is not somebody's change. */
static bool libvirt_default(const char *attr) {
    static const char *const names[] = {"check", "migratable", "match", "fallback", "dies", "id", "unit", "mode", "eim"};
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (streq(attr, names[i]))
            return true;
    return false;
}

static const char *pooled(const struct xml_doc *xml, uint32_t at) {
    return at == XML_NONE ? NULL : xml->pool + at;
}

/* Does NOW have the attributes of WROTE, and no others but libvirt's defaults? */
static bool same_attrs(const struct xml_doc *now, uint32_t n, const struct xml_doc *wrote, uint32_t w) {
    const struct xml_elem *en = &now->elems[n], *ew = &wrote->elems[w];
    for (uint32_t i = 0; i < ew->n_attrs; i++) {
        const struct xml_attr *a = &wrote->attrs[ew->attrs + i];
        if (!streq_ptr(xml_attr(now, n, pooled(wrote, a->name)), pooled(wrote, a->value)))
            return false;
    }
    for (uint32_t i = 0; i < en->n_attrs; i++) {
        const char *name = pooled(now, now->attrs[en->attrs + i].name);
        if (!xml_attr(wrote, w, name) && !libvirt_default(name))
            return false;
    }
    return true;
}

#define COMPARE_MAX 3000

static size_t descendants(const struct xml_doc *xml, uint32_t elem) {
    uint32_t last = elem + 1;
    while (last < xml->n_elems && xml->elems[last].start < xml->elems[elem].end)
        last++;
    return last - elem - 1;
}

/* The Nth child of this name and namespace. */
static uint32_t nth_child(const struct xml_doc *xml, uint32_t parent, const char *uri, const char *name, size_t n) {
    uint32_t e = XML_NONE;
    do
        e = xml_child(xml, parent, uri, name, e);
    while (e != XML_NONE && n-- > 0);
    return e;
}

/* Do both elements mean the same to libvirt? The order of children with different names does not matter, white space
 * and comments do not, nor do quotes. Depth is bounded by the parser. */
static bool same_element(const struct xml_doc *now, uint32_t n, const struct xml_doc *wrote, uint32_t w) {
    if (n == XML_NONE || w == XML_NONE)
        return n == w;
    /* Comparing takes time squared: what no sane document reaches counts as changed. */
    if (descendants(now, n) > COMPARE_MAX || descendants(wrote, w) > COMPARE_MAX)
        return false;
    _cleanup_free_ char *a = NULL, *b = NULL;
    if (!same_attrs(now, n, wrote, w) || xml_content(now, n, &a) < 0 || xml_content(wrote, w, &b) < 0)
        return false;
    bool leaf = xml_child(wrote, w, NULL, NULL, XML_NONE) == XML_NONE;
    if (leaf && !streq(a, b))
        return false;
    size_t children = 0;
    for (uint32_t c = w + 1; c < wrote->n_elems && wrote->elems[c].start < wrote->elems[w].end; c++) {
        if (wrote->elems[c].parent != w)
            continue;
        size_t nth = 0;
        for (uint32_t d = w + 1; d < c; d++)
            nth += wrote->elems[d].parent == w && streq(xml_name(wrote, d), xml_name(wrote, c)) &&
                   streq_ptr(xml_uri(wrote, d), xml_uri(wrote, c));
        uint32_t other = nth_child(now, n, xml_uri(wrote, c), xml_name(wrote, c), nth);
        if (other == XML_NONE || !same_element(now, other, wrote, c))
            return false;
        children++;
    }
    size_t now_children = 0;
    for (uint32_t c = n + 1; c < now->n_elems && now->elems[c].start < now->elems[n].end; c++)
        now_children += now->elems[c].parent == n;
    return children == now_children;
}

static int splice(const struct guest_doc *d, struct guest_edits *e, char **ret, size_t *ret_len, char **why) {
    if (e->failed)
        return -ENOMEM;
    edits_sort(e);
    int r = guest_text_splice(&d->text, e->splices, e->n_splices, ret, ret_len);
    if (r == -EILSEQ)
        return refuse(why, r, "the document's encoding cannot express what is to be written into it");
    return r;
}

/* The wish, fulfilled on a document without mark. */
static int apply(const struct guest_doc *d, const struct guest_wish *w, struct guest_result *ret, char **why) {
    _cleanup_guest_edits_ struct guest_edits e = {};
    _cleanup_guest_result_ struct guest_result result = {};

    int r = guest_cpu_edit(d, w, &e, why);
    if (r >= 0 && w->action == GUEST_EXPOSE)
        r = guest_profile_edit(d, w, &e, why);
    if (r < 0)
        return r;
    /* A guest that is exposed already gets the mark as well: it says that somebody chose it. */
    if ((w->action == GUEST_EXPOSE || e.n_splices > 0) && (r = guest_mark_edit(d, w, &e)) < 0)
        return r;
    if ((r = splice(d, &e, &result.text, &result.len, why)) < 0)
        return r;
    if ((r = notes_append(&result.notes, &e)) < 0)
        return r;
    *ret = result;
    result = (struct guest_result){};
    return 0;
}

/* Which parts are as MARK's wish left them: ORIGINAL is put through the wish again and compared. */
static int unchanged_since(const struct guest_doc *d, const struct guest_mark *m, const struct guest_doc *original,
                           bool ret[static _REGION_MAX]) {
    _cleanup_guest_result_ struct guest_result again = {};
    _cleanup_guest_doc_ struct guest_doc wrote = {};
    bool same[_REGION_MAX] = {};

    int r = apply(original, &m->wish, &again, NULL);
    if (r >= 0)
        r = guest_doc_open(again.text, again.len, &wrote, NULL);
    if (r == -ENOMEM)
        return r;
    for (size_t i = 0; i < _REGION_MAX; i++)
        same[i] = r >= 0 && (!m->was[i].changed ||
                             same_element(&d->xml, guest_region(d, (enum guest_region)i), &wrote.xml,
                                          guest_region(&wrote, (enum guest_region)i)));
    memcpy(ret, same, sizeof(same));
    return 0;
}

/* Takes the mark's wish back. *ret_clean: nobody had changed anything, so the original is back as it was. */
static int undo(const struct guest_doc *d, const struct guest_mark *m, struct guest_result *ret, bool *ret_clean,
                char **why) {
    _cleanup_guest_edits_ struct guest_edits all = {}, some = {};
    _cleanup_guest_result_ struct guest_result result = {};
    _cleanup_guest_doc_ struct guest_doc original = {};
    bool same[_REGION_MAX], clean = true;

    for (size_t i = 0; i < _REGION_MAX; i++)
        guest_mark_restore(d, m, (enum guest_region)i, &all);
    guest_mark_remove(d, m, &all);
    int r = splice(d, &all, &result.text, &result.len, why);
    if (r < 0)
        return r;
    if ((r = guest_doc_open(result.text, result.len, &original, NULL)) < 0)
        return r == -ENOMEM ? r
                            : refuse(why, -EINVAL, "nestd's element in <metadata> does not give a valid document back: "
                                                   "remove it by hand");
    if ((r = unchanged_since(d, m, &original, same)) < 0)
        return r;
    for (size_t i = 0; i < _REGION_MAX; i++)
        clean = clean && same[i];
    if (!clean) {
        for (size_t i = 0; i < _REGION_MAX; i++) {
            enum guest_region region = (enum guest_region)i;
            if (same[i])
                guest_mark_restore(d, m, region, &some);
            else if (region == REGION_CPU)
                guest_cpu_revert(d, &original, &m->wish, &some);
            else if (m->was[i].changed)
                edit_note(&some, "<%s> was changed by somebody else since and stays as it is", guest_region_name(region));
        }
        guest_mark_remove(d, m, &some);
        char *text;
        size_t len;
        if ((r = splice(d, &some, &text, &len, why)) < 0)
            return r;
        guest_doc_done(&original); /* refers to the text */
        free(result.text);
        result.text = text;
        result.len = len;
        if ((r = notes_append(&result.notes, &some)) < 0)
            return r;
    }
    *ret_clean = clean;
    *ret = result;
    result = (struct guest_result){};
    return 0;
}

/* Does the document say what is wished? */
static bool fulfilled(const struct guest_doc *d, const struct guest_wish *w) {
    switch (w->action) {
    case GUEST_EXPOSE:
        return guest_doc_nest(d, w->extension) == NEST_CONFIGURED;
    case GUEST_HIDE:
        return guest_doc_nest(d, w->extension) == NEST_NO;
    case GUEST_UNDO:
        break;
    }
    return d->mark == XML_NONE;
}

/* Reads the result as libvirt would and checks that it says what was wished. */
static int verify(const struct guest_result *result, const struct guest_wish *w, char **why) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    int r = guest_doc_open(result->text, result->len, &d, NULL);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || !fulfilled(&d, w))
        return refuse(why, -ENOTRECOVERABLE, "the rewritten document does not say what was wished, so it was discarded: "
                                             "please report this with the document");
    return 0;
}

static int unchanged(const char *raw, size_t len, const char *note, struct guest_result *ret) {
    _cleanup_guest_edits_ struct guest_edits e = {};
    struct guest_result result = {.len = len, .text = malloc(len + 1)};
    if (!result.text)
        return -ENOMEM;
    memcpy(result.text, raw, len);
    result.text[len] = 0;
    edit_note(&e, "%s", note);
    int r = notes_append(&result.notes, &e);
    if (r < 0) {
        guest_result_done(&result);
        return r;
    }
    *ret = result;
    return 0;
}

/* Another wish on a document with a mark: from the original, so that wishes do not pile up. */
static int apply_again(const char *raw, size_t len, const struct guest_doc *d, const struct guest_mark *m,
                       const struct guest_wish *w, struct guest_result *ret, char **why) {
    _cleanup_guest_result_ struct guest_result base = {}, result = {};
    _cleanup_guest_doc_ struct guest_doc original = {};
    bool clean;

    int r = undo(d, m, &base, &clean, why);
    if (r < 0)
        return r;
    if (clean && wish_equal(&m->wish, w) && fulfilled(d, w))
        return unchanged(raw, len, "already so", ret);
    if ((r = guest_doc_open(base.text, base.len, &original, why)) < 0 ||
        (r = apply(&original, w, &result, why)) < 0)
        return r;
    *ret = result;
    result = (struct guest_result){};
    return 0;
}

int guest_rewrite(const char *raw, size_t len, const struct guest_wish *w, struct guest_result *ret,
                  char **ret_why) {
    _cleanup_guest_result_ struct guest_result result = {};
    _cleanup_guest_mark_ struct guest_mark mark = {};
    _cleanup_guest_doc_ struct guest_doc d = {};
    bool clean;

    int r = guest_doc_open(raw, len, &d, ret_why);
    if (r < 0)
        return r;
    if (w->action != GUEST_UNDO && w->extension == EXTENSION_NONE)
        return refuse(ret_why, -EOPNOTSUPP, "this host has neither vmx nor svm: say which one with --extension");
    int marked = guest_mark_read(&d, &mark);
    if (marked == -EBADMSG)
        return refuse(ret_why, -EINVAL, "nestd's element in <metadata> is damaged: remove it by hand");
    if (marked < 0 && marked != -ENOENT)
        return marked;

    if (w->action != GUEST_UNDO)
        r = marked >= 0 ? apply_again(raw, len, &d, &mark, w, &result, ret_why) : apply(&d, w, &result, ret_why);
    else if (marked >= 0)
        r = undo(&d, &mark, &result, &clean, ret_why);
    else
        r = unchanged(raw, len, "nestd has changed nothing in this document", &result);
    if (r < 0 || (r = verify(&result, w, ret_why)) < 0)
        return r;
    result.changed = result.len != len || memcmp(result.text, raw, len) != 0;
    *ret = result;
    result = (struct guest_result){};
    return 0;
}

void guest_result_done(struct guest_result *result) {
    free(result->text);
    strv_free(result->notes);
    *result = (struct guest_result){};
}
