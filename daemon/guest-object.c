/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-object.h"
#include "log.h"

#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

static bool uuid_valid(const char *s, char dash) {
    for (size_t i = 0; i < GUEST_UUID_LENGTH; i++) {
        bool at_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (at_dash ? s[i] != dash : !strchr("0123456789abcdef", s[i]) || !s[i])
            return false;
    }
    return !s[GUEST_UUID_LENGTH];
}

bool guest_uuid_from_path(const char *path, char ret[static GUEST_UUID_LENGTH + 1]) {
    size_t prefix = strlen(NESTD_BUS_GUEST_PATH "/");

    if (strncmp(path, NESTD_BUS_GUEST_PATH "/", prefix) != 0 || !uuid_valid(path + prefix, '_'))
        return false;
    for (size_t i = 0; i <= GUEST_UUID_LENGTH; i++)
        ret[i] = path[prefix + i] == '_' ? '-' : path[prefix + i];
    return true;
}

int guest_uuid_to_path(const char *uuid, char ret[static GUEST_PATH_SIZE]) {
    if (!uuid || !uuid_valid(uuid, '-'))
        return -EPROTO;
    snprintf(ret, GUEST_PATH_SIZE, NESTD_BUS_GUEST_PATH "/%s", uuid);
    for (char *p = ret; *p; p++)
        if (*p == '-')
            *p = '_';
    return 0;
}

const char *view_string(struct json_object *o, const char *key) {
    struct json_object *v;

    return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

struct json_object *view_object(struct json_object *o, const char *key) {
    struct json_object *v = NULL;

    json_object_object_get_ex(o, key, &v);
    return v;
}

/* FACT: a member of the view's facts; NULL: of the view itself. */
static const struct guest_property {
    const char *name, *type, *fact;
} guest_properties[] = {
    { "Name",         "s", "name" },
    { "UUID",         "s", "uuid" },
    { "Exposed",      "s", NULL },
    { "Mode",         "s", "mode" },
    { "Profile",      "s", "profile" },
    { "NeedsRestart", "b", "needs_restart" },
};

static struct json_object *property_value(const struct guest_property *p, struct json_object *view) {
    return p->fact ? view_object(view_object(view, "facts"), p->fact) : view_object(view, "exposed");
}

static int append_value(sd_bus_message *reply, const struct guest_property *p, struct json_object *view) {
    struct json_object *v = property_value(p, view);

    if (p->type[0] == 'b')
        return sd_bus_message_append(reply, "v", "b", json_object_get_boolean(v));
    return sd_bus_message_append(reply, "v", "s", v ? json_object_get_string(v) : "");
}

int guest_append_properties(sd_bus_message *reply, struct json_object *view, struct json_object *before) {
    int r = sd_bus_message_open_container(reply, 'a', "{sv}");

    FOREACH_ARRAY(p, guest_properties, ELEMENTSOF(guest_properties)) {
        if (r < 0)
            return r;
        if (before && json_object_equal(property_value(p, before), property_value(p, view)))
            continue;
        if ((r = sd_bus_message_open_container(reply, 'e', "sv")) < 0 ||
            (r = sd_bus_message_append(reply, "s", p->name)) < 0 || (r = append_value(reply, p, view)) < 0)
            return r;
        r = sd_bus_message_close_container(reply);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

bool guest_property_known(const char *name) {
    FOREACH_ARRAY(p, guest_properties, ELEMENTSOF(guest_properties))
        if (streq(p->name, name))
            return true;
    return false;
}

int guest_append_property(sd_bus_message *m, const char *name, struct json_object *view) {
    FOREACH_ARRAY(p, guest_properties, ELEMENTSOF(guest_properties))
        if (streq(p->name, name))
            return append_value(m, p, view);
    return -EPROTO;
}

/* oa{sa{sv}} */
static int append_object(sd_bus_message *m, struct json_object *view) {
    char path[GUEST_PATH_SIZE];
    int r;

    if ((r = guest_uuid_to_path(view_string(view_object(view, "facts"), "uuid"), path)) < 0 ||
        (r = sd_bus_message_append(m, "o", path)) < 0 || (r = sd_bus_message_open_container(m, 'a', "{sa{sv}}")) < 0 ||
        (r = sd_bus_message_open_container(m, 'e', "sa{sv}")) < 0 ||
        (r = sd_bus_message_append(m, "s", NESTD_BUS_GUEST)) < 0 || (r = guest_append_properties(m, view, NULL)) < 0 ||
        (r = sd_bus_message_close_container(m)) < 0)
        return r;
    return sd_bus_message_close_container(m);
}

int guest_append_managed(sd_bus_message *m, struct json_object *view) {
    int r;

    if ((r = sd_bus_message_open_container(m, 'e', "oa{sa{sv}}")) < 0 || (r = append_object(m, view)) < 0)
        return r;
    return sd_bus_message_close_container(m);
}

static bool differs(struct json_object *before, struct json_object *after) {
    FOREACH_ARRAY(p, guest_properties, ELEMENTSOF(guest_properties))
        if (!json_object_equal(property_value(p, before), property_value(p, after)))
            return true;
    return false;
}

void guest_emit_changed(sd_bus *bus, const char *path, struct json_object *before, struct json_object *after) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
    int r;

    if (!before || !after || !differs(before, after))
        return;
    if ((r = sd_bus_message_new_signal(bus, &signal, path, PROPERTIES, "PropertiesChanged")) < 0 ||
        (r = sd_bus_message_append(signal, "s", NESTD_BUS_GUEST)) < 0 ||
        (r = guest_append_properties(signal, after, before)) < 0 || (r = sd_bus_message_append(signal, "as", 0)) < 0 ||
        (r = sd_bus_send(bus, signal, NULL)) < 0)
        log_warning_errno(r, "%s: cannot say that it has changed: %m", path);
}

/* sd_bus_emit_object_added() would have the getters answer at once. */
static void emit_added(sd_bus *bus, const char *path, struct json_object *view) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
    int r;

    if ((r = sd_bus_message_new_signal(bus, &signal, NESTD_BUS_GUEST_PATH, OBJECT_MANAGER, "InterfacesAdded")) < 0 ||
        (r = append_object(signal, view)) < 0 || (r = sd_bus_send(bus, signal, NULL)) < 0)
        log_warning_errno(r, "%s: cannot say that it is there: %m", path);
}

static void emit_removed(sd_bus *bus, const char *path) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
    int r;

    if ((r = sd_bus_message_new_signal(bus, &signal, NESTD_BUS_GUEST_PATH, OBJECT_MANAGER, "InterfacesRemoved")) < 0 ||
        (r = sd_bus_message_append(signal, "oas", path, 1, NESTD_BUS_GUEST)) < 0 || (r = sd_bus_send(bus, signal, NULL)) < 0)
        log_warning_errno(r, "%s: cannot say that it is gone: %m", path);
}

void guest_emit_event(sd_bus *bus, struct json_object *event) {
    struct json_object *before = view_object(event, "before"), *after = view_object(event, "after");
    char path[GUEST_PATH_SIZE];

    if (guest_uuid_to_path(view_string(event, "uuid"), path) < 0)
        return;
    if (!before && after)
        emit_added(bus, path, after);
    else if (before && !after)
        emit_removed(bus, path);
    else
        guest_emit_changed(bus, path, before, after);
}
