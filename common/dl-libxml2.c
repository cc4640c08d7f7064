/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dl-libxml2.h"
#include "dl-load.h"

static struct libxml2 libxml2;
static bool libxml2_loaded;

int libxml2_load(const struct libxml2 **ret) {
    static const struct dl_symbol symbols[] = {
#define X(symbol) {#symbol, offsetof(struct libxml2, symbol)},
        LIBXML2_SYMBOLS(X)
#undef X
    };
    if (!libxml2_loaded) {
        int r = dl_load("libxml2.so.2", symbols, ELEMENTSOF(symbols), &libxml2);
        if (r < 0)
            return r;
        libxml2.xmlInitParser();
        libxml2_loaded = true;
    }
    *ret = &libxml2;
    return 0;
}
