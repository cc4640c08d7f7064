/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest is on the bus: its path, its properties, and the signals about it. A VIEW is what guest-work.h says. */
#pragma once

#include <json-c/json.h>
#include "manager.h"

#define GUEST_UUID_LENGTH 36
#define GUEST_PATH_SIZE (sizeof(NESTD_BUS_GUEST_PATH) + 1 + GUEST_UUID_LENGTH)

/* The UUID in an object's path; false: there can be no such object. */
bool guest_uuid_from_path(const char *path, char ret[static GUEST_UUID_LENGTH + 1]);
int guest_uuid_to_path(const char *uuid, char ret[static GUEST_PATH_SIZE]); /* -EPROTO */

/* A member of a JSON object, borrowed; NULL: there is none. */
const char *view_string(struct json_object *o, const char *key);
struct json_object *view_object(struct json_object *o, const char *key);

bool guest_property_known(const char *name);
int guest_append_property(sd_bus_message *m, const char *name, struct json_object *view); /* v */
/* a{sv}; with BEFORE only what differs from it. */
int guest_append_properties(sd_bus_message *m, struct json_object *view, struct json_object *before);
/* {oa{sa{sv}}}: an entry of GetManagedObjects() */
int guest_append_managed(sd_bus_message *m, struct json_object *view);

/* PropertiesChanged, if there is anything to say. */
void guest_emit_changed(sd_bus *bus, const char *path, struct json_object *before, struct json_object *after);
/* What the keeper saw, { "uuid", "before": VIEW or null, "after": VIEW or null }: InterfacesAdded, InterfacesRemoved or the above. */
void guest_emit_event(sd_bus *bus, struct json_object *event);
