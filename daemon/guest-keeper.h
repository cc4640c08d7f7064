/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* [Guests] of nestd.conf, kept true: a worker waits for libvirt's events for as long as nestd runs. Without such a
 * section there is no worker, and libvirt is not loaded. */
#pragma once

#include "manager.h"

/* Starts, restarts or stops it, as m->conf says. */
int guest_keeper_update(struct manager *m);
/* Asks the worker to stop; it ends by itself. */
void guest_keeper_stop(struct manager *m);
bool guest_keeper_running(const struct manager *m);
void guest_keeper_free(struct guest_keeper *k);

/* The worker (a task_func_t): guest-watch.c */
int work_keep_guests(struct worker *w, const void *order, struct json_object **ret);
