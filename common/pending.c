/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "apply.h"

#include <json-c/json.h>

#include "json.h"
#include "text.h"

#define PENDING_FILE    NESTD_STATEDIR "/pending.json"
#define PENDING_VERSION 1
#define PENDING_MAX     65536

/* Names must not depend on the host's extension: the first row of the table that has the feature. */
static const char *feature_key(enum feature_id id) {
    FOREACH_ARRAY(f, features, n_features)
        if (f->id == id)
            return f->name;
    return NULL;
}

static bool get_bool(struct json_object *o, const char *key) {
    struct json_object *v;

    return json_object_object_get_ex(o, key, &v) && json_object_get_boolean(v);
}

static int wish_from_json(struct json_object *o, struct wish *ret) {
    struct wish wish = {.when_idle = true};
    struct json_object *version, *list, *v;

    if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, "version", &version) ||
        json_object_get_int(version) != PENDING_VERSION || !json_object_object_get_ex(o, "features", &list) ||
        !json_object_is_type(list, json_type_object))
        return -EBADMSG;
    for (enum feature_id id = 0; id < _FEATURE_MAX; id++) {
        const char *key = feature_key(id);

        if (!key || !json_object_object_get_ex(list, key, &v))
            continue;
        if (!json_object_is_type(v, json_type_boolean))
            return -EBADMSG;
        wish.features[id] = json_object_get_boolean(v) ? WANTED_ON : WANTED_OFF;
    }
    wish.runtime_only = get_bool(o, "runtime");
    wish.persistent = get_bool(o, "persistent");
    wish.guests = get_bool(o, "guests");
    *ret = wish;
    return 0;
}

int pending_load(const struct sysroot *root, struct wish *ret) {
    _cleanup_free_ char *text = NULL;
    struct json_object *o;
    int r = sysroot_read(root, PENDING_FILE, PENDING_MAX, &text, NULL);

    if (r < 0)
        return r;
    o = json_tokener_parse(text);
    r = wish_from_json(o, ret);
    json_object_put(o);
    return r;
}

static int wish_to_json(const struct wish *wish, struct json_object *o) {
    struct json_object *list = json_object_new_object();

    if (json_add(o, "features", list) < 0)
        return -ENOMEM;
    for (enum feature_id id = 0; id < _FEATURE_MAX; id++)
        if (wish->features[id] != WANTED_KEEP &&
            json_add(list, feature_key(id), json_object_new_boolean(wish->features[id] == WANTED_ON)) < 0)
            return -ENOMEM;
    if (json_add(o, "version", json_object_new_int(PENDING_VERSION)) < 0 ||
        json_add(o, "runtime", json_object_new_boolean(wish->runtime_only)) < 0 ||
        json_add(o, "persistent", json_object_new_boolean(wish->persistent)) < 0 ||
        json_add(o, "guests", json_object_new_boolean(wish->guests)) < 0)
        return -ENOMEM;
    return 0;
}

int pending_store(const struct sysroot *root, const struct wish *wish) {
    struct json_object *o;
    const char *text;
    size_t size;
    int r = -ENOMEM;

    if (!wish) {
        r = sysroot_unlink(root, PENDING_FILE);
        return r == -ENOENT ? 0 : r;
    }
    o = json_object_new_object();
    if (o && wish_to_json(wish, o) >= 0 && (text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PRETTY, &size)))
        r = sysroot_write_atomic(root, PENDING_FILE, text, size, 0644);
    json_object_put(o);
    return r;
}
