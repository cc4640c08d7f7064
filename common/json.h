/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>

/*
 * json_object_object_add() without its two traps: VALUE is taken over in any case, and VALUE NULL, a failed
 * json_object_new_*(), is -ENOMEM. 0 or -ENOMEM.
 */
int json_add(struct json_object *object, const char *key, struct json_object *value);
/* S NULL: the key is left out. json-c keeps every byte but NUL as it is, valid UTF-8 or not, and gives it back as it was. */
int json_add_string(struct json_object *object, const char *key, const char *s);
/* S NULL: null. */
int json_add_string_or_null(struct json_object *object, const char *key, const char *s);
