/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /org/nestd1, org.nestd1.Host. tests/daemon compares what stands here with org.nestd1(5). */
#include "change.h"
#include "guest-bus.h"
#include "guest-work.h"
#include "log.h"
#include "manager.h"

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "s", NESTD_VERSION);
}

static int get_string(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "s", strempty(*(char **)userdata));
}

/* sd-bus's own getter wants an int. */
static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "b", *(bool *)userdata);
}

static int method_describe(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    int r = manager_refresh(userdata, message);

    if (r == -EBUSY)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "too many calls wait already; try again later");
    return r < 0 ? r : 1;
}

/* Check() and ListChanges(): a worker's text is the answer. */
struct question {
    struct manager *manager;
    sd_bus_message *message;
};

static void on_text(int r, struct json_object *result, const char *why, void *userdata) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    struct question *q = userdata;
    struct json_object *text;

    if (r >= 0 && json_object_object_get_ex(result, "text", &text))
        sd_bus_reply_method_return(q->message, "s", json_object_get_string(text));
    else {
        log_warning_errno(r, "%s() failed: %s%s%m", sd_bus_message_get_member(q->message), strempty(why), why ? ": " : "");
        error_from_errno(&error, r < 0 ? r : -EPROTO, why);
        sd_bus_reply_method_error(q->message, &error);
    }
    q->manager->n_requests--;
    sd_bus_message_unref(q->message);
    free(q);
}

static int ask_worker(struct manager *m, sd_bus_message *message, task_func_t work, sd_bus_error *error) {
    struct order order = { .root_path = m->root_path };
    struct question *q;
    struct task *task;
    int r;

    if (m->n_requests >= REQUESTS_MAX)
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%u calls wait already; try again later", m->n_requests);
    q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    r = task_start(m->event, work, &order, NULL, on_text, q, &task);
    if (r < 0) {
        free(q);
        return r;
    }
    *q = (struct question){ m, sd_bus_message_ref(message) };
    m->n_requests++;
    return 1;
}

static int method_check(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return ask_worker(userdata, message, work_check, error);
}

static int method_list_changes(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return ask_worker(userdata, message, work_list_changes, error);
}

static int method_audit(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return ask_worker(userdata, message, work_audit, error);
}

static int method_enable(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return change_begin(userdata, message, CHANGE_ENABLE, false, error);
}

static int method_disable(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return change_begin(userdata, message, CHANGE_DISABLE, false, error);
}

static int method_undo(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    return change_begin(userdata, message, CHANGE_UNDO, false, error);
}

static int method_plan(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    const char *verb;
    int kind, r = sd_bus_message_read(message, "s", &verb);

    if (r < 0)
        return r;
    kind = change_kind_from_string(verb);
    if (kind < 0 || kind == CHANGE_WHEN_IDLE)
        return sd_bus_error_setf(error, NESTD_ERROR_INVALID, "%.64s: no such verb; \"enable\", \"disable\" and \"undo\" are", verb);
    return change_begin(userdata, message, (enum change_kind)kind, true, error);
}

#define STATE(member) offsetof(struct manager, state.member)

/* Everybody may call: what needs privilege asks polkit. */
static const sd_bus_vtable host_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Vendor", "s", get_string, STATE(vendor), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Extension", "s", get_string, STATE(extension), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("NestedCapable", "b", get_bool, STATE(capable), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("NestedEnabled", "b", get_bool, STATE(enabled), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Persistent", "b", get_bool, STATE(persistent), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Pending", "b", get_bool, STATE(pending), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Module", "s", get_string, STATE(module), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD_WITH_ARGS("Describe", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", description), method_describe,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", checks), method_check,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Audit", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", audit), method_audit,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Enable", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job), method_enable,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Disable", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job), method_disable,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Undo", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job), method_undo,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("s", verb, "a{sv}", options), SD_BUS_RESULT("s", plan), method_plan,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("GetGuest", SD_BUS_ARGS("s", guest), SD_BUS_RESULT("o", path), guest_method_get,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListGuests", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sso)", guests), guest_method_list,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_ARGS("ListChanges", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", changes), method_list_changes,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

int host_add_object(struct manager *m) {
    int r = sd_bus_add_object_vtable(m->bus, NULL, NESTD_BUS_PATH, NESTD_BUS_HOST, host_vtable, m);

    return r < 0 ? r : guests_add_objects(m);
}
