/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tar.h"

enum { BLOCK = 512 };

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "ustar header");

static int write_all(struct tar *tar, const void *data, size_t size) {
    const char *p = data;

    while (size > 0) {
        ssize_t n = write(tar->fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= n;
        tar->size += n;
    }
    return 0;
}

/* Octal digits and a NUL; what does not fit is cut to the largest that does. */
static void put_octal(char *field, size_t size, uint64_t value) {
    uint64_t most = (UINT64_C(1) << (3 * (size - 1))) - 1;

    snprintf(field, size, "%0*llo", (int)size - 1, (unsigned long long)(value < most ? value : most));
}

/* A path of more than 100 bytes is split at a '/' into prefix and name. */
static int put_path(struct header *h, const char *path) {
    size_t length = strlen(path);
    const char *cut = path;

    if (length <= sizeof(h->name)) {
        memcpy(h->name, path, length);
        return 0;
    }
    while ((cut = strchr(cut + 1, '/')) && (size_t)(cut - path) <= sizeof(h->prefix)) {
        size_t rest = length - (cut + 1 - path);

        if (rest > sizeof(h->name))
            continue;
        memcpy(h->prefix, path, cut - path);
        memcpy(h->name, cut + 1, rest);
        return 0;
    }
    return -ENAMETOOLONG;
}

static void put_checksum(struct header *h) {
    unsigned sum = 0;

    memset(h->checksum, ' ', sizeof(h->checksum));
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += ((unsigned char *)h)[i];
    put_octal(h->checksum, sizeof(h->checksum) - 1, sum);
}

static int type_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return '0';
    case S_IFLNK:
        return '2';
    case S_IFDIR:
        return '5';
    default:
        return -EINVAL;
    }
}

int tar_add(struct tar *tar, const char *path, const struct stat *st, const char *link, const void *data, size_t size) {
    static const char zeros[BLOCK];
    struct header h = {};
    int type = type_of(st->st_mode), r;

    if (type < 0)
        return type;
    r = put_path(&h, path);
    if (r < 0)
        return r;
    if (strlen(strempty(link)) > sizeof(h.link))
        return -ENAMETOOLONG;
    memcpy(h.link, strempty(link), strlen(strempty(link)));
    put_octal(h.mode, sizeof(h.mode), st->st_mode & 07777);
    put_octal(h.uid, sizeof(h.uid), st->st_uid);
    put_octal(h.gid, sizeof(h.gid), st->st_gid);
    put_octal(h.size, sizeof(h.size), size);
    put_octal(h.mtime, sizeof(h.mtime), tar->mtime);
    h.type = type;
    memcpy(h.magic, "ustar", 6);
    memcpy(h.version, "00", 2);
    put_checksum(&h);
    r = write_all(tar, &h, sizeof(h));
    if (r >= 0)
        r = write_all(tar, data, size);
    if (r >= 0 && size % BLOCK)
        r = write_all(tar, zeros, BLOCK - size % BLOCK);
    if (r >= 0)
        tar->n_members++;
    return r;
}

int tar_end(struct tar *tar) {
    static const char zeros[2 * BLOCK];

    return write_all(tar, zeros, sizeof(zeros));
}
