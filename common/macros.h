/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few idioms every file uses: cleanup attributes, array sizes, ownership transfer. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
/* An empty array may be NULL, to which not even 0 may be added. */
#define FOREACH_ARRAY(i, array, n)                                                                           \
    for (typeof((array)[0]) *i = (array), *_end_##i = (n) ? i + (n) : i; i < _end_##i; i++)

#define _cleanup_(f)  __attribute__((cleanup(f)))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _pure_ __attribute__((pure))
#define _const_ __attribute__((const))
#define _unused_ __attribute__((unused))

/* Hands the value over: what is returned belongs to the caller, the variable forgets it. */
#define TAKE_PTR(p) ({ typeof(p) _p = (p); (p) = NULL; _p; })
#define TAKE_FD(fd) ({ int _f = (fd); (fd) = -EBADF; _f; })

/* Defines cleanup helper NAMEp() for TYPE freed by FUNC, which must accept NULL. */
#define DEFINE_CLEANUP(type, func)                                                                           \
    static inline void func##p(type *p) {                                                                    \
        if (*p)                                                                                              \
            func(*p);                                                                                        \
    }

static inline void freep(void *p) {
    free(*(void **)p);
}

static inline void closep(int *fd) {
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_free_   _cleanup_(freep)
#define _cleanup_close_  _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)

static inline bool streq(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static inline bool streq_ptr(const char *a, const char *b) {
    return a == b || (a && b && streq(a, b));
}

static inline const char *strempty(const char *s) {
    return s ? s : "";
}

/* What follows PREFIX in S, or NULL. */
static inline const char *startswith(const char *s, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}
