/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>
#include "work.h"

/* Reads the a{sv} of Enable(), Disable(), Undo() into ORDER (its ID points into MESSAGE). What is unknown, of the wrong
 * type or contradictory is org.nestd1.Error.Invalid, and nothing has happened. */
int options_read(sd_bus_message *message, struct order *order, sd_bus_error *error);
