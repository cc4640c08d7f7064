/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include <time.h>

#include "actor.h"
#include "params.h"
#include "text.h"

#define PROBES     4
#define PROBE_MSEC 20000 /* a second or so where KVM is real */

void outcome_done(struct outcome *o) {
    free(o->id);
    free(o->message);
    free(o->hint);
    strings_free(o->blockers, o->n_blockers);
    *o = (struct outcome){};
}

/* Takes MESSAGE over; NULL: -ENOMEM. */
static int set_result(struct outcome *o, int exit_code, char *message, const char *hint) {
    o->exit_code = exit_code;
    o->message = message;
    if (!message || (hint && !(o->hint = strdup(hint))))
        return -ENOMEM;
    return 0;
}

static const char *module_of(const struct plan *plan) {
    const struct step *s = steps_find(plan->steps, plan->n_steps, STEP_UNLOAD_MODULE);

    return s ? s->target : NULL;
}

/* What the plan itself says: nothing is to be done, or nothing can be. */
static int result_of_plan(const struct plan *plan, struct outcome *o) {
    int r = set_result(o, plan_exit_code(plan), strdup(plan->message ? plan->message : "nothing to do"), plan->hint);

    for (size_t i = 0; i < plan->n_blockers && r >= 0; i++)
        r = strings_push(&o->blockers, &o->n_blockers, strdup(plan->blockers[i]));
    return r;
}

