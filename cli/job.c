/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <systemd/sd-event.h>
#include "agent.h"
#include "job.h"
#include "progress.h"

enum { AUTHORISE_TIMEOUT_USEC = 300 * 1000000 }; /* somebody types a password meanwhile */

struct job {
    const struct options *options;
    sd_bus *bus;
    sd_event *event;
    char *path;
    char *result; /* JSON once the job has ended */
    unsigned interrupts;
    bool lost; /* nestd went away */
};

static void job_done(struct job *job) {
    free(job->path);
    free(job->result);
    sd_event_unref(job->event);
}

static int read_property(sd_bus_message *m, struct job *job, const char *name) {
    const char *text;
    double fraction;
    int r;

    if (streq(name, "Progress")) {
        r = sd_bus_message_read(m, "v", "d", &fraction);
        if (r >= 0)
            progress_show(job->options, fraction, NULL);
        return r;
    }
    if (!streq(name, "Result"))
        return sd_bus_message_skip(m, "v");
    r = sd_bus_message_read(m, "v", "s", &text);
    if (r < 0 || !*text)
        return r;
    free(job->result);
    job->result = strdup(text);
    return job->result ? 0 : -ENOMEM;
}

/* An a{sv} of the Job interface. */
static int read_properties(sd_bus_message *m, struct job *job) {
    const char *name;
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");

    if (r < 0)
        return r;
    while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
            r = read_property(m, job, name);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (job->result)
        (void)sd_event_exit(job->event, 0);
    return r;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    struct job *job = userdata;
    const char *interface;

    if (!streq_ptr(job->path, sd_bus_message_get_path(m)))
        return 0;
    if (sd_bus_message_read(m, "s", &interface) < 0 || !streq(interface, NESTD_BUS_JOB))
        return 0;
    (void)read_properties(m, job);
    return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
    struct job *job = userdata;
    const char *name, *before, *after;

    if (job->path && sd_bus_message_read(m, "sss", &name, &before, &after) >= 0 && *before && !*after) {
        job->lost = true;
        (void)sd_event_exit(job->event, 0);
    }
    return 0;
}

static int on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
    struct job *job = userdata;
    int r;

    progress_clear();
    if (job->interrupts++ > 0)
        return sd_event_exit(job->event, 0);
    r = sd_bus_call_method_async(job->bus, NULL, NESTD_BUS_NAME, job->path, NESTD_BUS_JOB, "Cancel", NULL, NULL, NULL);
    if (r >= 0)
        r = sd_bus_flush(job->bus); /* what is said is so */
    say(job->options, "Cancelling: what was done is undone. Ctrl-C again leaves the job to nestd.");
    return r;
}

/* Before the job is made, so that no signal of it is missed. */
static int subscribe(struct job *job) {
    int r = sd_bus_add_match(job->bus, NULL,
                             "type='signal',sender='" NESTD_BUS_NAME "',interface='org.freedesktop.DBus.Properties',"
                             "member='PropertiesChanged',path_namespace='" NESTD_BUS_JOB_PATH "'",
                             on_properties, job);

    if (r < 0)
        return r;
    return sd_bus_add_match(job->bus, NULL,
                            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                            "member='NameOwnerChanged',arg0='" NESTD_BUS_NAME "'",
                            on_owner_changed, job);
}

/* Signals sent between the method's answer and now are still queued; an ended job may also answer this. */
static int read_state(struct job *job) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = sd_bus_call_method(job->bus, NESTD_BUS_NAME, job->path, "org.freedesktop.DBus.Properties", "GetAll", &error,
                               &reply, "s", NESTD_BUS_JOB);

    return r < 0 ? r : read_properties(reply, job);
}

static int follow(struct job *job) {
    sigset_t interrupt;
    int r;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, NULL);
    r = sd_event_add_signal(job->event, NULL, SIGINT, on_interrupt, job);
    if (r >= 0)
        r = sd_bus_attach_event(job->bus, job->event, 0);
    if (r >= 0 && (r = read_state(job)) < 0)
        /* nestd may have gone since it took the job: the signal that says so came before this answer. */
        while (!job->lost && !job->result && sd_bus_process(job->bus, NULL) > 0)
            ;
    if (r >= 0 && !job->result)
        r = sd_event_loop(job->event);
    (void)sd_bus_detach_event(job->bus);
    progress_clear();
    return r;
}

static int start(struct job *job, sd_bus_message *call) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const char *path;
    int r;

    agent_start(job->options);
    r = sd_bus_call(job->bus, call, AUTHORISE_TIMEOUT_USEC, &error, &reply);
    agent_stop();
    if (r < 0)
        return bus_fail(job->options, sd_bus_message_get_member(call), &error, r);
    r = sd_bus_message_read(reply, "o", &path);
    if (r < 0)
        return fail_errno(r, "nestd", "are nestctl and nestd of one version?");
    job->path = strdup(path);
    return job->path ? EXIT_DONE : fail_errno(-ENOMEM, "nestd", NULL);
}

int job_run(sd_bus *bus, sd_bus_message *call, const struct options *options, struct json_object **ret) {
    _cleanup_(job_done) struct job job = {.options = options, .bus = bus};
    int r;

    r = sd_event_new(&job.event);
    if (r >= 0)
        r = subscribe(&job);
    if (r < 0)
        return bus_fail(options, "nestd", NULL, r);
    r = start(&job, call);
    if (r != EXIT_DONE)
        return r;
    r = follow(&job);
    if (job.result)
        r = json_parse(job.result, ret);
    else if (job.interrupts > 1)
        return fail(EXIT_FAILED, job.path, "'nestctl monitor' follows it, 'nestctl status' says how it ended",
                    "still being cancelled by nestd");
    else if (job.lost)
        return fail(EXIT_FAILED, "nestd", "its next start finishes the change or rolls it back; see 'nestctl status'",
                    "stopped before the job ended");
    if (r < 0)
        return bus_fail(options, "nestd", NULL, r);
    return member_int(*ret, "exit_code");
}
