/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests on the bus. nestd keeps nothing of them: whatever is asked, a worker asks libvirt at that moment. */
#pragma once

#include "manager.h"

/* Host.GetGuest(s) and Host.ListGuests() */
int guest_method_get(sd_bus_message *message, void *userdata, sd_bus_error *error);
int guest_method_list(sd_bus_message *message, void *userdata, sd_bus_error *error);
/* Everything below NESTD_BUS_GUEST_PATH. */
int guests_add_objects(struct manager *m);
