/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-define N: N guests over one connection, at LIBVIRT_DEFAULT_URI: defined as they are, then exposed by domain_rewrite(), which
 * reads, rewrites, defines, reads back and verifies. Prints "N DEFINE_USEC EXPOSE_USEC". */
#include <time.h>

#include "domain.h"

static double usec(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
    struct guest_wish wish = {GUEST_EXPOSE, EXTENSION_SVM};
    int n = argc > 1 ? atoi(argv[1]) : 1000;
    virDomainPtr *doms = calloc((size_t)n, sizeof(*doms));
    struct domain_conn c;
    char *why = NULL;

    if (!doms || domain_connect(getenv("LIBVIRT_DEFAULT_URI"), false, &c, &why) < 0) {
        fprintf(stderr, "libvirt: %s\n", why);
        return 1;
    }
    double begin = usec();
    for (int i = 0; i < n; i++) {
        char xml[512];
        snprintf(xml, sizeof(xml), "<domain type='qemu'><name>g%d</name><memory unit='MiB'>64</memory><os><type arch='x86_64' "
                 "machine='q35'>hvm</type></os><cpu mode='host-model'/></domain>", i);
        if (!(doms[i] = c.lv->virDomainDefineXMLFlags(c.conn, xml, 0))) {
            fprintf(stderr, "define: %s\n", c.lv->virGetLastErrorMessage());
            return 1;
        }
    }
    double defined = usec();
    for (int i = 0; i < n; i++) {
        _cleanup_domain_change_ struct domain_change change = {};
        if (domain_rewrite(&c, doms[i], &wish, false, &change, &why) < 0 || !change.changed) {
            fprintf(stderr, "expose: %s\n", why);
            return 1;
        }
    }
    double end = usec();
    for (int i = 0; i < n; i++)
        c.lv->virDomainFree(doms[i]);
    free(doms);
    domain_disconnect(&c);
    printf("%d %.0f %.0f\n", n, defined - begin, end - defined);
    return 0;
}
