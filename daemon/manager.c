/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <systemd/sd-daemon.h>
#include "guest-keeper.h"
#include "idle.h"
#include "job.h"
#include "log.h"
#include "manager.h"
#include "pending.h"
#include "polkit.h"
#include "watch.h"

bool manager_busy(const struct manager *m) {
    /* The keeper of guests sleeps. */
    return m->changing || m->n_requests > 0 || tasks_running() > (guest_keeper_running(m) ? 1u : 0u);
}

static void log_configuration(const struct conf *conf) {
    FOREACH_ARRAY(w, conf->warnings, conf->n_warnings)
        log_warning("%s:%u: %s", w->path, w->line, w->message);
}

int manager_new(const char *root_path, struct manager **ret) {
    _cleanup_(manager_freep) struct manager *m = calloc(1, sizeof(*m));
    int r;

    if (!m)
        return log_oom();
    m->root_path = root_path;
    if ((r = sysroot_open(root_path, &m->root)) < 0)
        return log_error_errno(r, "%s: %m", root_path ? root_path : "/");
    if ((r = conf_load(m->root, &m->conf)) < 0)
        return log_error_errno(r, "Cannot read nestd.conf: %m");
    log_configuration(m->conf);
    if ((r = sd_event_new(&m->event)) < 0)
        return log_error_errno(r, "Cannot set up an event loop: %m");
    *ret = TAKE_PTR(m);
    return 0;
}

struct manager *manager_free(struct manager *m) {
    authorize_end();
    jobs_free(m);
    sd_bus_flush_close_unref(m->bus); /* before what its callbacks use */
    for (size_t i = 0; i < m->n_callers; i++)
        sd_bus_message_unref(m->callers[i]);
    for (size_t i = 0; i < m->n_next_callers; i++)
        sd_bus_message_unref(m->next_callers[i]);
    free(m->callers);
    free(m->next_callers);
    sd_event_source_disable_unref(m->refresh_timer);
    idle_free(m->idle);
    pending_free(m->pending);
    guest_keeper_free(m->keeper);
    watch_free(m->watch);
    state_done(&m->state);
    conf_freep(&m->conf);
    sysroot_freep(&m->root);
    sd_event_unref(m->event);
    free(m);
    return NULL;
}

/* ------------------------------------------------------------------ start */

static void log_recovery_failure(int r, const char *why) {
    if (r == -EHOSTDOWN)
        log_notice("An interrupted change waits for libvirt: %s", strempty(why));
    else if (r == -EBUSY && !why)
        log_notice("A nestctl is changing this host at the moment");
    else
        log_error_errno(r, "Cannot recover an interrupted change: %s%s%m", strempty(why), why ? ": " : "");
}

static void log_start(struct json_object *result) {
    struct json_object *v, *message;

    if (json_object_object_get_ex(result, "recover_error", &v))
        log_recovery_failure(json_object_get_int(v), json_object_object_get_ex(result, "recover_why", &message) ?
                                                         json_object_get_string(message) : NULL);
    if (json_object_object_get_ex(result, "recovery", &v))
        log_notice("%s", json_object_get_string(v));
    if (json_object_object_get_ex(result, "drift", &v))
        for (size_t i = 0; i < json_object_array_length(v); i++)
            log_warning("%s", json_object_get_string(json_object_array_get_idx(v, i)));
    if (json_object_object_get_ex(result, "boot_error", &v))
        log_error_errno(json_object_get_int(v), "Cannot compare the host with nestd.conf: %m");
    if (json_object_object_get_ex(result, "applied", &v)) {
        bool ok = json_object_object_get_ex(v, "exit_code", &message) && json_object_get_int(message) == 0;
        const char *text = json_object_object_get_ex(v, "message", &message) ? json_object_get_string(message) : NULL;
        log_full(ok ? LOG_NOTICE : LOG_ERR, 0, NULL, "OnDrift=apply: %s", text ? text : ok ? "done" : "failed");
    }
}

/* From here on we may be asked. */
static int go_public(struct manager *m) {
    int r = sd_bus_request_name(m->bus, NESTD_BUS_NAME, 0);

    if (r < 0)
        return log_error_errno(r, "Cannot own %s on the system bus: %m", NESTD_BUS_NAME);
    if ((r = idle_start(m)) < 0)
        return log_error_errno(r, "Cannot set up the idle timer: %m");
    (void)guest_keeper_update(m); /* it says what is wrong, and the rest holds */
    sd_notify(false, m->pending ? "READY=1" : "READY=1\nSTATUS=Ready.");
    return 0;
}

