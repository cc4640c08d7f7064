/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <errno.h>

int json_add(struct json_object *object, const char *key, struct json_object *value) {
    if (!value || json_object_object_add(object, key, value) < 0) {
        json_object_put(value);
        return -ENOMEM;
    }
    return 0;
}

int json_add_string(struct json_object *object, const char *key, const char *s) {
    return s ? json_add(object, key, json_object_new_string(s)) : 0;
}

int json_add_string_or_null(struct json_object *object, const char *key, const char *s) {
    if (s)
        return json_add_string(object, key, s);
    return json_object_object_add(object, key, NULL) < 0 ? -ENOMEM : 0;
}
