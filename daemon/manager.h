/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's state. All of it can be read again from the machine; jobs are the one exception, and they are short. */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include "common/bus.h"
#include "task.h"
#include "work.h"

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* What the properties of org.nestd1.Host say, kept so that reading one costs no look at the machine. */
struct host_state {
    char *vendor, *extension, *module;
    bool capable, enabled, persistent, pending;
};

struct guest_keeper;
struct watch;
struct job;

struct manager {
    sd_event *event;
    sd_bus *bus;
    struct sysroot *root;
    const char *root_path; /* NULL: the running machine */
    struct conf *conf;
    struct host_state state;
    bool state_known;

    struct task *refresh; /* the description being made, for CALLERS */
    sd_bus_message **callers, **next_callers;
    size_t n_callers, n_next_callers;
    sd_event_source *refresh_timer;

    struct job **jobs; /* oldest first */
    size_t n_jobs;
    uint64_t next_job_id;
    struct job *changing; /* the one job that may change the host */
    unsigned n_requests;  /* being planned or authorised */

    struct watch *watch;
    struct idle *idle;
    struct pending *pending;
    struct guest_keeper *keeper;
    bool stay;     /* IdleExitSec=infinity */
    bool stopping; /* no longer on the bus, finishing what is begun */
};

/* Calls that a worker or polkit is busy with: whoever may call us must not be able to make us fork without end. */
#define REQUESTS_MAX 16

int manager_new(const char *root_path, struct manager **ret);
struct manager *manager_free(struct manager *m);
DEFINE_CLEANUP(struct manager *, manager_free)
int manager_run(struct manager *m);
void manager_stop(struct manager *m, const char *why);
bool manager_busy(const struct manager *m);

/* state.c: the cache behind the properties */
void state_done(struct host_state *s);
/* Takes over what RESULT ("summary" of work_describe()) says and emits PropertiesChanged for what is different. */
int manager_take_summary(struct manager *m, struct json_object *result);
/* Describes the host anew; MESSAGE, if not NULL, is answered with it. Never with a look that began before the call. */
int manager_refresh(struct manager *m, sd_bus_message *message);
void manager_refresh_soon(struct manager *m); /* something changed: look once it has calmed down */

/* host.c, job.c; guest-*.c will stand beside them, under NESTD_BUS_GUEST_PATH */
int host_add_object(struct manager *m);

/* errors.c */
int error_from_errno(sd_bus_error *e, int r, const char *why);
