/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <systemd/sd-daemon.h>
#include "guest-keeper.h"
#include "idle.h"
#include "log.h"

struct idle {
    sd_event_source *timer;
    uint64_t timeout, last; /* CLOCK_MONOTONIC, microseconds */
    uint64_t watchdog_usec; /* as the unit has it; 0: none */
    bool asleep;
};

/* A watchdog has to be fed by waking up, which a daemon that waits for days must not; and a loop that sleeps in
 * epoll_wait() has nothing in which it could hang. So it guards whenever there is something to do, and is off during
 * the long sleep (sd_notify(3), WATCHDOG_USEC=). */
static void guard(struct manager *m, bool on) {
    struct idle *i = m->idle;
    int r;

    if (i->watchdog_usec == 0)
        return;
    if ((r = sd_event_set_watchdog(m->event, on)) < 0)
        log_warning_errno(r, "Cannot switch the watchdog: %m");
    sd_notifyf(false, "WATCHDOG_USEC=%" PRIu64, on ? i->watchdog_usec : 0);
}

static int set_timer(struct idle *i, uint64_t usec) {
    int r = sd_event_source_set_time(i->timer, usec);

    return r < 0 ? r : sd_event_source_set_enabled(i->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
    struct manager *m = userdata;
    struct idle *i = m->idle;

    if (manager_busy(m))
        i->last = usec;
    if (usec < i->last + i->timeout)
        return set_timer(i, i->last + i->timeout);
    if (!m->state.pending && !m->stay && !guest_keeper_running(m)) {
        manager_stop(m, "idle");
        return 0;
    }
    i->asleep = true;
    guard(m, false);
    return 0;
}

void idle_touch(struct manager *m) {
    struct idle *i = m->idle;

    if (!i || sd_event_now(m->event, CLOCK_MONOTONIC, &i->last) < 0 || !i->asleep)
        return;
    i->asleep = false;
    guard(m, true);
    (void)set_timer(i, i->last + i->timeout);
}

int idle_start(struct manager *m) {
    struct idle *i = m->idle = calloc(1, sizeof(*i));

    if (!i)
        return -ENOMEM;
    i->timeout = m->conf->idle_timeout_usec;
    if (i->timeout == UINT64_MAX) {
        i->timeout = 30 * USEC_PER_SEC; /* then it sleeps */
        m->stay = true;
    }
    if (sd_watchdog_enabled(false, &i->watchdog_usec) <= 0)
        i->watchdog_usec = 0;
    else
        (void)sd_event_set_watchdog(m->event, true);
    (void)sd_event_now(m->event, CLOCK_MONOTONIC, &i->last);
    return sd_event_add_time(m->event, &i->timer, CLOCK_MONOTONIC, i->last + i->timeout, 0, on_timer, m);
}

void idle_free(struct idle *idle) {
    if (idle)
        sd_event_source_disable_unref(idle->timer);
    free(idle);
}
