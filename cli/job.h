/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job of nestd, from the call that makes it to its result. */
#pragma once

#include "bus-client.h"

/* Calls a Host method with the arguments that are in CALL, which answers a job's path; shows its progress; on Ctrl-C
 * cancels it (a second Ctrl-C leaves it to nestd). *RET is the object of outcome_to_json(). Returns an exit code; what
 * is not EXIT_DONE was told, unless *RET is set: then the code and the message are in there. */
int job_run(sd_bus *bus, sd_bus_message *call, const struct options *options, struct json_object **ret);
