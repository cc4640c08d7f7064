/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change.h"
#include "wish.h"

int verb_enable(const struct options *options, int argc, char *argv[]) {
    struct request request = {.verb = "enable", .method = "Enable", .defaults = argc == 0};
    int r = wish_parse(options, argc, argv, &request.wish);

    return r == EXIT_DONE ? change_run(options, &request) : r;
}
