/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* May the sender of a message do this? Root always; others as polkit says; without polkit nobody else. */
#pragma once

#include <systemd/sd-bus.h>

/* ERROR NULL: allowed. */
typedef void (*authorized_t)(const sd_bus_error *error, void *userdata);

/* DETAILS: key, value, key, value, ..., NULL; shown by authentication agents and seen by rules. Calls DONE exactly once:
 * before it returns when polkit need not be asked, at the latest in authorize_end(). Negative errno: nothing could be
 * asked, and DONE is not called. */
int authorize(sd_bus_message *message, const char *action, const char *const *details, authorized_t done, void *userdata);
/* Before the bus goes: who still waits is refused. */
void authorize_end(void);
