/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "change.h"
#include "job.h"
#include "log.h"
#include "options.h"
#include "polkit.h"


struct request {
    struct manager *manager;
    sd_bus_message *message; /* owns the strings of ORDER */
    struct order order;
    bool plan_only;
    struct json_object *plan; /* work_plan()'s result */
    const char *details[5];
};

static void request_free(struct request *q) {
    q->manager->n_requests--;
    sd_bus_message_unref(q->message);
    json_object_put(q->plan);
    free(q);
}
DEFINE_CLEANUP(struct request *, request_free)

static const char *plan_string(const struct request *q, const char *key) {
    struct json_object *v;

    return json_object_object_get_ex(q->plan, key, &v) ? json_object_get_string(v) : NULL;
}

static int plan_int(const struct request *q, const char *key) {
    struct json_object *v;

    return json_object_object_get_ex(q->plan, key, &v) ? json_object_get_int(v) : -1;
}

/* Refused before there is a job. */
static int refuse_verdict(const struct request *q, sd_bus_error *error) {
    const char *message = strempty(plan_string(q, "message"));

    switch (plan_int(q, "verdict")) {
    case PLAN_NOTHING:
    case PLAN_READY:
        return 0;
    case PLAN_BLOCKED:
        return q->order.wish.when_idle ? 0 : sd_bus_error_set(error, NESTD_ERROR_BLOCKED, message);
    default:
        return sd_bus_error_set(error, NESTD_ERROR_NOT_SUPPORTED, message);
    }
}

static int act(struct request *q, sd_bus_error *error) {
    struct manager *m = q->manager;
    struct job *job;
    int r = refuse_verdict(q, error);

    if (r < 0)
        return r;
    if (m->changing)
        return sd_bus_error_setf(error, NESTD_ERROR_BLOCKED, "%s is changing this host; try again when it has finished",
                                 job_path(m->changing));
    if ((r = job_start(m, &q->order, q->message, &job)) < 0)
        return r;
    return sd_bus_reply_method_return(q->message, "o", job_path(job));
}

static void on_authorized(const sd_bus_error *refusal, void *userdata);

/* Takes REQUEST: the answer frees it, and may have. */
static void ask(struct request *request, const char *action) {
    _cleanup_(request_freep) struct request *q = request;

    if (authorize(q->message, action, q->details, on_authorized, q) < 0)
        sd_bus_reply_method_errorf(q->message, SD_BUS_ERROR_ACCESS_DENIED, "the caller cannot be identified: it is gone");
    else
        TAKE_PTR(q);
}

static void on_authorized(const sd_bus_error *refusal, void *userdata) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(request_freep) struct request *q = userdata;
    int r;

    if (refusal) {
        sd_bus_reply_method_error(q->message, refusal);
        return;
    }
    /* Who may change the host may not change guests for that. */
    if ((q->order.wish.guests || plan_int(q, "guests") > 0) && !q->order.may_change_guests) {
        q->order.may_change_guests = true;
        ask(TAKE_PTR(q), "org.nestd1.expose-guest");
        return;
    }
    r = act(q, &error);
    if (r >= 0)
        return;
    if (!sd_bus_error_is_set(&error))
        error_from_errno(&error, r, "cannot start the change");
    sd_bus_reply_method_error(q->message, &error);
}

const char *change_action(enum change_kind kind, bool reloads) {
    if (kind == CHANGE_UNDO)
        return "org.nestd1.undo";
    return reloads ? "org.nestd1.reload-module" : "org.nestd1.set-host";
}

static void on_planned(int r, struct json_object *result, const char *why, void *userdata) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(request_freep) struct request *q = userdata;
    struct json_object *v;

    if (r < 0) {
        if (!why && json_object_object_get_ex(result, "why", &v))
            why = json_object_get_string(v);
        log_warning_errno(r, "Cannot plan \"%s\": %s%s%m", change_kind_to_string(q->order.kind), strempty(why), why ? ": " : "");
        if (q->order.kind == CHANGE_UNDO && r == -ENOENT && why)
            sd_bus_error_set(&error, NESTD_ERROR_INVALID, why);
        else
            error_from_errno(&error, r, why);
        sd_bus_reply_method_error(q->message, &error);
        return;
    }
    q->plan = json_object_get(result);
    if (q->plan_only) {
        sd_bus_reply_method_return(q->message, "s", strempty(plan_string(q, "text")));
        return;
    }

    q->order.may_reload = plan_int(q, "reloads") > 0 || q->order.kind == CHANGE_UNDO;
    q->order.may_change_guests = q->order.kind == CHANGE_UNDO;
    q->details[0] = "verb";
    q->details[1] = change_kind_to_string(q->order.kind);
    q->details[2] = "change";
    q->details[3] = strempty(plan_string(q, "summary"));
    ask(TAKE_PTR(q), change_action(q->order.kind, q->order.may_reload));
}

int change_begin(struct manager *m, sd_bus_message *message, enum change_kind kind, bool plan_only, sd_bus_error *error) {
    struct order order = { .root_path = m->root_path, .kind = kind };
    struct request *q;
    struct task *task;
    int r = options_read(message, &order, error);

    if (r < 0)
        return r;
    if (m->n_requests >= REQUESTS_MAX)
        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "%u calls wait already; try again later", m->n_requests);

    q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    *q = (struct request){ .manager = m, .message = sd_bus_message_ref(message), .order = order, .plan_only = plan_only };
    m->n_requests++;
    r = task_start(m->event, work_plan, &q->order, NULL, on_planned, q, &task);
    if (r < 0) {
        request_free(q);
        return r;
    }
    return 1;
}
