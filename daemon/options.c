/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/bus.h"
#include "options.h"

#define BIT(kind) (1u << (kind))
#define OFFSET(member) offsetof(struct order, member)

/* The keys that are not features. tests/daemon compares this table with org.nestd1(5). */
static const struct option {
    const char *key;
    char type;
    unsigned kinds;
    size_t offset;
} options[] = {
    { NESTD_KEY_RUNTIME,    'b', BIT(CHANGE_ENABLE) | BIT(CHANGE_DISABLE), OFFSET(wish.runtime_only) },
    { NESTD_KEY_PERSISTENT, 'b', BIT(CHANGE_ENABLE) | BIT(CHANGE_DISABLE), OFFSET(wish.persistent) },
    { NESTD_KEY_WHEN_IDLE,  'b', BIT(CHANGE_ENABLE) | BIT(CHANGE_DISABLE), OFFSET(wish.when_idle) },
    { NESTD_KEY_GUESTS,    'b', BIT(CHANGE_DISABLE),                      OFFSET(wish.guests) },
    { NESTD_KEY_ID,         's', BIT(CHANGE_UNDO),                         OFFSET(id) },
};

static int invalid(sd_bus_error *error, const char *key, const char *why) {
    return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%.64s: %s", key, why);
}

static int read_option(sd_bus_message *m, const struct option *o, struct order *order, sd_bus_error *error) {
    void *to = (char *)order + o->offset;
    int b, r;

    if (o->type == 'b') {
        r = sd_bus_message_read(m, "v", "b", &b);
        if (r >= 0)
            *(bool *)to = b;
    } else
        r = sd_bus_message_read(m, "v", "s", (const char **)to);
    return r;
}

static int read_feature(sd_bus_message *m, const struct feature *f, const char *key, char type, struct order *order,
                        sd_bus_error *error) {
    enum wanted *to = &order->wish.features[f->id];
    const char *s = NULL;
    int b, r;

    if (*to != WANTED_KEEP)
        return invalid(error, key, "this feature is named twice");
    if (type == 'b') {
        if ((r = sd_bus_message_read(m, "v", "b", &b)) < 0)
            return r;
        *to = b ? WANTED_ON : WANTED_OFF;
    } else {
        if ((r = sd_bus_message_read(m, "v", "s", &s)) < 0)
            return r;
        if (!streq(s, "on") && !streq(s, "off"))
            return invalid(error, key, "must be \"on\" or \"off\", or a boolean");
        *to = streq(s, "on") ? WANTED_ON : WANTED_OFF;
    }
    order->default_features = false;
    return 0;
}

static const struct option *find_option(const char *key) {
    FOREACH_ARRAY(o, options, ELEMENTSOF(options))
        if (streq(o->key, key))
            return o;
    return NULL;
}

static int read_entry(sd_bus_message *m, const char *key, struct order *order, sd_bus_error *error) {
    const struct option *o = find_option(key);
    const struct feature *f = NULL;
    const char *type;
    int r = sd_bus_message_peek_type(m, NULL, &type);

    if (r < 0)
        return r;
    if (o && !(o->kinds & BIT(order->kind)))
        return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%s: not an option of \"%s\"", key,
                                 change_kind_to_string(order->kind));
    if (o)
        return type[0] == o->type && !type[1] ? read_option(m, o, order, error) :
               invalid(error, key, o->type == 'b' ? "must be a boolean" : "must be a string");

    if (order->kind != CHANGE_UNDO && !(f = feature_by_name(EXTENSION_VMX, key)))
        f = feature_by_name(EXTENSION_SVM, key);
    if (!f)
        return invalid(error, key, "no such option and no such feature; org.nestd1(5) lists them");
    if (!streq(type, "b") && !streq(type, "s"))
        return invalid(error, key, "must be \"on\" or \"off\", or a boolean");
    return read_feature(m, f, key, type[0], order, error);
}

int options_read(sd_bus_message *message, struct order *order, sd_bus_error *error) {
    const char *key;
    int r;

    order->default_features = true;
    if ((r = sd_bus_message_enter_container(message, 'a', "{sv}")) < 0)
        return r;
    while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0)
        if ((r = sd_bus_message_read(message, "s", &key)) < 0 || (r = read_entry(message, key, order, error)) < 0 ||
            (r = sd_bus_message_exit_container(message)) < 0)
            return r;
    if (r < 0)
        return r;
    if (order->wish.runtime_only && order->wish.persistent)
        return invalid(error, NESTD_KEY_RUNTIME, "contradicts \"" NESTD_KEY_PERSISTENT "\"");
    return sd_bus_message_exit_container(message);
}
