/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work in a forked process: what touches the machine never blocks the daemon's loop, leaves no memory of libkmod or
 * libvirt in it, and can crash without taking it along. */
#pragma once

#include <json-c/json.h>
#include <systemd/sd-event.h>
#include "macros.h"

/* --- in the worker --- */
struct worker;
/* RET: the result object, may be set on failure too. Logging is forbidden here: say it in the result. */
typedef int (*task_func_t)(struct worker *w, const void *arg, struct json_object **ret);
void worker_progress(struct worker *w, double fraction, const char *what);
/* Something that has happened, for who asked with task_on_event(). EVENT stays the caller's. */
void worker_event(struct worker *w, struct json_object *event);
bool worker_cancelled(struct worker *w); /* SIGTERM came: from Cancel(), the service manager or a dying daemon */

/* --- in the daemon --- */
struct task;
typedef void (*task_progress_t)(double fraction, const char *what, void *userdata);
/* R: what FUNC returned; -EPROTO: the worker ended without a result, and WHY says how. RESULT: borrowed, may be NULL. */
typedef void (*task_done_t)(int r, struct json_object *result, const char *why, void *userdata);

int task_start(sd_event *event, task_func_t func, const void *arg, task_progress_t progress, task_done_t done,
               void *userdata, struct task **ret);
typedef void (*task_event_t)(struct json_object *event, void *userdata);
void task_on_event(struct task *task, task_event_t event);
void task_cancel(struct task *task); /* asks; the task still ends through its done callback */
/* Nobody waits any more: the callbacks are not called. A running worker is asked to stop and reaped by the loop. */
struct task *task_free(struct task *task);
DEFINE_CLEANUP(struct task *, task_free)
unsigned tasks_running(void);
