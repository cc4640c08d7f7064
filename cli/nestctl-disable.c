/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nested off, now and at boot. */
#include "change.h"
#include "wish.h"

int verb_disable(const struct options *options, int argc, char *argv[]) {
    struct request request = {.verb = "disable", .method = "Disable"};
    int r = wish_parse(options, 0, NULL, &request.wish);

    request.wish.features[FEATURE_NESTED] = WANTED_OFF;
    request.wish.guests = options->guests;
    return r == EXIT_DONE ? change_run(options, &request) : r;
}
