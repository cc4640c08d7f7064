/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /org/nestd1/guest/UUID, org.nestd1.Guest. tests/daemon compares what stands here with org.nestd1(5). */
#include "common/text.h"
#include "guest-bus.h"
#include "guest-object.h"
#include "guest-work.h"
#include "log.h"
#include "polkit.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

struct guest_call;
/* Appends to the reply what the worker found. */
typedef int (*answer_t)(const struct guest_call *call, struct json_object *result, sd_bus_message *reply);

/* A method call that a worker or polkit is busy with. */
struct guest_call {
    struct manager *manager;
    sd_bus_message *message; /* owns the strings of ORDER */
    struct guest_order order;
    char uuid[GUEST_UUID_LENGTH + 1];
    const char *property; /* of Properties.Get() */
    answer_t answer;
};

static void call_free(struct guest_call *c) {
    c->manager->n_requests--;
    sd_bus_message_unref(c->message);
    free(c);
}
DEFINE_CLEANUP(struct guest_call *, call_free)

/* ------------------------------------------------------------------ questions */

static void fail_call(const struct guest_call *c, int r, struct json_object *result, const char *why) {
    static const struct {
        int error;
        const char *name;
    } names[] = {
        { -ENOENT,     NESTD_ERROR_NO_SUCH_GUEST },
        { -EINVAL,     NESTD_ERROR_INVALID },
        { -EOPNOTSUPP, NESTD_ERROR_NOT_SUPPORTED },
        { -EILSEQ,     NESTD_ERROR_NOT_SUPPORTED },
        { -EAGAIN,     NESTD_ERROR_BLOCKED },
    };
    const char *name = NESTD_ERROR_FAILED, *text = view_string(result, "why"), *thing = view_string(result, "name");

    FOREACH_ARRAY(n, names, ELEMENTSOF(names))
        if (n->error == r)
            name = n->name;
    if (!text)
        text = why ? why : strerror(abs(r));
    if (!thing)
        thing = c->order.name ? c->order.name : c->uuid;
    sd_bus_reply_method_errorf(c->message, name, "%.128s%s%s", thing, *thing ? ": " : "", text);
}

static void reply_call(const struct guest_call *c, struct json_object *result) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(c->message, &reply);

    if (r >= 0)
        r = c->answer(c, result, reply);
    if (r >= 0)
        r = sd_bus_send(NULL, reply, NULL);
    if (r < 0)
        sd_bus_reply_method_errorf(c->message, NESTD_ERROR_FAILED, "cannot answer: %s", strerror(-r));
}

static void on_answered(int r, struct json_object *result, const char *why, void *userdata) {
    _cleanup_(call_freep) struct guest_call *c = userdata;

    if (r < 0)
        fail_call(c, r, result, why);
    else
        reply_call(c, result);
}

static int call_new(struct manager *m, sd_bus_message *message, answer_t answer, struct guest_call **ret,
                    sd_bus_error *error) {
    struct guest_call *c;

    if (m->n_requests >= REQUESTS_MAX)
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%u calls wait already; try again later", m->n_requests);
    if (!(c = calloc(1, sizeof(*c))))
        return -ENOMEM;
    *c = (struct guest_call){ .manager = m, .message = sd_bus_message_ref(message), .answer = answer };
    c->order.root_path = m->root_path;
    if (guest_uuid_from_path(strempty(sd_bus_message_get_path(message)), c->uuid))
        c->order.uuid = c->uuid;
    m->n_requests++;
    *ret = c;
    return 0;
}

/* Takes the call, also on failure. */
static int call_start(struct guest_call *call, task_func_t work, task_done_t done) {
    _cleanup_(call_freep) struct guest_call *c = call;
    struct task *task;
    int r = task_start(c->manager->event, work, &c->order, NULL, done, c, &task);

    if (r < 0)
        return r;
    TAKE_PTR(c);
    return 1;
}

static int ask(struct manager *m, sd_bus_message *message, task_func_t work, answer_t answer, const char *name,
               const char *property, sd_bus_error *error) {
    struct guest_call *c;
    int r = call_new(m, message, answer, &c, error);

    if (r < 0)
        return r;
    c->order.name = name;
    c->property = property;
    return call_start(c, work, on_answered);
}

static int answer_path(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    char path[GUEST_PATH_SIZE];
    int r = guest_uuid_to_path(view_string(view_object(view_object(result, "guest"), "facts"), "uuid"), path);

    return r < 0 ? r : sd_bus_message_append(reply, "o", path);
}

int guest_method_get(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    const char *name;
    int r = sd_bus_message_read(message, "s", &name);

    if (r < 0)
        return r;
    return ask(userdata, message, work_read_guest, answer_path, name, NULL, error);
}

