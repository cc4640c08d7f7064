/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: one small JSON file a change, NESTD_STATEDIR/changes/ID.json, replaced as a whole (temporary file, fsync,
 * rename), so that at any instant it holds one state or the next. It is written before the machine is touched and
 * holds all that is needed to put the machine back. Contents of files may be any bytes. */
#pragma once

#include "plan.h"
#include "sysroot.h"

#define JOURNAL_DIR NESTD_STATEDIR "/changes"
#define JOURNAL_KEEP 64 /* changes; older ones that are done are forgotten */

enum change_state {
    CHANGE_RUNNING,      /* steps before CURRENT are done, CURRENT may be */
    CHANGE_ROLLING_BACK, /* what was done is being undone */
    CHANGE_DONE,
    _CHANGE_STATE_MAX,
};

struct entry {
    unsigned id; /* from 1 */
    enum change_state state;
    char *verb, *summary;
    uint64_t realtime_usec;
    unsigned undoes; /* the change that this one takes back; 0: none */
    struct step *steps;
    size_t n_steps;
    size_t current;
    /* Of /etc/modprobe.d/nestd.conf; what a step calls before and after is its content. */
    struct attributes before, after;
};

void steps_free(struct step *steps, size_t n);
int step_copy(const struct step *from, struct step *ret);
int steps_copy(const struct step *from, size_t n, struct step **ret);
/* A step of this kind, or NULL. */
const struct step *steps_find(const struct step *steps, size_t n, enum step_kind kind);

struct entry *entry_free(struct entry *e);
DEFINE_CLEANUP(struct entry *, entry_free)
#define _cleanup_entry_ _cleanup_(entry_freep)

/* The ids there are, ascending. No directory: none. */
int journal_ids(const struct sysroot *root, unsigned **ret, size_t *ret_n);
/* -ENOENT; -EBADMSG: the file is not one of ours. */
int journal_load(const struct sysroot *root, unsigned id, struct entry **ret);
int journal_store(const struct sysroot *root, const struct entry *e);
int journal_remove(const struct sysroot *root, unsigned id);
/* The entry that was not brought to an end, -ENOENT: none. */
int journal_unfinished(const struct sysroot *root, struct entry **ret);
/* Gives E the next id, stores it and forgets what is older than JOURNAL_KEEP changes. */
int journal_begin(const struct sysroot *root, struct entry *e);
/* Removes what writers that were killed left beside the files they were about to replace. */
int journal_sweep(const struct sysroot *root);
