/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every read and write of the machine goes through a sysroot, so that any host can be studied, and every change
 * tested, in a directory. All paths are absolute inside the sysroot; symlinks never lead out of it (openat2 with
 * RESOLVE_IN_ROOT) unless it is the live machine's "/". */
#pragma once

#include <sys/stat.h>
#include "attributes.h"

struct sysroot {
    int fd;     /* O_PATH directory */
    bool live;  /* the running machine: modules may be loaded, devices opened, libvirt asked */
    char *path; /* as given, for messages */
};

/* PATH NULL or "/" is the live machine. -ENOENT, -ENOTDIR, -EACCES, -ELOOP. */
int sysroot_open(const char *path, struct sysroot **ret);
struct sysroot *sysroot_free(struct sysroot *root);
DEFINE_CLEANUP(struct sysroot *, sysroot_free)
#define _cleanup_sysroot_ _cleanup_(sysroot_freep)

/* The whole of a regular file (or a procfs/sysfs attribute), NUL-terminated beyond its size; never blocks on a FIFO
 * or device. More than MAX bytes: -EFBIG. Not a regular file: -EISDIR or -EBADF. The caller frees. */
int sysroot_read(const struct sysroot *root, const char *path, size_t max, char **ret, size_t *ret_size);
/* A one-line attribute without its newline; embedded NULs and over 4095 bytes: -EBADMSG. */
int sysroot_read_line(const struct sysroot *root, const char *path, char **ret);
/* A file descriptor with these open(2) flags (O_CLOEXEC is added). */
int sysroot_openat(const struct sysroot *root, const char *path, int flags, mode_t mode);
int sysroot_opendir(const struct sysroot *root, const char *path, DIR **ret);
int sysroot_stat(const struct sysroot *root, const char *path, struct stat *ret);
int sysroot_readlink(const struct sysroot *root, const char *path, char **ret);
/* The sorted names in a directory, without those that begin with '.'; more than MAX: -E2BIG. */
int sysroot_list(const struct sysroot *root, const char *path, size_t max, char ***ret, size_t *ret_n);

/* A text file of any size, line by line, in bounded memory: for what may be large, such as /proc/cpuinfo. */
struct lines {
    int fd;
    size_t left;        /* of MAX */
    size_t begin, end;  /* of what is read and not handed out yet */
    bool eof, skipping; /* the rest of a line that was too long */
    char buf[16384];
};
/* At most MAX bytes of the file are looked at. Errors as sysroot_read(). */
int lines_open(const struct sysroot *root, const char *path, size_t max, struct lines *ret);
/* 1: *RET is the next line, without its newline, cut at the size of the buffer, valid until the next call. 0: end.
 * -EFBIG: more than MAX. */
int lines_next(struct lines *lines, char **ret);
void lines_close(struct lines *lines);
#define _cleanup_lines_ _cleanup_(lines_close)

/* Of a file that can be opened for reading. */
int sysroot_attributes(const struct sysroot *root, const char *path, struct attributes *ret);
/* Temporary file beside it, fsync, rename, fsync of the directory (which is made, 0755, if missing): after a crash
 * there is the old or the new file, never a part. */
int sysroot_replace(const struct sysroot *root, const char *path, const void *data, size_t size,
                    const struct attributes *attributes);
/* The same for a file of ours: extended attributes that it was given by others stay. */
int sysroot_write_atomic(const struct sysroot *root, const char *path, const void *data, size_t size, mode_t mode);
/* Removes and fsyncs the directory; -ENOENT if it was not there. */
int sysroot_unlink(const struct sysroot *root, const char *path);