static void on_recovered(int r, struct json_object *result, const char *why, void *userdata) {
    if (r < 0)
        log_error_errno(r, "Cannot recover an interrupted change: %s%s%m", strempty(why), why ? ": " : "");
    else {
        log_start(result);
        (void)manager_take_summary(userdata, result);
    }
}

/* At boot libvirt's daemon waits until we are ready (Before=); now it may be waited for. */
static void recover_guests(struct manager *m, struct json_object *result) {
    struct order order = { .root_path = m->root_path };
    struct json_object *v;
    struct task *task;
    int r;

    if (!json_object_object_get_ex(result, "recover_error", &v) || json_object_get_int(v) != -EHOSTDOWN)
        return;
    if ((r = task_start(m->event, work_start, &order, NULL, on_recovered, m, &task)) < 0)
        log_error_errno(r, "Cannot start a worker: %m");
}

static void on_started(int r, struct json_object *result, const char *why, void *userdata) {
    struct manager *m = userdata;

    if (r < 0)
        log_error_errno(r, "Cannot look at this host: %s%s%m", strempty(why), why ? ": " : "");
    else {
        log_start(result);
        r = manager_take_summary(m, result);
    }
    if (r >= 0)
        r = go_public(m);
    if (r >= 0)
        recover_guests(m, result);
    if (r < 0)
        sd_event_exit(m->event, r);
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    uint8_t type;

    if (sd_bus_message_get_type(message, &type) >= 0 && type == SD_BUS_MESSAGE_METHOD_CALL)
        idle_touch(userdata);
    return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
    manager_stop(userdata, strsignal((int)si->ssi_signo));
    return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
    struct manager *m = userdata;
    struct conf *conf;
    int r = conf_load(m->root, &conf);

    if (r < 0)
        return log_error_errno(r, "Cannot read nestd.conf: %m"), 0;
    conf_free(m->conf);
    m->conf = conf;
    log_configuration(conf);
    (void)guest_keeper_update(m);
    manager_refresh_soon(m);
    return 0;
}

static int set_up(struct manager *m) {
    struct order order = { .root_path = m->root_path };
    struct task *task;
    sigset_t mask;
    int r;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    if ((r = sd_event_add_signal(m->event, NULL, SIGTERM, on_signal, m)) < 0 ||
        (r = sd_event_add_signal(m->event, NULL, SIGINT, on_signal, m)) < 0 ||
        (r = sd_event_add_signal(m->event, NULL, SIGHUP, on_reload, m)) < 0)
        return log_error_errno(r, "Cannot set up signals: %m");

    if ((r = sd_bus_open_system(&m->bus)) < 0 || (r = sd_bus_attach_event(m->bus, m->event, 0)) < 0)
        return log_error_errno(r, "Cannot connect to the system bus: %m");
    if ((r = sd_bus_set_exit_on_disconnect(m->bus, true)) < 0 ||
        (r = sd_bus_add_filter(m->bus, NULL, on_message, m)) < 0 || (r = host_add_object(m)) < 0)
        return log_error_errno(r, "Cannot put %s on the bus: %m", NESTD_BUS_PATH);
    if ((r = watch_start(m)) < 0)
        log_warning_errno(r, "Cannot watch the machine, its changes will be seen late: %m");
    if ((r = task_start(m->event, work_start, &order, NULL, on_started, m, &task)) < 0)
        return log_error_errno(r, "Cannot start a worker: %m");
    return 0;
}

/* ------------------------------------------------------------------ end */

void manager_stop(struct manager *m, const char *why) {
    if (m->stopping)
        return;
    m->stopping = true;
    log_info("Stopping: %s.", why);
    sd_notify(false, "STOPPING=1");
    job_cancel(m->changing);
    guest_keeper_stop(m);
    /* Calls that come from now on start a new nestd; those that are here already are answered. */
    (void)sd_bus_release_name(m->bus, NESTD_BUS_NAME);
}

int manager_run(struct manager *m) {
    int r = set_up(m);

    if (r < 0)
        return r;
    for (;;) {
        /* Whom polkit has not answered yet will get no answer; what a worker does is finished or taken back. */
        bool last = m->stopping && !m->changing && tasks_running() == 0;

        r = sd_event_run(m->event, last ? 0 : UINT64_MAX);
        if (r < 0)
            return log_error_errno(r, "The event loop failed: %m");
        if (sd_event_get_state(m->event) == SD_EVENT_FINISHED)
            break;
        if (last && r == 0)
            return 0;
    }
    (void)sd_event_get_exit_code(m->event, &r);
    return r;
}
