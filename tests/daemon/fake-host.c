/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* build/tests/fake-host: makes and shakes the machine that fake-nestd manages. */
#include "tests/unit/fake-machine.h"

static int usage(void) {
    fputs("fake-host new | boot DIR | use DIR yes|no | lacks DIR PARAMETER | snapshot DIR\n", stderr);
    return 2;
}

static int new_machine(void) {
    struct fake_machine m = {};

    fake_new(&m);
    fake_boot(&m);
    puts(m.dir);
    sysroot_free(m.root);
    free(m.dir);
    return 0;
}

int main(int argc, char *argv[]) {
    const char *verb = argc > 1 ? argv[1] : "";
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_free_ char *text = NULL;

    if (streq(verb, "new"))
        return new_machine();
    if (argc < 3 || sysroot_open(argv[2], &root) < 0)
        return usage();

    struct fake_machine m = { .dir = argv[2], .root = root };
    if (streq(verb, "boot"))
        fake_boot(&m);
    else if (streq(verb, "use") && argc == 4)
        fake_use(&m, streq(argv[3], "yes"));
    else if (streq(verb, "lacks") && argc == 4)
        fake_lacks(&m, argv[3]);
    else if (streq(verb, "snapshot"))
        fputs(text = fake_snapshot(&m), stdout);
    else
        return usage();
    return 0;
}
