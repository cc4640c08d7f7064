/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file has beside its name and content, and what a file that replaces it by rename has to be given: permissions, owner,
 * extended attributes, of which ACLs and SELinux labels are kinds (xattr(7), acl(5)). */
#pragma once

#include <sys/stat.h>
#include "macros.h"

struct attributes {
    mode_t mode; /* permission bits */
    uid_t uid;   /* -1, as gid: what a new file gets */
    gid_t gid;
    char *xattrs; /* a line "NAME=VALUE" each, both in hexadecimal, sorted; NULL: what a new file gets */
};
#define ATTRIBUTES_NEW(m) {.mode = (m), .uid = (uid_t)-1, .gid = (gid_t)-1}

/* Those of an open file. Not security.ima and security.evm, which the kernel makes from content and inode. -E2BIG: more than
 * 64 KiB of them. */
int attributes_read(int fd, struct attributes *ret);
/* Gives them to an open file, and takes from it what it has more. A label that the security module does not let us set is left
 * to it. -EPERM: an owner that we may not give a file to. */
int attributes_apply(int fd, const struct attributes *a);
/* What is not said is equal to anything. */
bool attributes_equal(const struct attributes *a, const struct attributes *b);
int attributes_copy(const struct attributes *from, struct attributes *ret);
void attributes_done(struct attributes *a);
#define _cleanup_attributes_ _cleanup_(attributes_done)
