/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/inotify.h>
#include <systemd/sd-daemon.h>
#include "common/text.h"
#include "idle.h"
#include "job.h"
#include "log.h"
#include "pending.h"
#include "watch.h"

/* The events come while the last reference is being dropped: kvm_destroy_vm() sends its uevent first and puts the module
 * last, after tearing down what may be terabytes of page tables. So look again after 0.2, 0.4, ... s, 51 s in all. Then the
 * module has another user, whose end is another event. */
#define FIRST_DELAY_USEC (200 * USEC_PER_MSEC)
#define ATTEMPTS_MAX 8

struct pending {
    sd_event_source *timer, *device;
    unsigned attempts;
};

static bool module_is_idle(struct manager *m) {
    _cleanup_free_ char *path = text_format("/sys/module/%s/refcnt", m->state.module), *line = NULL;

    return path && sysroot_read_line(m->root, path, &line) >= 0 && streq(line, "0");
}

static void finish(struct manager *m) {
    struct order order = { .root_path = m->root_path, .kind = CHANGE_WHEN_IDLE, .may_reload = true,
                           .may_change_guests = true };
    struct job *job;
    int r = job_start(m, &order, NULL, &job);

    if (r < 0)
        log_error_errno(r, "Cannot start the pending change: %m");
}

static int arm(struct manager *m);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct manager *m = userdata;

    if (!m->state.pending || m->changing)
        return 0; /* a job's end looks at the host, which brings us back */
    if (module_is_idle(m))
        finish(m);
    else if (++m->pending->attempts < ATTEMPTS_MAX)
        return arm(m);
    return 0;
}

static int arm(struct manager *m) {
    struct pending *p = m->pending;
    uint64_t delay = FIRST_DELAY_USEC << p->attempts;
    int r;

    if (!p->timer)
        return sd_event_add_time_relative(m->event, &p->timer, CLOCK_MONOTONIC, delay, 0, on_timer, m);
    r = sd_event_source_set_time_relative(p->timer, delay);
    return r < 0 ? r : sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

void pending_poke(struct manager *m) {
    int r;

    if (!m->state.pending || !m->pending)
        return;
    m->pending->attempts = 0;
    if ((r = arm(m)) < 0)
        log_error_errno(r, "Cannot wait for %s to become idle: %m", m->state.module);
}

static int on_device_closed(sd_event_source *source, const struct inotify_event *event, void *userdata) {
    pending_poke(userdata);
    return 0;
}

void pending_changed(struct manager *m) {
    struct pending *p = m->pending;
    int r;

    if (!m->state.pending) {
        pending_free(p);
        m->pending = NULL;
        return;
    }
    if (!p) {
        p = m->pending = calloc(1, sizeof(*p));
        if (!p) {
            log_oom();
            return;
        }
        log_notice("A change waits for %s to become idle.", m->state.module);
        sd_notifyf(false, "STATUS=Waiting for %s to become idle.", m->state.module);
    }
    /* Anew each time: the node may be another one by now. Guests in their own mount namespace (libvirt's) have a node of
     * their own; of those the uevents tell. */
    p->device = sd_event_source_disable_unref(p->device);
    r = watch_path(m, "/dev/kvm", IN_CLOSE_WRITE | IN_CLOSE_NOWRITE, on_device_closed, &p->device);
    if (r < 0 && r != -ENOENT)
        log_warning_errno(r, "Cannot watch /dev/kvm: %m");
    pending_poke(m); /* what happened before we watched */
}

void pending_free(struct pending *p) {
    if (!p)
        return;
    sd_event_source_disable_unref(p->timer);
    sd_event_source_disable_unref(p->device);
    free(p);
}
