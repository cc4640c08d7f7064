/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include "actor.h"
#include "text.h"

static char *say(const struct entry *e, const char *what) {
    return text_format("change %u (%s%s%s) was interrupted and has been %s", e->id, e->verb, *e->summary ? " " : "",
                       e->summary, what);
}

int recover(const struct sysroot *root, bool booting, enum recovery *ret, char **ret_message) {
    _cleanup_failure_ struct failure f = {};
    _cleanup_entry_ struct entry *e = NULL;
    _cleanup_free_ char *message = NULL, *note = NULL;
    _cleanup_close_ int lock = -EBADF;
    enum recovery result = RECOVERY_CLEAN;
    int r;

    /* Nothing unfinished needs no lock and no privilege; but what is unfinished may be another's running change. */
    r = actor_may_change(root) ? journal_unfinished(root, &e) : -ENOENT;
    if (r >= 0) {
        e = entry_free(e);
        if ((r = run_lock(root, &lock)) < 0)
            return r;
        (void)journal_sweep(root);
        r = journal_unfinished(root, &e);
    }
    if (r < 0 && r != -ENOENT)
        return r;
    if (e && e->state == CHANGE_RUNNING && run_is_nearly_done(root, e) > 0 &&
        run_forward(root, e, NULL, NULL, &note, &f) >= 0)
        result = RECOVERY_FINISHED;
    else if (e) {
        if ((r = run_backward(root, e, booting, &f)) < 0) {
            *ret_message = TAKE_PTR(f.message);
            return r;
        }
        result = RECOVERY_ROLLED_BACK;
    }
    if (e && !(message = say(e, result == RECOVERY_FINISHED ? "finished" : "rolled back")))
        return -ENOMEM;
    *ret = result;
    *ret_message = TAKE_PTR(message);
    return 0;
}
