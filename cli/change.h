/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* enable, disable and undo: the same plan, outcome and exit code through nestd and without it. */
#pragma once

#include "nestctl.h"

struct request {
    const char *verb;  /* "enable", "disable", "undo" */
    const char *method; /* of org.nestd1.Host */
    struct wish wish;  /* of enable and disable */
    bool defaults;     /* enable without a feature: what that means is for the engine to say */
    const char *id;    /* of undo; NULL: the last change */
};

int change_run(const struct options *options, const struct request *request);
