/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes a POSIX ustar archive (pax(1), "ustar Interchange Format") to a file descriptor. Own code because a library
 * for it would bring a dozen others into a program that must start fast. */
#pragma once

#include <sys/stat.h>
#include <time.h>
#include "macros.h"

struct tar {
    int fd;
    time_t mtime; /* of every member */
    uint64_t size; /* bytes written */
    unsigned n_members;
};

/* PATH without a leading '/'. ST tells mode, owner and, by S_IFMT, file, directory or symlink (to LINK). Other types
 * are -EINVAL; a path that does not fit -ENAMETOOLONG; else what write(2) says. */
int tar_add(struct tar *tar, const char *path, const struct stat *st, const char *link, const void *data, size_t size);
int tar_end(struct tar *tar);
