/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>

#include "dl-load.h"

int dl_load(const char *soname, const struct dl_symbol *symbols, size_t n, void *table) {
    /* RTLD_NODELETE: these libraries leave threads and atexit handlers behind, so they are never unmapped.
     * RTLD_LAZY: what is called is looked up below; binding all of libxml2, ICU and libstdc++ took a fifth of a short run. */
    void *dl = dlopen(soname, RTLD_LAZY | RTLD_NODELETE);
    if (!dl)
        return -ENOPKG;
    FOREACH_ARRAY(s, symbols, n) {
        void *f = dlsym(dl, s->name);
        if (!f) {
            dlclose(dl);
            return -ELIBBAD;
        }
        memcpy((char *)table + s->offset, &f, sizeof(f));
    }
    return 0;
}
