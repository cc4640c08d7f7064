/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pending.h"
#include "log.h"
#include "manager.h"

/* Describe() needs no privilege, so what one look at the machine may make wait is bounded. */
#define CALLERS_MAX 64
#define REFRESH_DELAY_USEC (100 * USEC_PER_MSEC)

void state_done(struct host_state *s) {
    free(s->vendor);
    free(s->extension);
    free(s->module);
    *s = (struct host_state){};
}

static int take_string(struct json_object *summary, const char *key, char **ret) {
    struct json_object *v;
    const char *s = json_object_object_get_ex(summary, key, &v) ? json_object_get_string(v) : NULL;

    *ret = strdup(strempty(s));
    return *ret ? 0 : -ENOMEM;
}

static bool take_bool(struct json_object *summary, const char *key) {
    struct json_object *v;

    return json_object_object_get_ex(summary, key, &v) && json_object_get_boolean(v);
}

static int emit_differences(struct manager *m, const struct host_state *old) {
    const struct host_state *new = &m->state;
    const struct {
        bool differs;
        char *name;
    } properties[] = {
        { !streq_ptr(old->vendor, new->vendor), (char *)"Vendor" },
        { !streq_ptr(old->extension, new->extension), (char *)"Extension" },
        { !streq_ptr(old->module, new->module), (char *)"Module" },
        { old->capable != new->capable, (char *)"NestedCapable" },
        { old->enabled != new->enabled, (char *)"NestedEnabled" },
        { old->persistent != new->persistent, (char *)"Persistent" },
        { old->pending != new->pending, (char *)"Pending" },
    };
    char *names[ELEMENTSOF(properties) + 1];
    size_t n = 0;

    FOREACH_ARRAY(p, properties, ELEMENTSOF(properties))
        if (p->differs)
            names[n++] = p->name;
    names[n] = NULL;
    return n > 0 && m->bus ? sd_bus_emit_properties_changed_strv(m->bus, NESTD_BUS_PATH, NESTD_BUS_HOST, names) : 0;
}

int manager_take_summary(struct manager *m, struct json_object *result) {
    struct host_state old = m->state, new = {};
    struct json_object *summary;
    int r;

    if (!json_object_object_get_ex(result, "summary", &summary))
        return -EPROTO;
    new.capable = take_bool(summary, "capable");
    new.enabled = take_bool(summary, "enabled");
    new.persistent = take_bool(summary, "persistent");
    new.pending = take_bool(summary, "pending");
    if ((r = take_string(summary, "vendor", &new.vendor)) < 0 ||
        (r = take_string(summary, "extension", &new.extension)) < 0 ||
        (r = take_string(summary, "module", &new.module)) < 0) {
        state_done(&new);
        return r;
    }
    m->state = new;
    r = m->state_known ? emit_differences(m, &old) : 0;
    m->state_known = true;
    state_done(&old);
    pending_changed(m);
    return r;
}

static void answer(sd_bus_message **callers, size_t n, int r, struct json_object *result, const char *why) {
    struct json_object *text;

    FOREACH_ARRAY(c, callers, n) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        if (r >= 0 && json_object_object_get_ex(result, "text", &text))
            sd_bus_reply_method_return(*c, "s", json_object_get_string(text));
        else {
            error_from_errno(&error, r < 0 ? r : -EPROTO, why);
            sd_bus_reply_method_error(*c, &error);
        }
        sd_bus_message_unref(*c);
    }
    free(callers);
}

static void on_described(int r, struct json_object *result, const char *why, void *userdata) {
    struct manager *m = userdata;
    sd_bus_message **callers = TAKE_PTR(m->callers);
    size_t n = m->n_callers;

    m->refresh = NULL;
    m->n_callers = 0;
    if (r < 0)
        log_error_errno(r, "Cannot describe the host: %s%s%m", strempty(why), why ? ": " : "");
    else if ((r = manager_take_summary(m, result)) < 0)
        log_error_errno(r, "Cannot take over the description of the host: %m");
    answer(callers, n, r, result, why);

    if (m->n_next_callers > 0) {
        m->callers = TAKE_PTR(m->next_callers);
        m->n_callers = m->n_next_callers;
        m->n_next_callers = 0;
        (void)manager_refresh(m, NULL);
    }
}

int manager_refresh(struct manager *m, sd_bus_message *message) {
    sd_bus_message ***list = m->refresh ? &m->next_callers : &m->callers;
    size_t *n = m->refresh ? &m->n_next_callers : &m->n_callers;
    struct order order = { .root_path = m->root_path };
    int r;

    if (message) {
        sd_bus_message **longer;

        if (*n >= CALLERS_MAX)
            return -EBUSY;
        longer = reallocarray(*list, *n + 1, sizeof(*longer));
        if (!longer)
            return -ENOMEM;
        *list = longer;
        longer[(*n)++] = sd_bus_message_ref(message);
    }
    if (m->refresh)
        return 0;
    r = task_start(m->event, work_describe, &order, NULL, on_described, m, &m->refresh);
    if (r < 0) {
        log_error_errno(r, "Cannot start a worker: %m");
        answer(TAKE_PTR(m->callers), m->n_callers, r, NULL, "cannot start a worker");
        m->n_callers = 0;
    }
    return 0;
}

static int on_refresh_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct manager *m = userdata;

    if (!m->changing) /* the job describes the host at its end */
        (void)manager_refresh(m, NULL);
    return 0;
}

void manager_refresh_soon(struct manager *m) {
    int r;

    if (!m->refresh_timer)
        r = sd_event_add_time_relative(m->event, &m->refresh_timer, CLOCK_MONOTONIC, REFRESH_DELAY_USEC, 0,
                                       on_refresh_timer, m);
    else if ((r = sd_event_source_set_time_relative(m->refresh_timer, REFRESH_DELAY_USEC)) >= 0)
        r = sd_event_source_set_enabled(m->refresh_timer, SD_EVENT_ONESHOT);
    if (r < 0)
        log_warning_errno(r, "Cannot plan to look at the host again: %m");
}