static int answer_list(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    struct json_object *guests = view_object(result, "guests");
    int r = sd_bus_message_open_container(reply, 'a', "(sso)");

    for (size_t i = 0; r >= 0 && i < json_object_array_length(guests); i++) {
        struct json_object *facts = view_object(json_object_array_get_idx(guests, i), "facts");
        char path[GUEST_PATH_SIZE];
        if ((r = guest_uuid_to_path(view_string(facts, "uuid"), path)) >= 0)
            r = sd_bus_message_append(reply, "(sso)", strempty(view_string(facts, "name")), view_string(facts, "uuid"), path);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int guest_method_list(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return ask(userdata, message, work_list_guests, answer_list, NULL, NULL, error);
}

static int answer_managed(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    struct json_object *guests = view_object(result, "guests");
    int r = sd_bus_message_open_container(reply, 'a', "{oa{sa{sv}}}");

    for (size_t i = 0; r >= 0 && i < json_object_array_length(guests); i++)
        r = guest_append_managed(reply, json_object_array_get_idx(guests, i));
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int answer_property(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    return guest_append_property(reply, c->property, view_object(result, "guest"));
}

static int answer_properties(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    return guest_append_properties(reply, view_object(result, "guest"), NULL);
}

static int answer_description(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    struct json_object *facts = view_object(view_object(result, "guest"), "facts");

    return sd_bus_message_append(reply, "s", json_object_to_json_string_ext(facts, JSON_C_TO_STRING_PLAIN));
}

static int method_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return ask(userdata, message, work_read_guest, answer_description, NULL, NULL, error);
}

/* ------------------------------------------------------------------ changes */

static int answer_text(const struct guest_call *c, struct json_object *result, sd_bus_message *reply) {
    const char *text = view_string(result, "text");

    return text ? sd_bus_message_append(reply, "s", text) : -EPROTO;
}

static void on_changed(int r, struct json_object *result, const char *why, void *userdata) {
    _cleanup_(call_freep) struct guest_call *c = userdata;
    const char *verb = guest_action_to_string(c->order.wish.action);

    if (r < 0) {
        log_warning("Guest %s: %s failed: %s", c->uuid, verb, strempty(why ? why : view_string(result, "why")));
        fail_call(c, r, result, why);
        return;
    }
    log_notice("Guest %s (%s): %s done.", strempty(view_string(view_object(view_object(result, "before"), "facts"), "name")), c->uuid, verb);
    /* Others are told before the caller is. */
    guest_emit_changed(c->manager->bus, sd_bus_message_get_path(c->message), view_object(result, "before"),
                       view_object(result, "guest"));
    reply_call(c, result);
}

static void on_authorized(const sd_bus_error *refusal, void *userdata) {
    struct guest_call *c = userdata;
    struct task *task;
    int r;

    if (!refusal) {
        r = task_start(c->manager->event, work_change_guest, &c->order, NULL, on_changed, c, &task);
        if (r >= 0)
            return;
        fail_call(c, r, NULL, NULL);
    } else
        sd_bus_reply_method_error(c->message, refusal);
    call_free(c);
}

/* The change is possible: may the caller? */
static void on_planned(int r, struct json_object *result, const char *why, void *userdata) {
    struct guest_call *c = userdata;
    const char *verb = guest_action_to_string(c->order.wish.action);
    const char *name = strempty(view_string(view_object(view_object(result, "guest"), "facts"), "name"));
    const char *profile = c->order.wish.profile;
    _cleanup_free_ char *change = text_format("%s guest %s%s%s", verb, name, profile ? " for " : "", strempty(profile));
    /* A profile may cost the host something (locked memory), so it is for polkit to know. */
    const char *details[] = { "verb", verb, "guest", name, "uuid", c->uuid, "profile", profile, "change", change, NULL };

    if (r < 0) {
        fail_call(c, r, result, why);
        call_free(c);
        return;
    }
    r = authorize(c->message, c->order.wish.action == GUEST_UNDO ? "org.nestd1.undo" : "org.nestd1.expose-guest", details,
                  on_authorized, c);
    if (r < 0) {
        sd_bus_reply_method_errorf(c->message, SD_BUS_ERROR_ACCESS_DENIED, "the caller cannot be identified: it is gone");
        call_free(c);
    }
}

/* The options of Expose(); Hide() takes none. All are strings. */
static const struct {
    const char *key;
    char type;
} options[] = {
    { NESTD_KEY_MODE,    's' },
    { NESTD_KEY_MODEL,   's' },
    { NESTD_KEY_PROFILE, 's' },
};

static int read_option(const char *key, const char *value, struct guest_wish *wish, sd_bus_error *error) {
    int mode;

    if (wish->action != GUEST_EXPOSE)
        return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%.64s: not an option of \"%s\"", key,
                                 guest_action_to_string(wish->action));
    if (streq(key, NESTD_KEY_MODEL))
        wish->model = value;
    else if (streq(key, NESTD_KEY_PROFILE))
        wish->profile = value;
    else {
        mode = cpu_mode_from_string(value);
        if (mode != CPU_CUSTOM && mode != CPU_HOST_MODEL && mode != CPU_HOST_PASSTHROUGH)
            return sd_bus_error_setf(error, NESTD_ERROR_INVALID,
                                     "%.64s: no such CPU mode; host-passthrough, host-model and custom are", value);
        wish->mode = (enum cpu_mode)mode;
    }
    return 0;
}

static int read_options(sd_bus_message *message, struct guest_wish *wish, sd_bus_error *error) {
    const char *key, *value, *type;
    unsigned seen = 0;
    int r = sd_bus_message_enter_container(message, 'a', "{sv}");

    while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
        size_t i = 0;
        if ((r = sd_bus_message_read(message, "s", &key)) < 0 || (r = sd_bus_message_peek_type(message, NULL, &type)) < 0)
            return r;
        while (i < ELEMENTSOF(options) && !streq(options[i].key, key))
            i++;
        if (i == ELEMENTSOF(options))
            return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%.64s: no such option; org.nestd1(5) lists them", key);
        if (!streq(type, "s"))
            return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%.64s: must be a string", key);
        if (seen & (1u << i))
            return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%.64s: given twice", key);
        seen |= 1u << i;
        if ((r = sd_bus_message_read(message, "v", "s", &value)) < 0 || (r = read_option(key, value, wish, error)) < 0)
            return r;
        r = sd_bus_message_exit_container(message);
    }
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int change(struct manager *m, sd_bus_message *message, enum guest_action action, sd_bus_error *error) {
    struct guest_wish wish = { .action = action };
    struct guest_call *c;
    int r;

    if ((action != GUEST_UNDO && (r = read_options(message, &wish, error)) < 0) ||
        (r = call_new(m, message, answer_text, &c, error)) < 0)
        return r;
    c->order.wish = wish;
    return call_start(c, work_plan_guest, on_planned);
}

static int method_expose(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return change(userdata, message, GUEST_EXPOSE, error);
}

static int method_hide(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return change(userdata, message, GUEST_HIDE, error);
}

static int method_undo(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return change(userdata, message, GUEST_UNDO, error);
}

/* ------------------------------------------------------------------ objects */

/* sd-bus wants one; on_message() answers before it comes to that. */
static int get_nothing(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                       void *userdata, sd_bus_error *error) {
    return -EOPNOTSUPP;
}

/* No EMITS_CHANGE: without [Guests] nestd does not hear of what others do with a guest, and clients must not rely on what
 * they have read. */
static const sd_bus_vtable guest_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Name", "s", get_nothing, 0, 0),
    SD_BUS_PROPERTY("UUID", "s", get_nothing, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Exposed", "s", get_nothing, 0, 0),
    SD_BUS_PROPERTY("Mode", "s", get_nothing, 0, 0),
    SD_BUS_PROPERTY("Profile", "s", get_nothing, 0, 0),
    SD_BUS_PROPERTY("NeedsRestart", "b", get_nothing, 0, 0),
    SD_BUS_METHOD_WITH_ARGS("Expose", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", result), method_expose,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Hide", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", result), method_hide,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Undo", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", result), method_undo, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", description), method_describe,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

/* Which guests there are is known to libvirt, which is not asked here: a method of one that is not there says so. */
static int find_guest(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                      sd_bus_error *error) {
    char uuid[GUEST_UUID_LENGTH + 1];

    *ret_found = userdata;
    return guest_uuid_from_path(path, uuid);
}

/* sd-bus would have the getters answer at once. */
static int read_properties(struct manager *m, sd_bus_message *message, sd_bus_error *error) {
    const char *interface, *property = NULL;
    int r = 0;

    if (sd_bus_message_is_method_call(message, PROPERTIES, "Get") && sd_bus_message_has_signature(message, "ss"))
        r = sd_bus_message_read(message, "ss", &interface, &property);
    else if (sd_bus_message_is_method_call(message, PROPERTIES, "GetAll") && sd_bus_message_has_signature(message, "s"))
        r = sd_bus_message_read(message, "s", &interface);
    else
        return 0;
    if (r < 0)
        return r;
    if ((*interface && !streq(interface, NESTD_BUS_GUEST)) || (property && !guest_property_known(property)))
        return sd_bus_message_rewind(message, true) < 0 ? -EIO : 0; /* sd-bus knows what to say */
    return ask(m, message, work_read_guest, property ? answer_property : answer_properties, NULL, property, error);
}

/* Before sd-bus looks into the table. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    const char *path = strempty(sd_bus_message_get_path(message));
    char uuid[GUEST_UUID_LENGTH + 1];

    if (streq(path, NESTD_BUS_GUEST_PATH)) {
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
            return ask(userdata, message, work_list_guests, answer_managed, NULL, NULL, error);
        return 0;
    }
    if (!guest_uuid_from_path(path, uuid))
        return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "%.128s: no guest has such a path", path);
    return read_properties(userdata, message, error);
}

int guests_add_objects(struct manager *m) {
    int r;

    if ((r = sd_bus_add_fallback(m->bus, NULL, NESTD_BUS_GUEST_PATH, on_message, m)) < 0 ||
        (r = sd_bus_add_fallback_vtable(m->bus, NULL, NESTD_BUS_GUEST_PATH, NESTD_BUS_GUEST, guest_vtable, find_guest, m)) < 0)
        return r;
    return sd_bus_add_object_manager(m->bus, NULL, NESTD_BUS_GUEST_PATH);
}
