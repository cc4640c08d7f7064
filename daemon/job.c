/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <math.h>
#include <systemd/sd-daemon.h>
#include "change.h"
#include "idle.h"
#include "job.h"
#include "log.h"
#include "polkit.h"

#define FINISHED_MAX 16

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };
static const char *const job_states[] = {
    [JOB_RUNNING] = "running",
    [JOB_DONE] = "done",
    [JOB_FAILED] = "failed",
    [JOB_CANCELLED] = "cancelled",
};

struct job {
    struct manager *manager;
    char path[sizeof(NESTD_BUS_JOB_PATH) + 22];
    char field[sizeof("NESTD_JOB=") + 22];
    enum change_kind kind;
    enum job_state state;
    double progress;
    char *error, *result;
    bool cancelling, reloads;
    uid_t uid;
    struct task *task;
    sd_bus_slot *slot;
    char *crash; /* how the worker died, while its change is being recovered */
};

const char *job_path(const struct job *job) {
    return job->path;
}

static void job_free(struct job *job) {
    task_free(job->task);
    sd_bus_slot_unref(job->slot);
    free(job->error);
    free(job->result);
    free(job->crash);
    free(job);
}

void jobs_free(struct manager *m) {
    for (size_t i = 0; i < m->n_jobs; i++)
        job_free(m->jobs[i]);
    free(m->jobs);
}

/* The oldest finished ones go. */
static void forget_old_jobs(struct manager *m) {
    size_t finished = 0, kept = 0;

    for (size_t i = m->n_jobs; i-- > 0;)
        if (m->jobs[i]->state != JOB_RUNNING && ++finished > FINISHED_MAX) {
            job_free(m->jobs[i]);
            m->jobs[i] = NULL;
        }
    for (size_t i = 0; i < m->n_jobs; i++)
        if (m->jobs[i])
            m->jobs[kept++] = m->jobs[i];
    m->n_jobs = kept;
}

/* ------------------------------------------------------------------ the object */

static int get_kind(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *error) {
    const struct job *job = userdata;

    return sd_bus_message_append(reply, "s", change_kind_to_string(job->kind));
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *error) {
    const struct job *job = userdata;

    return sd_bus_message_append(reply, "s", job_states[job->state]);
}

static int get_string(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
    return sd_bus_message_append(reply, "s", strempty(*(char **)userdata));
}

/* A Cancel() waiting for polkit; the job may be forgotten meanwhile. */
struct cancel {
    struct manager *manager;
    sd_bus_message *message;
};

static struct job *find_job(struct manager *m, const char *path) {
    for (size_t i = 0; i < m->n_jobs; i++)
        if (streq(m->jobs[i]->path, path))
            return m->jobs[i];
    return NULL;
}

void job_cancel(struct job *job) {
    if (!job)
        return;
    job->cancelling = true;
    task_cancel(job->task);
}

static int cancel_job(struct job *job, sd_bus_error *error) {
    if (!job || job->state != JOB_RUNNING)
        return sd_bus_error_set(error, NESTD_ERROR_INVALID, "the job has finished; \"undo\" takes a change back");
    job_cancel(job);
    return 0;
}

static void on_may_cancel(const sd_bus_error *refusal, void *userdata) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    struct cancel *c = userdata;

    if (refusal)
        sd_bus_reply_method_error(c->message, refusal);
    else if (cancel_job(find_job(c->manager, sd_bus_message_get_path(c->message)), &error) < 0)
        sd_bus_reply_method_error(c->message, &error);
    else
        sd_bus_reply_method_return(c->message, NULL);
    sd_bus_message_unref(c->message);
    free(c);
}

static int sender_uid(sd_bus_message *message, uid_t *ret) {
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    int r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds);

    return r < 0 ? r : sd_bus_creds_get_euid(creds, ret);
}

/* Who started a job may stop it; others need what starting it needed. */
static int method_cancel(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    const char *details[] = { "verb", "cancel", NULL };
    struct job *job = userdata;
    struct cancel *c;
    uid_t uid;
    int r = sender_uid(message, &uid);

    if (r < 0)
        return r;
    if (uid == job->uid)
        return (r = cancel_job(job, error)) < 0 ? r : sd_bus_reply_method_return(message, NULL);

    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct cancel){ job->manager, sd_bus_message_ref(message) };
    r = authorize(message, change_action(job->kind, job->reloads), details, on_may_cancel, c);
    if (r < 0) {
        sd_bus_message_unref(c->message);
        free(c);
        return r;
    }
    return 1;
}

static const sd_bus_vtable job_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Kind", "s", get_kind, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Progress", "d", NULL, offsetof(struct job, progress), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Error", "s", get_string, offsetof(struct job, error), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Result", "s", get_string, offsetof(struct job, result), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD("Cancel", NULL, NULL, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_ARGS("Finished", SD_BUS_ARGS("s", result), 0),
    SD_BUS_VTABLE_END,
};

/* ------------------------------------------------------------------ its life */

static void on_progress(double fraction, const char *what, void *userdata) {
    struct job *job = userdata;

    sd_notifyf(false, "STATUS=%s: %s", change_kind_to_string(job->kind), strempty(what));
    if (!isfinite(fraction) || fraction <= job->progress)
        return;
    job->progress = fraction < 1 ? fraction : 1;
    (void)sd_bus_emit_properties_changed(job->manager->bus, job->path, NESTD_BUS_JOB, "Progress", NULL);
}

