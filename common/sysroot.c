/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysroot.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "text.h"

int sysroot_open(const char *path, struct sysroot **ret) {
    _cleanup_sysroot_ struct sysroot *root = calloc(1, sizeof(*root));

    if (!root)
        return -ENOMEM;
    root->fd = -EBADF;
    if (!path || streq(path, "/")) {
        root->live = true;
        path = "/";
    }
    if (!(root->path = strdup(path)))
        return -ENOMEM;
    root->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0)
        return -errno;
    /* O_PATH does not ask for permission; find out now rather than as many puzzling -EACCES later. */
    if (faccessat(root->fd, ".", X_OK, AT_EACCESS) < 0)
        return -errno;
    *ret = TAKE_PTR(root);
    return 0;
}

struct sysroot *sysroot_free(struct sysroot *root) {
    if (!root)
        return NULL;
    closep(&root->fd);
    free(root->path);
    free(root);
    return NULL;
}

#define OPEN_TRIES 1000

int sysroot_openat(const struct sysroot *root, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = flags & O_CREAT ? mode : 0, /* openat2 refuses a mode that means nothing */
        .resolve = RESOLVE_IN_ROOT,
    };
    int fd;

    /* The live machine's symlinks lead where they lead, /proc/self included. */
    if (root->live)
        fd = open(path, flags | O_CLOEXEC, mode);
    else
        /* EAGAIN: ".." was resolved while anything at all was renamed on this machine (openat2(2)). */
        for (unsigned i = 0; (fd = syscall(SYS_openat2, root->fd, path, &how, sizeof(how))) < 0 && errno == EAGAIN && i < OPEN_TRIES;)
            i++;
    return fd < 0 ? -errno : fd;
}

int sysroot_opendir(const struct sysroot *root, const char *path, DIR **ret) {
    _cleanup_close_ int fd = sysroot_openat(root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0);
    DIR *dir;

    if (fd < 0)
        return fd;
    if (!(dir = fdopendir(fd)))
        return -errno;
    (void)TAKE_FD(fd);
    *ret = dir;
    return 0;
}

int sysroot_stat(const struct sysroot *root, const char *path, struct stat *ret) {
    _cleanup_close_ int fd = -EBADF;

    if (root->live)
        return stat(path, ret) < 0 ? -errno : 0;
    if ((fd = sysroot_openat(root, path, O_PATH, 0)) < 0)
        return fd;
    return fstat(fd, ret) < 0 ? -errno : 0;
}

int sysroot_readlink(const struct sysroot *root, const char *path, char **ret) {
    _cleanup_close_ int fd = sysroot_openat(root, path, O_PATH | O_NOFOLLOW, 0);
    char target[4096], *copy;
    ssize_t n;

    if (fd < 0)
        return fd;
    if ((n = readlinkat(fd, "", target, sizeof(target))) < 0)
        return errno == ENOENT ? -EINVAL : -errno; /* with an empty path, "not a symlink" is told as ENOENT */
    if (!(copy = strndup(target, n)))
        return -ENOMEM;
    *ret = copy;
    return 0;
}

/* Opened without blocking on a FIFO and without becoming the owner of a terminal. */
static int open_regular(const struct sysroot *root, const char *path, struct stat *ret_st) {
    _cleanup_close_ int fd = sysroot_openat(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0)
        return fd;
    if (fstat(fd, ret_st) < 0)
        return -errno;
    if (!S_ISREG(ret_st->st_mode))
        return S_ISDIR(ret_st->st_mode) ? -EISDIR : -EBADF;
    return TAKE_FD(fd);
}

static ssize_t read_some(int fd, void *buf, size_t size) {
    ssize_t n;

    while ((n = read(fd, buf, size)) < 0)
        if (errno != EINTR)
            return -errno;
    return n;
}

int sysroot_read(const struct sysroot *root, const char *path, size_t max, char **ret, size_t *ret_size) {
    _cleanup_free_ char *buf = NULL;
    _cleanup_close_ int fd = -EBADF;
    size_t size = 0, room = 0;
    struct stat st;

    if ((fd = open_regular(root, path, &st)) < 0)
        return fd;
    if (st.st_size > 0 && (uint64_t)st.st_size > max)
        return -EFBIG;
    for (;;) {
        /* The size of a procfs file reads as 0; one byte more than MAX tells that there is more. */
        if (size == room) {
            size_t want = room ? 2 * room : st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
            char *grown;

            room = want > max ? max + 1 : want;
            if (!(grown = realloc(buf, room + 1)))
                return -ENOMEM;
            buf = grown;
        }
        ssize_t n = read_some(fd, buf + size, room - size);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        size += n;
        if (size > max)
            return -EFBIG;
    }
    buf[size] = '\0';
    *ret = TAKE_PTR(buf);
    if (ret_size)
        *ret_size = size;
    return 0;
}

