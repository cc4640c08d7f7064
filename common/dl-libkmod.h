/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libkmod, opened when first needed: its decompressors and libcrypto cost half of what `nestctl status` may take. */
#pragma once

#include <libkmod.h>

#include "macros.h"

/* Every libkmod function nestd calls; add a line to use another. */
#define LIBKMOD_SYMBOLS(X)                                                                                   \
    X(kmod_list_next)                                                                                        \
    X(kmod_module_get_info)                                                                                  \
    X(kmod_module_get_install_commands)                                                                      \
    X(kmod_module_info_free_list)                                                                            \
    X(kmod_module_info_get_key)                                                                              \
    X(kmod_module_info_get_value)                                                                            \
    X(kmod_module_insert_module)                                                                             \
    X(kmod_module_new_from_name)                                                                             \
    X(kmod_module_new_from_path)                                                                             \
    X(kmod_module_probe_insert_module)                                                                       \
    X(kmod_module_remove_module)                                                                             \
    X(kmod_module_unref)                                                                                     \
    X(kmod_new)                                                                                              \
    X(kmod_set_log_fn)                                                                                       \
    X(kmod_unref)

struct libkmod {
#define X(symbol) typeof(symbol) *symbol;
    LIBKMOD_SYMBOLS(X)
#undef X
};

/* Opens the library at the first call; *ret lives as long as the process. Errors: -ENOPKG, -ELIBBAD (dl_load). */
int libkmod_load(const struct libkmod **ret);
