/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rewriter on any bytes at all. Beyond not crashing: what it accepts keeps the promises of guest-rewrite.h.
 * The first byte chooses the wish, the rest is the document; or a profile's name up to the end of the line, then the document.
 */
#include "guest-rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok)
        abort();
}

static bool rewrite(const char *text, size_t len, const struct guest_wish *wish, struct guest_result *ret) {
    _cleanup_free_ char *why = NULL;
    int r = guest_rewrite(text, len, wish, ret, &why);
    require(r != -ENOTRECOVERABLE);
    require(r >= 0 || !ret->text);
    return r >= 0;
}

static bool same(const struct guest_result *a, const char *text, size_t len) {
    return a->len == len && memcmp(a->text, text, len) == 0;
}

static bool has_mark(const char *text, size_t len) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    return guest_doc_open(text, len, &d, NULL) >= 0 && d.mark != XML_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const models[] = {NULL, "EPYC"}, *const missing[] = {NULL, "evmcs,synic"};
    static const char *const profiles[] = {NULL, "hyperv", "kvm+viommu", "xen+hugepages+locked", "esxi+numa=0",
                                           "hyperv+viommu+hugepages+locked+numa=1023", "virtualbox", NULL};
    _cleanup_guest_result_ struct guest_result done = {}, again = {}, back = {}, hidden = {};
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1, *profile = profiles[data[0] >> 5];
    size_t len = size - 1;
    _cleanup_free_ char *named = NULL;
    const char *line = data[0] >> 5 == ELEMENTSOF(profiles) - 1 ? memchr(text, '\n', len) : NULL;
    if (line) {
        profile = named = strndup(text, (size_t)(line - text));
        len -= (size_t)(line + 1 - text);
        text = line + 1;
    }
    struct guest_wish wish = {
        .action = data[0] & 1 ? GUEST_HIDE : GUEST_EXPOSE,
        .extension = data[0] & 2 ? EXTENSION_VMX : EXTENSION_SVM,
        .mode = (enum cpu_mode)(data[0] >> 2 & 3),
        .model = models[data[0] >> 4 & 1],
        .profile = data[0] & 1 ? NULL : profile,
        .without = missing[data[0] >> 4 & 1],
    };
    struct guest_wish undo = {GUEST_UNDO}, hide = {GUEST_HIDE, wish.extension};

    if (!rewrite(text, len, &wish, &done)) {
        rewrite(text, len, &undo, &back);
        return 0;
    }
    require(rewrite(done.text, done.len, &wish, &again));
    require(same(&again, done.text, done.len));
    require(rewrite(done.text, done.len, &undo, &back));
    /* A document that came with a mark goes back to before that one. */
    if (!has_mark(text, len))
        require(same(&back, text, len));
    require(rewrite(done.text, done.len, &hide, &hidden));
    return 0;
}
