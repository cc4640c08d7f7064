/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nestctl.h"

struct json_object *member(struct json_object *o, const char *key, enum json_type type) {
    struct json_object *value;

    return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &value) &&
                   json_object_is_type(value, type)
               ? value
               : NULL;
}

const char *member_string(struct json_object *o, const char *key) {
    struct json_object *value = member(o, key, json_type_string);

    return value ? json_object_get_string(value) : "";
}

bool member_bool(struct json_object *o, const char *key) {
    struct json_object *value = member(o, key, json_type_boolean);

    return value && json_object_get_boolean(value);
}

int member_int(struct json_object *o, const char *key) {
    struct json_object *value = member(o, key, json_type_int);

    return value ? json_object_get_int(value) : 0;
}

int json_parse(const char *text, struct json_object **ret) {
    struct json_object *o = json_tokener_parse(text);

    if (!json_object_is_type(o, json_type_object)) {
        json_object_put(o);
        return -EBADMSG;
    }
    *ret = o;
    return 0;
}
