/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fills a table of functions from a shared library that is opened when first needed. */
#pragma once

#include "macros.h"

struct dl_symbol {
    const char *name;
    size_t offset; /* of the function pointer in the table */
};

/*
 * Opens SONAME and fills TABLE. The library stays open for the life of the process.
 * Errors: -ENOPKG when it cannot be opened, -ELIBBAD when a symbol is missing (TABLE is then unusable).
 */
int dl_load(const char *soname, const struct dl_symbol *symbols, size_t n, void *table);
