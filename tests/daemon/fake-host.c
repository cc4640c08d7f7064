/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* build/tests/fake-host: makes and shakes the machine that fake-nestd manages. */
#include "tests/unit/fake-machine.h"

static int usage(void) {
    fputs("fake-host new | boot DIR | use DIR yes|no | lacks DIR PARAMETER | snapshot DIR\n", stderr);
    return 2;
}

int main(int argc, char *argv[]) {
    struct fake_machine m = {};
    const char *verb = argc > 1 ? argv[1] : "";

    if (streq(verb, "new")) {
        fake_new(&m);
        fake_boot(&m);
        puts(m.dir);
        return 0;
    }
    if (argc < 3 || sysroot_open(argv[2], &m.root) < 0)
        return usage();
    m.dir = argv[2];
    if (streq(verb, "boot"))
        fake_boot(&m);
    else if (streq(verb, "use") && argc == 4)
        fake_use(&m, streq(argv[3], "yes"));
    else if (streq(verb, "lacks") && argc == 4)
        fake_lacks(&m, argv[3]);
    else if (streq(verb, "snapshot"))
        fputs(fake_snapshot(&m), stdout);
    else
        return usage();
    return 0;
}
