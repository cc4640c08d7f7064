/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Module parameters as one option string, "nested=1 ept=Y": the form that the kernel takes at load and that a step
 * carries. Quoting is the kernel's (kernel/params.c): a value with a space stands between double quotes. */
#pragma once

#include "sysroot.h"

struct params {
    struct param {
        char *name, *value; /* VALUE NULL: a bare name, which the kernel takes as true for a bool */
    } *list;
    size_t n;
};

/* -EINVAL: not an option string. The caller frees with params_done(). */
int params_parse(const char *options, struct params *ret);
/* -EINVAL: a value that no option string can carry (it contains a quote or a control character). */
int params_format(const struct params *p, char **ret);
/* Sets or adds; VALUE NULL adds a bare name. */
int params_set(struct params *p, const char *name, const char *value);
const struct param *params_get(const struct params *p, const char *name); /* NULL: not there */
void params_done(struct params *p);
#define _cleanup_params_ _cleanup_(params_done)

/* The same value in the kernel's eyes: "Y", "y", "1" and a bare name are one bool, "N", "n" and "0" the other. */
bool param_value_equal(const char *a, const char *b);
bool param_value_passable(const char *value);

/* What /sys/module/MODULE/parameters says now, of every parameter that can be read. -ENOENT: not loaded. */
int params_read_live(const struct sysroot *root, const char *module, struct params *ret);
/* Is MODULE loaded and ready (initstate "live")? -EBUSY: it is coming or going. Built in counts as loaded. */
int module_is_live(const struct sysroot *root, const char *module);
/* Those of WANTED that are not so now: RET_NAME is the first (the caller frees), or NULL when all are. */
int params_first_difference(const struct sysroot *root, const char *module, const char *wanted, char **ret_name,
                            char **ret_value);
