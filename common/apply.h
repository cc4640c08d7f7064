/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* apply: runs a plan step by step, each journalled before it is made; on any failure walks the journal back.
 * Killed at any instant, recover() at the next start finishes or rolls back and says which. */
#pragma once

#include "plan.h"

/* Called between steps; false cancels (what was done is undone). FRACTION 0..1. */
typedef bool (*apply_progress_t)(double fraction, const struct step *step, void *userdata);

struct outcome {
    char *id;        /* of the journal entry: what `undo ID` takes; NULL: nothing was changed */
    int exit_code;   /* INTERFACES.md */
    bool rolled_back;
    bool pending;    /* left for later: in use, with when_idle */
    char *message, *hint; /* one line each, kernel's own message included where a load failed */
    char **blockers;
    size_t n_blockers;
};
void outcome_done(struct outcome *o); /* frees what it points to */

/* Negative errno only where nothing is known of the result (-ENOMEM, journal not writable, -EBUSY another nestd or
 * nestctl is applying: a lock file under NESTD_RUNDIR); else 0 and *ret is filled in. */
int apply_plan(const struct sysroot *root, const struct plan *plan, const char *verb, apply_progress_t progress,
               void *userdata, struct outcome *ret);

struct change { /* one entry of the undo list, newest first */
    char *id, *verb, *summary;
    uint64_t realtime_usec;
    bool undone;
};
int undo_list(const struct sysroot *root, struct change **ret, size_t *ret_n);
void changes_free(struct change *changes, size_t n);
/* ID NULL: the last change that is not undone. -ENOENT: none such. The plan puts back exactly what was there. */
int undo_plan(const struct sysroot *root, const struct host_facts *facts, const char *id, struct plan **ret);
int undo_apply(const struct sysroot *root, const char *id, const struct plan *plan, apply_progress_t progress,
               void *userdata, struct outcome *ret);

enum recovery { RECOVERY_CLEAN, RECOVERY_FINISHED, RECOVERY_ROLLED_BACK };
/* Called first by whoever is about to change the host. MESSAGE says what was found, or why it failed; NULL when clean.
 * BOOTING: libvirt's daemon waits for us to have started and must not be waited for; -EHOSTDOWN: its guests are still to be
 * put back, all the rest is done. */
int recover(const struct sysroot *root, bool booting, enum recovery *ret, char **ret_message);

/* A wish that waits for the module to become idle. */
int pending_load(const struct sysroot *root, struct wish *ret); /* -ENOENT: none */
int pending_store(const struct sysroot *root, const struct wish *wish); /* wish NULL: removes */
