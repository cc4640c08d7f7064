/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carrying out the steps of a journal entry, forwards and backwards. Used by apply, undo and recover. */
#pragma once

#include "apply.h"
#include "journal.h"

/* Why it did not go on. */
struct failure {
    int error;     /* negative errno */
    char *message; /* one line; NULL: the errno says it all */
    bool unmet;    /* the kernel took the parameters but does not do as told: this host cannot */
};
void failure_done(struct failure *f);
#define _cleanup_failure_ _cleanup_(failure_done)

/* The lock that makes one change wait for the other: -EBUSY while another process holds it. */
int run_lock(const struct sysroot *root, int *ret_fd);

/* From e->current to the end, each step journalled before it is made, then CHANGE_DONE. *NOTE: see
 * actor_libvirt_refresh(). PROGRESS may be NULL. On failure nothing was undone yet. */
int run_forward(const struct sysroot *root, struct entry *e, apply_progress_t progress, void *userdata, char **note,
                struct failure *ret_failure);
/* Puts everything back that the steps up to e->current may have changed, looking at what is there, so that it may be
 * done again and again; then forgets the entry. On failure the entry stays, to be tried again. BOOTING: see recover(). */
int run_backward(const struct sysroot *root, struct entry *e, bool booting, struct failure *ret_failure);
/* Is everything changed already, so that only looking is left? Then e->current is moved there. -errno: cannot tell. */
int run_is_nearly_done(const struct sysroot *root, struct entry *e);

/* Whom a STEP_CHANGE_GUEST is about; NAME is a part of S. -EBADMSG: it is none. */
#define RUN_UUID_LENGTH 36
struct run_guest {
    char uuid[RUN_UUID_LENGTH + 1];
    const char *name;
};
int run_guest(const struct step *s, struct run_guest *ret);

/* The text of the options file and what else it has; no file: *RET NULL. -EBADMSG: a NUL is in it. -EMLINK: a symlink. */
int run_read_options(const struct sysroot *root, char **ret, struct attributes *ret_attributes);

/* The whole of it: lock, check, journal, forwards, and back again on failure. UNDOES: NULL, or the change to be taken back. */
int run_plan(const struct sysroot *root, const struct plan *plan, const char *verb, const struct entry *undoes,
             apply_progress_t progress, void *userdata, struct outcome *ret);
