/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* polkit's agent for terminals, started as systemctl does, so that a user is asked for a password there. */
#pragma once

#include "nestctl.h"

/* Starts pkttyagent if standard input and error are a terminal and the caller is not root; waits until it is
 * registered. Without one polkit decides without asking: so nothing here is an error. */
void agent_start(const struct options *options);
void agent_stop(void);
