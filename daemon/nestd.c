/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestd(8) */
#include <getopt.h>
#include <locale.h>
#include "caps.h"
#include "log.h"
#include "manager.h"

static int help(void) {
    printf("nestd [OPTIONS...]\n\n"
           "Manages this machine as a host for nested virtualization; org.nestd1 on the system bus.\n\n"
           "  -h --help       This text\n"
           "     --version    The version\n"
           "     --root DIR   Manage the machine dumped in DIR, which has no modules to load: for tests\n\n"
           "See nestd(8).\n");
    return 0;
}

/* More than 0: go on. */
static int parse_arguments(int argc, char *argv[], const char **ret_root) {
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { "root", required_argument, NULL, 'R' },
        {},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
        switch (c) {
        case 'h':
            return help();
        case 'V':
            printf("nestd %s\n", NESTD_VERSION);
            return 0;
        case 'R':
            *ret_root = optarg;
            break;
        default:
            return -EINVAL;
        }
    if (optind < argc) {
        fprintf(stderr, "nestd: %s: takes no arguments; see nestd --help\n", argv[optind]);
        return -EINVAL;
    }
    return 1;
}

int main(int argc, char *argv[]) {
    _cleanup_(manager_freep) struct manager *m = NULL;
    const char *root = NULL;
    int r = parse_arguments(argc, argv, &root);

    if (r <= 0)
        return r < 0 ? 2 : EXIT_SUCCESS;
    if ((r = caps_drop()) < 0) {
        log_error_errno(r, "Cannot drop capabilities: %m");
        return EXIT_FAILURE;
    }
    if ((r = manager_new(root, &m)) >= 0)
        r = manager_run(m);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
