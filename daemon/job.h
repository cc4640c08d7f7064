/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /org/nestd1/job/N: one change being made, or made. It outlives its caller; finished ones stay until there are too many
 * or the daemon exits. */
#pragma once

#include "manager.h"

/* MESSAGE: the call that wants it, whose sender may cancel it; NULL: the daemon itself. The job is owned by M. */
int job_start(struct manager *m, const struct order *order, sd_bus_message *message, struct job **ret);
const char *job_path(const struct job *job);
void job_cancel(struct job *job); /* NULL: nothing to do */
void jobs_free(struct manager *m);