static void job_finish(struct job *job, enum job_state state, const char *error, const char *result) {
    struct manager *m = job->manager;
    int level = state == JOB_DONE ? LOG_INFO : LOG_WARNING, r;

    job->task = NULL;
    job->state = state;
    job->error = strdup(strempty(error));
    job->result = strdup(strempty(result));
    if (state == JOB_DONE)
        job->progress = 1;
    m->changing = NULL;

    log_full(level, 0, job->field, "%s: %s %s%s%s", job->path, change_kind_to_string(job->kind), job_states[state],
             error && *error ? ": " : ".", strempty(error));
    r = sd_bus_emit_properties_changed(m->bus, job->path, NESTD_BUS_JOB, "State", "Progress", "Error", "Result", NULL);
    if (r >= 0)
        r = sd_bus_emit_signal(m->bus, job->path, NESTD_BUS_JOB, "Finished", "s", job_states[state]);
    if (r < 0)
        log_warning_errno(r, "%s: cannot say that it has finished: %m", job->path);
    idle_touch(m);
    forget_old_jobs(m);
}

/* The engine said nothing but an errno, or nothing at all. R 0: WHY says it all. */
static void job_fail(struct job *job, int r, const char *why) {
    _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
    struct outcome outcome = {};
    struct json_object *document = NULL;

    error_from_errno(&e, r, why);
    outcome.exit_code = sd_bus_error_has_name(&e, NESTD_ERROR_BLOCKED) ? 4 : 1;
    outcome.message = (char *)e.message;
    (void)outcome_to_json(&outcome, &document);
    job_finish(job, JOB_FAILED, e.message, document ? json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN) : NULL);
    json_object_put(document);
}

static void on_recovered(int r, struct json_object *result, const char *why, void *userdata) {
    struct job *job = userdata;
    struct json_object *v;
    bool failed = r < 0;
    char text[512];

    if (r >= 0)
        (void)manager_take_summary(job->manager, result);
    if (r >= 0 && json_object_object_get_ex(result, "recover_error", &v)) {
        failed = true;
        why = json_object_object_get_ex(result, "recover_why", &v) ? json_object_get_string(v) : strerror(-json_object_get_int(v));
    }
    if (failed)
        snprintf(text, sizeof(text), "%s; putting things back failed, too: %s; the next change or start of nestd tries it again",
                 job->crash, why ? why : strerror(-r));
    else
        snprintf(text, sizeof(text), "%s; %s", job->crash,
                 json_object_object_get_ex(result, "recovery", &v) ? json_object_get_string(v) : "it had changed nothing");
    job_fail(job, 0, text);
}

static void recover_from_crash(struct job *job, const char *why) {
    struct order order = { .root_path = job->manager->root_path };
    int r = -ENOMEM;

    job->task = NULL;
    job->crash = strdup(why);
    if (job->crash)
        r = task_start(job->manager->event, work_start, &order, NULL, on_recovered, job, &job->task);
    if (r < 0)
        job_fail(job, r, why);
}

static void on_done(int r, struct json_object *result, const char *why, void *userdata) {
    struct job *job = userdata;
    struct json_object *outcome, *v;
    const char *message = NULL;
    bool ok;

    if (r < 0) {
        if (why)
            recover_from_crash(job, why);
        else
            job_fail(job, r, NULL);
        return;
    }
    if (!json_object_object_get_ex(result, "outcome", &outcome)) {
        job_fail(job, -EPROTO, "the worker gave no outcome");
        return;
    }
    ok = json_object_object_get_ex(outcome, "exit_code", &v) && json_object_get_int(v) == 0;
    if (!ok && json_object_object_get_ex(outcome, "message", &v))
        message = json_object_get_string(v);
    /* Whoever sees the end of the job sees the new host. */
    (void)manager_take_summary(job->manager, result);
    job_finish(job, ok ? JOB_DONE : job->cancelling ? JOB_CANCELLED : JOB_FAILED, message,
               json_object_to_json_string_ext(outcome, JSON_C_TO_STRING_PLAIN));
}

int job_start(struct manager *m, const struct order *order, sd_bus_message *message, struct job **ret) {
    struct order mine = *order;
    struct job **longer, *job;
    int r;

    longer = reallocarray(m->jobs, m->n_jobs + 1, sizeof(*longer));
    if (!longer)
        return -ENOMEM;
    m->jobs = longer;
    job = calloc(1, sizeof(*job));
    if (!job)
        return -ENOMEM;
    *job = (struct job){ .manager = m, .kind = order->kind, .reloads = order->may_reload };
    snprintf(job->path, sizeof(job->path), NESTD_BUS_JOB_PATH "/%" PRIu64, ++m->next_job_id);
    snprintf(job->field, sizeof(job->field), "NESTD_JOB=%" PRIu64, m->next_job_id);

    r = message ? sender_uid(message, &job->uid) : 0;
    if (r >= 0)
        r = sd_bus_add_object_vtable(m->bus, &job->slot, job->path, NESTD_BUS_JOB, job_vtable, job);
    if (r >= 0)
        r = task_start(m->event, work_change, &mine, on_progress, on_done, job, &job->task);
    if (r < 0) {
        job_free(job);
        return r;
    }
    m->jobs[m->n_jobs++] = m->changing = job;
    log_full(LOG_INFO, 0, job->field, "%s: %s started for uid " "%u.", job->path, change_kind_to_string(job->kind), job->uid);
    *ret = job;
    return 0;
}
