/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include "json.h"

static int add_strings(struct json_object *o, const char *key, char *const *strings, size_t n) {
    struct json_object *list = json_object_new_array();
    int r = json_add(o, key, list);

    for (size_t i = 0; i < n && r >= 0; i++) {
        struct json_object *s = json_object_new_string(strings[i]);

        if (!s || json_object_array_add(list, s) < 0) {
            json_object_put(s);
            r = -ENOMEM;
        }
    }
    return r;
}

/* { "schema": 1, KEY: [] }; the list stays owned by the document. */
static int new_list_document(const char *key, struct json_object **ret, struct json_object **ret_list) {
    struct json_object *o = json_object_new_object(), *list = NULL;

    if (!o)
        return -ENOMEM;
    if (json_add(o, "schema", json_object_new_int(1)) < 0 || json_add(o, key, list = json_object_new_array()) < 0) {
        json_object_put(o);
        return -ENOMEM;
    }
    *ret = o;
    *ret_list = list;
    return 0;
}

static struct json_object *append_object(struct json_object *list) {
    struct json_object *o = json_object_new_object();

    if (o && json_object_array_add(list, o) < 0) {
        json_object_put(o);
        o = NULL;
    }
    return o;
}

static const char *const check_results[] = {
    [CHECK_PASS] = "pass",
    [CHECK_WARN] = "warn",
    [CHECK_FAIL] = "fail",
    [CHECK_SKIP] = "skip",
};

int checks_to_json(const struct check *checks, size_t n, struct json_object **ret) {
    struct json_object *o, *list;
    int r = new_list_document("checks", &o, &list);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        struct json_object *c = append_object(list);

        if (!c || json_add_string_or_null(c, "code", checks[i].code) < 0 || json_add_string_or_null(c, "title", checks[i].title) < 0 ||
            json_add_string_or_null(c, "result", check_results[checks[i].result]) < 0 ||
            json_add_string_or_null(c, "detail", checks[i].detail) < 0 || json_add_string_or_null(c, "hint", checks[i].hint) < 0) {
            json_object_put(o);
            return -ENOMEM;
        }
    }
    *ret = o;
    return 0;
}

int changes_to_json(const struct change *changes, size_t n, struct json_object **ret) {
    struct json_object *o, *list;
    int r = new_list_document("changes", &o, &list);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        struct json_object *c = append_object(list);

        if (!c || json_add_string_or_null(c, "id", changes[i].id) < 0 || json_add_string_or_null(c, "verb", changes[i].verb) < 0 ||
            json_add_string_or_null(c, "summary", changes[i].summary) < 0 ||
            json_add(c, "realtime_usec", json_object_new_int64((int64_t)changes[i].realtime_usec)) < 0 ||
            json_add(c, "undone", json_object_new_boolean(changes[i].undone)) < 0) {
            json_object_put(o);
            return -ENOMEM;
        }
    }
    *ret = o;
    return 0;
}

int outcome_to_json(const struct outcome *outcome, struct json_object **ret) {
    struct json_object *o = json_object_new_object();

    if (!o)
        return -ENOMEM;
    if (json_add(o, "schema", json_object_new_int(1)) < 0 || json_add_string_or_null(o, "id", outcome->id) < 0 ||
        json_add(o, "exit_code", json_object_new_int(outcome->exit_code)) < 0 ||
        json_add(o, "rolled_back", json_object_new_boolean(outcome->rolled_back)) < 0 ||
        json_add(o, "pending", json_object_new_boolean(outcome->pending)) < 0 ||
        json_add_string_or_null(o, "message", outcome->message) < 0 || json_add_string_or_null(o, "hint", outcome->hint) < 0 ||
        add_strings(o, "blockers", outcome->blockers, outcome->n_blockers) < 0) {
        json_object_put(o);
        return -ENOMEM;
    }
    *ret = o;
    return 0;
}
