/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * properties OUT <LIST: puts every document through every wish and checks what guest-rewrite.h promises. Documents
 * before and after go to OUT, numbered, for libvirt's schema and libvirt itself to judge (run-corpus).
 *
 * What stays untouched is checked by a scanner of its own, so that the rewriter is not its own judge.
 */
#include <limits.h>
#include <sys/stat.h>

#include "guest-rewrite.h"

struct span {
    size_t start, end;
};

/* Elements by name at a depth (1: children of the root), by counting tags; DOC is well-formed. */
static size_t find_elements(const char *t, size_t len, const char *name, int want, struct span *ret, size_t max) {
    size_t n = 0, name_len = strlen(name);
    int depth = -1;
    size_t open_at = 0;
    bool inside = false;
    for (size_t i = 0; i < len;) {
        if (t[i] != '<') {
            i++;
            continue;
        }
        static const struct {
            const char *open, *close;
        } skip[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};
        bool skipped = false;
        FOREACH_ARRAY(s, skip, ELEMENTSOF(skip))
            if (len - i >= strlen(s->open) && memcmp(t + i, s->open, strlen(s->open)) == 0) {
                const char *end = memmem(t + i, len - i, s->close, strlen(s->close));
                i = end ? (size_t)(end - t) + strlen(s->close) : len;
                skipped = true;
                break;
            }
        if (skipped)
            continue;
        size_t j = i + 1;
        for (char quote = 0; j < len && (quote || t[j] != '>'); j++)
            if (quote ? t[j] == quote : t[j] == '"' || t[j] == '\'')
                quote = quote ? 0 : t[j];
        bool closing = t[i + 1] == '/', empty = t[j - 1] == '/';
        if (!closing)
            depth++;
        const char *tag = t + i + 1 + closing;
        bool match = depth == want && memcmp(tag, name, name_len) == 0 && strchr(" \t\r\n/>", tag[name_len]);
        if (match && !closing) {
            open_at = i;
            inside = true;
        }
        if (closing || empty) {
            if (match && inside && n < max) {
                ret[n++] = (struct span){open_at, j + 1};
                inside = false;
            }
            depth--;
        }
        i = j + 1;
    }
    return n;
}

static size_t cut(char *t, size_t len, const char *name, int depth, bool only_if_empty) {
    struct span s[16];
    size_t n = find_elements(t, len, name, depth, s, ELEMENTSOF(s));
    while (n-- > 0) {
        size_t start = s[n].start;
        if (only_if_empty) {
            const char *body = memchr(t + start, '>', s[n].end - start);
            size_t k = (size_t)(body - t) + 1;
            while (k < s[n].end && strchr(" \t\r\n", t[k]))
                k++;
            if (body[-1] != '/' && memcmp(t + k, "</", 2) != 0)
                continue;
        }
        while (start > 0 && strchr(" \t\r\n", t[start - 1]))
            start--;
        memmove(t + start, t + s[n].end, len - s[n].end);
        len -= s[n].end - start;
    }
    return len;
}

/* What a profile may change: elements by name and depth, or if they are empty but for these. */
static const struct {
    const char *word, *name;
    int depth;
    bool only_if_empty;
} listed[] = {
    {"hyperv", "hyperv", 2, false},      {"hyperv", "features", 1, true},   {"hyperv", "clock", 1, false},
    {"viommu", "ioapic", 2, false},      {"viommu", "features", 1, true},   {"viommu", "iommu", 2, false},
    {"hugepages", "hugepages", 2, false}, {"locked", "locked", 2, false},   {"hugepages", "memoryBacking", 1, true},
    {"locked", "memoryBacking", 1, true}, {"numa", "numatune", 1, false},
};

/* The document without what may change. */
static char *rest(const char *text, size_t len, const char *profile, size_t *ret_len) {
    char *t = malloc(len + 16);
    memcpy(t, text, len);
    memset(t + len, 0, 16);
    len = cut(t, len, "cpu", 1, false);
    FOREACH_ARRAY(l, listed, ELEMENTSOF(listed))
        if (profile && strstr(profile, l->word))
            len = cut(t, len, l->name, l->depth, l->only_if_empty);
    len = cut(t, len, "nestd:nested", 2, false);
    len = cut(t, len, "metadata", 1, true);
    *ret_len = len;
    return t;
}

static int read_file(const char *path, char **ret, size_t *ret_len) {
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    struct stat st;
    if (!f || fstat(fileno(f), &st) < 0)
        return -errno;
    char *text = malloc((size_t)st.st_size + 1);
    *ret_len = fread(text, 1, (size_t)st.st_size, f);
    *ret = text;
    return 0;
}

static void write_file(const char *dir, const char *kind, size_t n, const char *text, size_t len) {
    _cleanup_free_ char *path = NULL;
    if (asprintf(&path, "%s/%s/%06zu.xml", dir, kind, n) < 0)
        abort();
    _cleanup_fclose_ FILE *f = fopen(path, "we");
    if (!f || fwrite(text, 1, len, f) != len) {
        perror(path);
        exit(1);
    }
}

