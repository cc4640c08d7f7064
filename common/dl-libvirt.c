/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dl-libvirt.h"
#include "dl-load.h"

/* Function tables, filled once; not state. */
static struct libvirt libvirt;
static bool libvirt_loaded;
static struct libvirt_qemu libvirt_qemu;
static bool libvirt_qemu_loaded;

static void quiet(void *userdata, virErrorPtr error) {
}

int libvirt_load(const struct libvirt **ret) {
    static const struct dl_symbol symbols[] = {
#define X(symbol) {#symbol, offsetof(struct libvirt, symbol)},
        LIBVIRT_SYMBOLS(X)
#undef X
    };
    if (!libvirt_loaded) {
        int r = dl_load("libvirt.so.0", symbols, ELEMENTSOF(symbols), &libvirt);
        if (r < 0)
            return r;
        libvirt.virSetErrorFunc(NULL, quiet);
        (void)libvirt.virEventRegisterDefaultImpl();
        libvirt_loaded = true;
    }
    *ret = &libvirt;
    return 0;
}

int libvirt_qemu_load(const struct libvirt_qemu **ret) {
    static const struct dl_symbol symbols[] = {
#define X(symbol) {#symbol, offsetof(struct libvirt_qemu, symbol)},
        LIBVIRT_QEMU_SYMBOLS(X)
#undef X
    };
    if (!libvirt_qemu_loaded) {
        int r = dl_load("libvirt-qemu.so.0", symbols, ELEMENTSOF(symbols), &libvirt_qemu);
        if (r < 0)
            return r;
        libvirt_qemu_loaded = true;
    }
    *ret = &libvirt_qemu;
    return 0;
}

void libvirt_connect_closep(virConnectPtr *conn) {
    if (*conn)
        libvirt.virConnectClose(*conn);
}

void libvirt_domain_freep(virDomainPtr *dom) {
    if (*dom)
        libvirt.virDomainFree(*dom);
}
