/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When to sleep and when to go: nothing is pending, nobody called for a while: the daemon exits (the bus starts it
 * again). A change is pending: it stays, and stays asleep. */
#pragma once

#include "manager.h"

int idle_start(struct manager *m);
void idle_free(struct idle *idle);
void idle_touch(struct manager *m); /* something happened: somebody called, a job ended */
