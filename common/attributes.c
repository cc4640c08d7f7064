/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attributes.h"

#include <sys/xattr.h>

#include "text.h"

#define XATTRS_MAX (64 * 1024) /* XATTR_LIST_MAX, and enough for all values together */

struct xattr {
    char *name, *value;
    size_t size;
};

struct xattrs {
    struct xattr *list;
    size_t n, total;
};

static void xattrs_done(struct xattrs *x) {
    FOREACH_ARRAY(a, x->list, x->n) {
        free(a->name);
        free(a->value);
    }
    free(x->list);
    *x = (struct xattrs){};
}
#define _cleanup_xattrs_ _cleanup_(xattrs_done)

static const struct xattr *find(const struct xattrs *x, const char *name) {
    FOREACH_ARRAY(a, x->list, x->n)
        if (streq(a->name, name))
            return a;
    return NULL;
}

/* Takes NAME and VALUE over, also when it fails. */
static int add(struct xattrs *x, char *name, char *value, size_t size) {
    if (!name || !value || list_grow(&x->list, x->n, sizeof(*x->list)) < 0) {
        free(name);
        free(value);
        return -ENOMEM;
    }
    x->list[x->n++] = (struct xattr){name, value, size};
    x->total += strlen(name) + size;
    return x->total > XATTRS_MAX ? -E2BIG : 0;
}

static bool is_computed(const char *name) {
    return streq(name, "security.ima") || streq(name, "security.evm");
}

static int read_one(int fd, const char *name, struct xattrs *x) {
    _cleanup_free_ char *value = malloc(XATTRS_MAX + 1);
    ssize_t size;

    if (!value)
        return -ENOMEM;
    if ((size = fgetxattr(fd, name, value, XATTRS_MAX)) < 0)
        return errno == ENODATA ? 0 : -errno; /* taken away meanwhile */
    char *fitting = realloc(value, size + 1);
    if (!fitting)
        return -ENOMEM;
    (void)TAKE_PTR(value);
    return add(x, strdup(name), fitting, size);
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct xattr *)a)->name, ((const struct xattr *)b)->name);
}

static int read_all(int fd, struct xattrs *ret) {
    _cleanup_xattrs_ struct xattrs x = {};
    _cleanup_free_ char *names = malloc(XATTRS_MAX);
    ssize_t n;
    int r = 0;

    if (!names)
        return -ENOMEM;
    if ((n = flistxattr(fd, names, XATTRS_MAX)) < 0 && errno != ENOTSUP)
        return errno == ERANGE ? -E2BIG : -errno;
    for (const char *name = names; n > 0 && name < names + n && r >= 0; name += strlen(name) + 1)
        if (!is_computed(name))
            r = read_one(fd, name, &x);
    if (r < 0)
        return r;
    if (x.n > 0)
        qsort(x.list, x.n, sizeof(*x.list), compare);
    *ret = x;
    x = (struct xattrs){};
    return 0;
}

static void put_hex(FILE *f, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        fprintf(f, "%02x", (unsigned char)data[i]);
}

static int format(const struct xattrs *x, char **ret) {
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return -ENOMEM;
    FOREACH_ARRAY(a, x->list, x->n) {
        put_hex(f, a->name, strlen(a->name));
        fputc('=', f);
        put_hex(f, a->value, a->size);
        fputc('\n', f);
    }
    if (fclose(f) != 0)
        return -ENOMEM;
    *ret = TAKE_PTR(text);
    return 0;
}

/* As many bytes as there are pairs of digits, and a NUL. NULL: -ENOMEM. */
static char *take_hex(const char **s, size_t *ret_size) {
    size_t n = strspn(*s, "0123456789abcdef") / 2;
    char *data = malloc(n + 1);

    for (size_t i = 0; data && i < n; i++) {
        unsigned byte = 0;
        sscanf(*s + 2 * i, "%2x", &byte);
        data[i] = (char)byte;
    }
    if (data)
        data[n] = '\0';
    *s += 2 * n;
    *ret_size = n;
    return data;
}

static int parse(const char *text, struct xattrs *ret) {
    _cleanup_xattrs_ struct xattrs x = {};
    int r;

    while (*text) {
        size_t n, size = 0;
        char *name = take_hex(&text, &n), *value = *text == '=' ? (text++, take_hex(&text, &size)) : strdup("");

        if ((r = add(&x, name, value, size)) < 0)
            return r;
        if (n == 0 || *text++ != '\n')
            return -EBADMSG;
    }
    *ret = x;
    x = (struct xattrs){};
    return 0;
}

int attributes_read(int fd, struct attributes *ret) {
    _cleanup_xattrs_ struct xattrs x = {};
    struct stat st;
    char *text;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if ((r = read_all(fd, &x)) < 0 || (r = format(&x, &text)) < 0)
        return r;
    *ret = (struct attributes){.mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid, .xattrs = text};
    return 0;
}

/* The label of a new file comes from the security module's own rules, as those of the old one did. */
static int check(int result, const char *name) {
    if (result == 0 || errno == ENOTSUP || errno == ENODATA)
        return 0;
    return startswith(name, "security.") && (errno == EPERM || errno == EACCES) ? 0 : -errno;
}

static int apply_xattrs(int fd, const char *text) {
    _cleanup_xattrs_ struct xattrs want = {}, have = {};
    int r;

    if ((r = parse(text, &want)) < 0 || (r = read_all(fd, &have)) < 0)
        return r;
    /* A directory's default ACL has become the new file's. */
    FOREACH_ARRAY(a, have.list, have.n)
        if (!find(&want, a->name) && (r = check(fremovexattr(fd, a->name), a->name)) < 0)
            return r;
    FOREACH_ARRAY(a, want.list, want.n) {
        const struct xattr *is = find(&have, a->name);

        if (is && is->size == a->size && memcmp(is->value, a->value, a->size) == 0)
            continue;
        if ((r = check(fsetxattr(fd, a->name, a->value, a->size, 0), a->name)) < 0)
            return r;
    }
    return 0;
}

int attributes_apply(int fd, const struct attributes *a) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    bool other = (a->uid != (uid_t)-1 && a->uid != st.st_uid) || (a->gid != (gid_t)-1 && a->gid != st.st_gid);
    /* In this order: a new owner takes bits of the mode away, and an ACL says the same of the group as the mode. */
    if ((other && fchown(fd, a->uid, a->gid) < 0) || fchmod(fd, a->mode) < 0)
        return -errno;
    return a->xattrs ? apply_xattrs(fd, a->xattrs) : 0;
}

bool attributes_equal(const struct attributes *a, const struct attributes *b) {
    return a->mode == b->mode && (a->uid == b->uid || a->uid == (uid_t)-1 || b->uid == (uid_t)-1) &&
           (a->gid == b->gid || a->gid == (gid_t)-1 || b->gid == (gid_t)-1) &&
           (!a->xattrs || !b->xattrs || streq(a->xattrs, b->xattrs));
}

int attributes_copy(const struct attributes *from, struct attributes *ret) {
    struct attributes a = *from;

    if (from->xattrs && !(a.xattrs = strdup(from->xattrs)))
        return -ENOMEM;
    *ret = a;
    return 0;
}

void attributes_done(struct attributes *a) {
    free(a->xattrs);
    *a = (struct attributes){};
}
