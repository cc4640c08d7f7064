/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dl-libkmod.h"
#include "dl-load.h"

/* A function table, filled once; not state. */
static struct libkmod libkmod;
static bool libkmod_loaded;

int libkmod_load(const struct libkmod **ret) {
    static const struct dl_symbol symbols[] = {
#define X(symbol) {#symbol, offsetof(struct libkmod, symbol)},
        LIBKMOD_SYMBOLS(X)
#undef X
    };
    if (!libkmod_loaded) {
        int r = dl_load("libkmod.so.2", symbols, ELEMENTSOF(symbols), &libkmod);
        if (r < 0)
            return r;
        libkmod_loaded = true;
    }
    *ret = &libkmod;
    return 0;
}
