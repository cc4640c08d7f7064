/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a verb reads the host from: this machine or --root DIR by the engine, or --host over the bus.
 * All return an exit code, and have told what went wrong when it is not EXIT_DONE. */
#pragma once

#include "nestctl.h"

struct host { /* what the engine knows of this machine or of --root */
    struct sysroot *root;
    struct host_facts *facts;
    struct conf *conf;
    struct verdict *verdict;
};
void host_done(struct host *host);
#define _cleanup_host_ _cleanup_(host_done)

int host_read(const struct options *options, struct host *ret);

/* The objects of `status --json` and `check --json`. */
int host_describe(const struct options *options, struct json_object **ret);
int host_check(const struct options *options, struct json_object **ret);
