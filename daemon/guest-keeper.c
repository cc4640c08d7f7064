/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/guest-policy.h"
#include "guest-keeper.h"
#include "guest-object.h"
#include "log.h"

#define RESTART_SEC 30

struct guest_keeper {
    struct task *task;
    struct order order;
    sd_event_source *restart;
    bool again; /* the configuration changed while the worker was stopping */
};

static void on_progress(double fraction, const char *what, void *userdata) {
    if (what)
        log_notice("%s", what);
}

static void on_event(struct json_object *event, void *userdata) {
    struct manager *m = userdata;

    guest_emit_event(m->bus, event);
}

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata) {
    (void)guest_keeper_update(userdata);
    return 0;
}

static void on_done(int r, struct json_object *result, const char *why, void *userdata) {
    struct manager *m = userdata;
    struct guest_keeper *k = m->keeper;

    k->task = NULL; /* freed by who calls us */
    if (m->stopping)
        return;
    if (k->again) {
        k->again = false;
        (void)guest_keeper_update(m);
        return;
    }
    if (r == -EOPNOTSUPP) {
        log_notice("[Guests] is not enforced: this host's CPU has neither vmx nor svm.");
        return;
    }
    log_warning_errno(r, "Guests are not watched at the moment, trying again in %i s: %s%s%m", RESTART_SEC, strempty(why),
                      why ? ": " : "");
    sd_event_source_disable_unref(k->restart);
    k->restart = NULL;
    r = sd_event_add_time_relative(m->event, &k->restart, CLOCK_MONOTONIC, RESTART_SEC * USEC_PER_SEC, USEC_PER_SEC,
                                   on_restart, m);
    if (r < 0)
        log_error_errno(r, "Guests are not watched any more: %m");
}

static int start(struct manager *m) {
    struct guest_keeper *k = m->keeper;
    int r;

    if (k->task || m->stopping)
        return 0;
    k->order = (struct order){ .root_path = m->root_path };
    r = task_start(m->event, work_keep_guests, &k->order, on_progress, on_done, m, &k->task);
    if (r < 0)
        return log_error_errno(r, "Cannot watch guests: %m");
    task_on_event(k->task, on_event);
    return 0;
}

int guest_keeper_update(struct manager *m) {
    /* Guests run on this machine, not in a directory; unless we are told where libvirt is. */
    bool wanted = guest_policy_any(m->conf) && (!m->root_path || getenv("LIBVIRT_DEFAULT_URI"));

    if (!m->keeper && !wanted)
        return 0;
    if (!m->keeper && !(m->keeper = calloc(1, sizeof(*m->keeper))))
        return log_oom();
    if (m->keeper->task) {
        /* What it was started with has changed. */
        m->keeper->again = true;
        task_cancel(m->keeper->task);
        return 0;
    }
    return wanted ? start(m) : 0;
}

void guest_keeper_stop(struct manager *m) {
    if (m->keeper && m->keeper->task)
        task_cancel(m->keeper->task);
}

bool guest_keeper_running(const struct manager *m) {
    return m->keeper && m->keeper->task;
}

void guest_keeper_free(struct guest_keeper *k) {
    if (!k)
        return;
    task_free(k->task);
    sd_event_source_disable_unref(k->restart);
    free(k);
}