int sysroot_read_line(const struct sysroot *root, const char *path, char **ret) {
    char buf[4096 + 1];
    _cleanup_close_ int fd = -EBADF;
    size_t size = 0;
    struct stat st;
    char *copy;

    if ((fd = open_regular(root, path, &st)) < 0)
        return fd;
    while (size < sizeof(buf)) {
        ssize_t n = read_some(fd, buf + size, sizeof(buf) - size);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        size += n;
    }
    if (size > 0 && buf[size - 1] == '\n')
        size--;
    if (size > 4095 || memchr(buf, '\0', size) || memchr(buf, '\n', size))
        return -EBADMSG;
    if (!(copy = strndup(buf, size)))
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int lines_open(const struct sysroot *root, const char *path, size_t max, struct lines *ret) {
    struct stat st;
    int fd = open_regular(root, path, &st);

    if (fd < 0)
        return fd;
    if (st.st_size > 0 && (uint64_t)st.st_size > max) {
        close(fd);
        return -EFBIG;
    }
    ret->fd = fd; /* the buffer need not be cleared */
    ret->left = max;
    ret->begin = ret->end = 0;
    ret->eof = ret->skipping = false;
    return 0;
}

static int lines_fill(struct lines *l) {
    size_t room = sizeof(l->buf) - 1 - l->end;
    ssize_t n;

    if (l->left == 0)
        return -EFBIG;
    if ((n = read_some(l->fd, l->buf + l->end, room < l->left ? room : l->left)) < 0)
        return n;
    l->eof = n == 0;
    l->end += n;
    l->left -= n;
    return 0;
}

int lines_next(struct lines *l, char **ret) {
    for (;;) {
        char *line = l->buf + l->begin, *newline = memchr(line, '\n', l->end - l->begin);
        bool skip = l->skipping;
        int r;

        if (newline || (l->eof && l->begin < l->end) || (l->begin == 0 && l->end == sizeof(l->buf) - 1)) {
            size_t length = newline ? (size_t)(newline - line) : l->end - l->begin;

            l->begin = newline ? l->begin + length + 1 : l->end;
            l->skipping = !newline;
            if (skip)
                continue;
            line[length] = '\0';
            *ret = line;
            return 1;
        }
        if (l->eof)
            return 0;
        memmove(l->buf, line, l->end - l->begin);
        l->end -= l->begin;
        l->begin = 0;
        if ((r = lines_fill(l)) < 0)
            return r;
    }
}

void lines_close(struct lines *l) {
    closep(&l->fd);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int sysroot_list(const struct sysroot *root, const char *path, size_t max, char ***ret, size_t *ret_n) {
    _cleanup_closedir_ DIR *dir = NULL;
    char **names = NULL;
    struct dirent *de;
    size_t n = 0;
    int r;

    if ((r = sysroot_opendir(root, path, &dir)) < 0)
        return r;
    while (errno = 0, (de = readdir(dir))) {
        if (de->d_name[0] == '.')
            continue;
        r = n >= max ? -E2BIG : strings_push(&names, &n, strdup(de->d_name));
        if (r < 0)
            goto fail;
    }
    if (errno) {
        r = -errno;
        goto fail;
    }
    if (n > 0)
        qsort(names, n, sizeof(*names), compare_names);
    *ret = names;
    *ret_n = n;
    return 0;
fail:
    strings_free(names, n);
    return r;
}

/* Opens the directory that holds PATH, making it and its parents if MAKE; NAME is PATH's last component. */
static int open_parent(const struct sysroot *root, const char *path, bool make, const char **ret_name) {
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = NULL;
    int fd;

    if (!slash || !slash[1])
        return -EINVAL;
    if (!(parent = slash == path ? strdup("/") : strndup(path, slash - path)))
        return -ENOMEM;
    fd = sysroot_openat(root, parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd == -ENOENT && make && slash != path) {
        const char *name;
        _cleanup_close_ int up = open_parent(root, parent, true, &name);

        if (up < 0)
            return up;
        if (mkdirat(up, name, 0755) < 0 && errno != EEXIST)
            return -errno;
        if (fsync(up) < 0)
            return -errno;
        fd = sysroot_openat(root, parent, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fd >= 0)
        *ret_name = slash + 1;
    return fd;
}

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        data += n;
        size -= n;
    }
    return 0;
}

int sysroot_attributes(const struct sysroot *root, const char *path, struct attributes *ret) {
    struct stat st;
    _cleanup_close_ int fd = open_regular(root, path, &st);

    return fd < 0 ? fd : attributes_read(fd, ret);
}

int sysroot_write_atomic(const struct sysroot *root, const char *path, const void *data, size_t size, mode_t mode) {
    _cleanup_attributes_ struct attributes a = ATTRIBUTES_NEW(mode), old = {};

    if (sysroot_attributes(root, path, &old) >= 0)
        a.xattrs = TAKE_PTR(old.xattrs);
    return sysroot_replace(root, path, data, size, &a);
}

int sysroot_replace(const struct sysroot *root, const char *path, const void *data, size_t size,
                    const struct attributes *attributes) {
    _cleanup_close_ int dir = -EBADF, fd = -EBADF;
    _cleanup_free_ char *temporary = NULL;
    const char *name;
    int r;

    if ((dir = open_parent(root, path, true, &name)) < 0)
        return dir;
    /* A leading dot and no ".conf" at the end: nobody who reads the directory takes it for one of his files. */
    if (!(temporary = text_format(".%s.%d.tmp", name, getpid())))
        return -ENOMEM;
    fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST && unlinkat(dir, temporary, 0) == 0) /* left by one killed with our id */
        fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, data, size);
    if (r == 0)
        r = attributes_apply(fd, attributes);
    if (r == 0 && (fsync(fd) < 0 || renameat(dir, temporary, dir, name) < 0))
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir, temporary, 0);
        return r;
    }
    return fsync(dir) < 0 ? -errno : 0;
}

int sysroot_unlink(const struct sysroot *root, const char *path) {
    const char *name;
    _cleanup_close_ int dir = open_parent(root, path, false, &name);

    if (dir < 0)
        return dir;
    if (unlinkat(dir, name, 0) < 0)
        return -errno;
    return fsync(dir) < 0 ? -errno : 0;
}
