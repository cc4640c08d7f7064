/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diff.h"
#include "nestctl.h"

enum { DEPTH_MAX = 8, PATH_MAX_LEN = 256 };

struct walk {
    diff_t found;
    void *userdata;
    char path[PATH_MAX_LEN];
};

static void differ(struct walk *w, struct json_object *before, struct json_object *after, unsigned depth);

/* With KEY behind the path. */
static void descend(struct walk *w, const char *key, struct json_object *before, struct json_object *after,
                    unsigned depth) {
    size_t length = strlen(w->path);

    snprintf(w->path + length, sizeof(w->path) - length, "%s%s", length > 0 ? "." : "", key);
    differ(w, before, after, depth + 1);
    w->path[length] = '\0';
}

static const char *element_key(struct json_object *element) {
    const char *name = member_string(element, "name");

    return *name ? name : member_string(element, "code");
}

static struct json_object *element_by_key(struct json_object *array, const char *key) {
    for (size_t i = 0; array && i < json_object_array_length(array); i++)
        if (streq(element_key(json_object_array_get_idx(array, i)), key))
            return json_object_array_get_idx(array, i);
    return NULL;
}

/* What A has; with MISSING_ONLY only that which B lacks. */
static void walk_array(struct walk *w, struct json_object *a, struct json_object *b, bool missing_only, unsigned depth) {
    for (size_t i = 0; a && i < json_object_array_length(a); i++) {
        struct json_object *mine = json_object_array_get_idx(a, i);
        const char *key = element_key(mine);
        struct json_object *other = element_by_key(b, key);

        if (!*key)
            continue;
        if (!missing_only)
            descend(w, key, mine, other, depth);
        else if (!other)
            descend(w, key, NULL, mine, depth);
    }
}

static void walk_object(struct walk *w, struct json_object *before, struct json_object *after, unsigned depth) {
    struct json_object *other;

    json_object_object_foreach(before, key, mine) {
        if (!json_object_object_get_ex(after, key, &other))
            other = NULL;
        descend(w, key, mine, other, depth);
    }
    json_object_object_foreach(after, new_key, added)
        if (!json_object_object_get_ex(before, new_key, NULL))
            descend(w, new_key, NULL, added, depth);
}

static void differ(struct walk *w, struct json_object *before, struct json_object *after, unsigned depth) {
    enum json_type type = json_object_get_type(before);

    if (json_object_equal(before, after))
        return;
    if (depth < DEPTH_MAX && type == json_type_object && json_object_is_type(after, type)) {
        walk_object(w, before, after, depth);
    } else if (depth < DEPTH_MAX && type == json_type_array && json_object_is_type(after, type)) {
        walk_array(w, before, after, false, depth);
        walk_array(w, after, before, true, depth);
    } else {
        w->found(w->path, before, after, w->userdata);
    }
}

void json_diff(struct json_object *before, struct json_object *after, diff_t found, void *userdata) {
    struct walk w = {.found = found, .userdata = userdata};

    differ(&w, before, after, 0);
}