static char *join(char **list, size_t n) {
    _cleanup_fclose_ FILE *f = NULL;
    char *s = NULL;
    size_t size;

    if (!(f = open_memstream(&s, &size)))
        return NULL;
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%s", i ? ", " : "", list[i]);
    if (fclose(TAKE_PTR(f)) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

/* In use: exit 4 with the users named, or, if it may wait, a note for nestd to do it later. Takes USERS over. */
static int result_blocked(const struct sysroot *root, const struct plan *plan, const char *module, char **users,
                          size_t n_users, struct outcome *o) {
    _cleanup_free_ char *names = NULL;
    int r;

    o->blockers = users;
    o->n_blockers = n_users;
    if (n_users > 0 && !(names = join(users, n_users)))
        return -ENOMEM;
    if (plan->wish.when_idle) {
        if ((r = pending_store(root, &plan->wish)) < 0)
            return r;
        o->pending = true;
        return set_result(o, 0, text_format("%s waits until %s is idle%s%s", strempty(plan->summary), module,
                                            names ? "; in use by " : "", strempty(names)),
                          "nestd makes the change when the last user goes; \"nestctl undo\" takes it back");
    }
    return set_result(o, 4, text_format("%s is in use%s%s", module, names ? " by " : "", strempty(names)),
                      "stop what uses it, or use --when-idle: nestd makes the change when the last user goes");
}

static int exit_code_of(const struct failure *f) {
    switch (-f->error) {
    case EBUSY:
        return 4;
    case EOPNOTSUPP:
    case ENODEV:
        return 3;
    default:
        return 1;
    }
}

static int result_failed(const struct sysroot *root, const struct plan *plan, struct entry *e, struct failure *f,
                         struct outcome *o) {
    _cleanup_free_ char *why = f->message ? strdup(f->message) : strdup(strerror(-f->error));
    _cleanup_failure_ struct failure back = {};
    const char *module = module_of(plan);
    char **users = NULL;
    size_t n_users = 0;
    int r;

    if (!why)
        return -ENOMEM;
    if (run_backward(root, e, false, &back) < 0) {
        if (!(o->id = text_format("%u", e->id)))
            return -ENOMEM;
        return set_result(o, back.error == -EBUSY ? 4 : 1,
                          text_format("%s; putting things back failed too: %s", why,
                                      back.message ? back.message : strerror(-back.error)),
                          "nestd and the next nestctl that changes something will try to put them back again");
    }
    o->rolled_back = true;
    /* Somebody began to use it after it was found idle. */
    if (f->error == -EBUSY && module) {
        if ((r = actor_module_users(root, module, &users, &n_users)) < 0)
            return r;
        return result_blocked(root, plan, module, users, n_users, o);
    }
    return set_result(o, exit_code_of(f), text_format("%s; everything is as it was before", why),
                      f->unmet ? "this CPU, its firmware or the hypervisor below does not allow it" : NULL);
}

static int result_done(const struct plan *plan, const struct entry *e, const char *note, struct outcome *o) {
    if (!(o->id = text_format("%u", e->id)))
        return -ENOMEM;
    if (e->undoes)
        return set_result(o, 0, text_format("change %u undone%s%s", e->undoes, *e->summary ? ": " : "", e->summary), note);
    return set_result(o, 0, text_format("%s%s", e->summary,
                                        plan->wish.runtime_only ? ", until the module is loaded again" :
                                                                  ", now and at every boot"),
                      note);
}

/* What the plan was made from may have changed since: another nestctl, an administrator, a reload. */
static int is_stale(const struct sysroot *root, const struct plan *plan, const char *text) {
    const struct step *file = steps_find(plan->steps, plan->n_steps, STEP_WRITE_OPTIONS),
                      *unload = steps_find(plan->steps, plan->n_steps, STEP_UNLOAD_MODULE);
    _cleanup_free_ char *name = NULL, *value = NULL;
    int r;

    if (file && !streq_ptr(file->before, text))
        return 1;
    if (!unload)
        return 0;
    r = params_first_difference(root, unload->target, unload->before, &name, &value);
    return r == -ENOENT ? 1 : r < 0 ? r : !!name;
}

/* BEFORE: what the options file has now. */
static int new_entry(const struct plan *plan, const char *verb, const struct entry *undoes, const struct attributes *before,
                     struct entry **ret) {
    _cleanup_entry_ struct entry *e = calloc(1, sizeof(*e));
    struct timespec now;

    if (!e)
        return -ENOMEM;
    clock_gettime(CLOCK_REALTIME, &now);
    e->realtime_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    e->undoes = undoes ? undoes->id : 0;
    if (attributes_copy(before, &e->before) < 0 || attributes_copy(undoes ? &undoes->before : before, &e->after) < 0)
        return -ENOMEM;
    e->verb = strdup(verb);
    e->summary = strdup(strempty(plan->summary));
    if (!e->verb || !e->summary || steps_copy(plan->steps, plan->n_steps, &e->steps) < 0)
        return -ENOMEM;
    e->n_steps = plan->n_steps;
    *ret = TAKE_PTR(e);
    return 0;
}

static int read_options_for(const struct sysroot *root, char **ret, struct attributes *ret_attributes, struct outcome *o) {
    int r = run_read_options(root, ret, ret_attributes);

    if (r == -EMLINK)
        return set_result(o, 1, text_format("%s is a symbolic link", NESTD_MODPROBE_CONF),
                          "nestd replaces only a plain file there: remove the link") < 0 ? -ENOMEM : 1;
    if (r < 0)
        return set_result(o, 1, text_format("%s cannot be kept as it is: %s", NESTD_MODPROBE_CONF,
                                            r == -EBADMSG ? "it is not text" : strerror(-r)),
                          "move it away") < 0 ? -ENOMEM : 1;
    return 0;
}

/* All that is known to stand in the way before anything is touched. 1: *O says what does. */
static int check_before(const struct sysroot *root, const struct plan *plan, const char *text, struct outcome *o) {
    const char *module = module_of(plan);
    char **users = NULL;
    size_t n_users = 0;
    int r;

    if ((r = is_stale(root, plan, text)) < 0)
        return r;
    if (r > 0)
        return set_result(o, 1, strdup("the host has changed since the change was planned"), "do it again") < 0 ?
                       -ENOMEM : 1;
    if (!module)
        return 0;
    if ((r = actor_module_users(root, module, &users, &n_users)) < 0)
        return r;
    /* libvirt asks every QEMU twice: with KVM and without. */
    for (unsigned i = 0; n_users > 0 && i < PROBES && actor_wait_for_probe(root, PROBE_MSEC); i++) {
        strings_free(users, n_users);
        if ((r = actor_module_users(root, module, &users, &n_users)) < 0)
            return r;
    }
    if (n_users == 0)
        return 0;
    r = result_blocked(root, plan, module, users, n_users, o);
    return r < 0 ? r : 1;
}

static int run_locked(const struct sysroot *root, const struct plan *plan, const char *verb, const struct entry *undoes,
                      apply_progress_t progress, void *userdata, struct outcome *o) {
    _cleanup_entry_ struct entry *e = NULL, *unfinished = NULL;
    _cleanup_free_ char *text = NULL, *note = NULL;
    _cleanup_attributes_ struct attributes before = {};
    _cleanup_failure_ struct failure f = {};
    int r;

    (void)journal_sweep(root);
    if ((r = journal_unfinished(root, &unfinished)) != -ENOENT)
        return r < 0 ? r : -EUCLEAN;
    if ((r = read_options_for(root, &text, &before, o)) != 0 || (r = check_before(root, plan, text, o)) != 0)
        return r < 0 ? r : 0;
    if ((r = new_entry(plan, verb, undoes, &before, &e)) < 0 || (r = journal_begin(root, e)) < 0)
        return r;
    if (run_forward(root, e, progress, userdata, &note, &f) < 0)
        return result_failed(root, plan, e, &f, o);
    /* Whatever was still waiting has been overtaken by this. */
    (void)pending_store(root, NULL);
    return result_done(plan, e, note, o);
}

int run_plan(const struct sysroot *root, const struct plan *plan, const char *verb, const struct entry *undoes,
             apply_progress_t progress, void *userdata, struct outcome *ret) {
    _cleanup_(outcome_done) struct outcome o = {};
    _cleanup_close_ int lock = -EBADF;
    int r = 0;

    if (!actor_may_change(root))
        r = set_result(&o, 2, text_format("%s is not the running machine: nothing can be changed there", root->path),
                       "use --dry-run to see what would be done");
    else if (plan->verdict == PLAN_UNSUPPORTED || plan->verdict == PLAN_REBOOT ||
             (plan->verdict == PLAN_BLOCKED && plan->n_steps == 0))
        r = result_of_plan(plan, &o);
    else if ((r = run_lock(root, &lock)) < 0)
        return r;
    else if (plan->verdict == PLAN_NOTHING) {
        if ((r = pending_store(root, NULL)) >= 0)
            r = result_of_plan(plan, &o);
    } else
        r = run_locked(root, plan, verb, undoes, progress, userdata, &o);
    if (r < 0)
        return r;
    *ret = o;
    o = (struct outcome){};
    return 0;
}

int apply_plan(const struct sysroot *root, const struct plan *plan, const char *verb, apply_progress_t progress,
               void *userdata, struct outcome *ret) {
    return run_plan(root, plan, verb, NULL, progress, userdata, ret);
}
