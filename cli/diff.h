/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between two objects of one shape, member by member. */
#pragma once

#include <json-c/json.h>
#include "macros.h"

/* PATH: "nested.enabled", "features.ept.current". BEFORE and AFTER: JSON texts, "null" for what is not there. */
typedef void (*diff_t)(const char *path, struct json_object *before, struct json_object *after, void *userdata);

/* Elements of an array are matched by their "name" or "code". */
void json_diff(struct json_object *before, struct json_object *after, diff_t found, void *userdata);
