/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to nestd: this machine's system bus, or another's through ssh, as systemctl has it. */
#pragma once

#include <systemd/sd-bus.h>
#include "nestctl.h"

#define _cleanup_bus_ _cleanup_(sd_bus_flush_close_unrefp)

/* Opens the bus that OPTIONS want. Returns an exit code and has told what went wrong. */
int bus_open(const struct options *options, sd_bus **ret);

/* Whether a local nestd should do it: neither --direct nor --root, and there is a bus on which nestd is or can be
 * started. *RET_BUS is then that bus. With --host it is an error not to reach nestd. Returns an exit code. */
int bus_try(const struct options *options, sd_bus **ret);

/* Calls a method of org.nestd1.Host without arguments that returns a JSON object. */
int bus_ask(const struct options *options, const char *method, struct json_object **ret);

/* Tells the user of a failed call of METHOD and returns its exit code. ERROR may be NULL or unset: then R tells. */
int bus_fail(const struct options *options, const char *method, const sd_bus_error *error, int r);