static const struct guest_wish wishes[] = {
    {GUEST_EXPOSE, EXTENSION_SVM},
    {GUEST_EXPOSE, EXTENSION_VMX},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_HOST_PASSTHROUGH},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_HOST_MODEL},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_CUSTOM, "EPYC"},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_KEEP, NULL, "hyperv+locked"},
    {GUEST_EXPOSE, EXTENSION_VMX, CPU_HOST_MODEL, NULL, "hyperv+hugepages+locked+numa=0", "ipi,vpindex"},
    {GUEST_EXPOSE, EXTENSION_VMX, CPU_KEEP, NULL, "hyperv+viommu+hugepages+numa=0+locked"},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_HOST_PASSTHROUGH, NULL, "kvm+viommu+numa=1023"},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_KEEP, NULL, "xen+viommu+locked"},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_KEEP, NULL, "esxi+hugepages"},
    {GUEST_EXPOSE, EXTENSION_SVM, CPU_KEEP, NULL, "virtualbox+numa=1"},
    {GUEST_HIDE, EXTENSION_SVM},
    {GUEST_HIDE, EXTENSION_VMX},
};

static size_t failures, written, accepted, refused, by_wish[ELEMENTSOF(wishes)];

static void broken(const char *path, const struct guest_wish *w, const char *what) {
    printf("# %s: %s %s %s %s: %s\n", path, guest_action_to_string(w->action), extension_to_string(w->extension),
           cpu_mode_to_string(w->mode), strempty(w->profile), what);
    failures++;
}

static enum nest nest(const struct guest_result *r, enum extension extension) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    if (guest_doc_open(r->text, r->len, &d, NULL) < 0)
        return NEST_OPTIONAL;
    return guest_doc_nest(&d, extension);
}

static bool same(const struct guest_result *r, const char *text, size_t len) {
    return r->len == len && memcmp(r->text, text, len) == 0;
}

static void check(const char *out, const char *path, const char *text, size_t len, const struct guest_wish *w) {
    _cleanup_guest_result_ struct guest_result done = {}, again = {}, back = {}, hidden = {};
    struct guest_wish undo = {GUEST_UNDO}, hide = {GUEST_HIDE, w->extension};
    _cleanup_free_ char *why = NULL;

    int r = guest_rewrite(text, len, w, &done, &why);
    if (r < 0) {
        refused++;
        if ((r != -EINVAL && r != -EOPNOTSUPP) || !why || !*why)
            broken(path, w, "refused without a reason");
        return;
    }
    accepted++;
    by_wish[w - wishes]++;
    if (guest_rewrite(done.text, done.len, w, &again, NULL) < 0 || !same(&again, done.text, done.len))
        broken(path, w, "twice is not once");
    if (guest_rewrite(done.text, done.len, &undo, &back, NULL) < 0 || !same(&back, text, len))
        broken(path, w, "undo does not give the original back");
    if (guest_rewrite(done.text, done.len, &hide, &hidden, NULL) < 0 || nest(&hidden, w->extension) != NEST_NO)
        broken(path, w, "hide leaves the extension");
    if (nest(&done, w->extension) != (w->action == GUEST_EXPOSE ? NEST_CONFIGURED : NEST_NO))
        broken(path, w, "not what was wished");
    size_t before_len, after_len;
    _cleanup_free_ char *before = rest(text, len, w->profile, &before_len), *after = rest(done.text, done.len, w->profile, &after_len);
    if (before_len != after_len || memcmp(before, after, before_len) != 0)
        broken(path, w, "something else changed");
    write_file(out, "before", written, text, len);
    write_file(out, "after", written, done.text, done.len);
    write_file(out, "hidden", written, hidden.text, hidden.len);
    printf("# %06zu %s %s %s %s\n", written++, guest_action_to_string(w->action),
           extension_to_string(w->extension), cpu_mode_to_string(w->mode), path);
}

int main(int argc, char **argv) {
    char path[PATH_MAX];
    size_t documents = 0;
    while (fgets(path, sizeof(path), stdin)) {
        _cleanup_free_ char *text = NULL;
        size_t len = 0;
        path[strcspn(path, "\n")] = 0;
        int r = read_file(path, &text, &len);
        if (r < 0) {
            printf("# %s: %s\n", path, strerror(-r));
            return 1;
        }
        documents++;
        FOREACH_ARRAY(w, wishes, ELEMENTSOF(wishes))
            check(argv[1], path, text, len, w);
    }
    printf("# %zu documents, %zu rewritten, %zu refused, %zu broken promises\n", documents, accepted, refused, failures);
    FOREACH_ARRAY(n, by_wish, ELEMENTSOF(by_wish))
        if (*n < 10) {
            printf("# wish %zu was fulfilled for %zu documents only\n", (size_t)(n - by_wish), *n);
            failures++;
        }
    return failures > 0 || accepted < 1000;
}
