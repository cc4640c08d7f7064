/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undo: a plan like any other, made from a journal entry instead of a wish, journalled and undone like any other. */
#include "run.h"

#include "actor.h"
#include "params.h"
#include "plan-build.h"
#include "text.h"

struct history {
    struct entry **list; /* done ones, newest first */
    bool *undone;
    size_t n;
};

static void history_done(struct history *h) {
    for (size_t i = 0; i < h->n; i++)
        entry_free(h->list[i]);
    free(h->list);
    free(h->undone);
}

/* A change is undone by a later one that undoes it and is not undone itself. */
static void mark_undone(struct history *h) {
    for (size_t i = 0; i < h->n; i++)
        for (size_t k = i + 1; !h->undone[i] && h->list[i]->undoes && k < h->n; k++)
            if (h->list[k]->id == h->list[i]->undoes)
                h->undone[k] = true;
}

static int read_history(const struct sysroot *root, struct history *ret) {
    _cleanup_(history_done) struct history h = {};
    _cleanup_free_ unsigned *ids = NULL;
    size_t n;
    int r = journal_ids(root, &ids, &n);

    if (r < 0)
        return r;
    h.list = calloc(n + 1, sizeof(*h.list));
    h.undone = calloc(n + 1, sizeof(*h.undone));
    if (!h.list || !h.undone)
        return -ENOMEM;
    while (n-- > 0) {
        _cleanup_entry_ struct entry *e = NULL;

        r = journal_load(root, ids[n], &e);
        if (r == -EBADMSG || r == -ENOENT || (r >= 0 && e->state != CHANGE_DONE))
            continue;
        if (r < 0)
            return r;
        h.list[h.n++] = TAKE_PTR(e);
    }
    mark_undone(&h);
    *ret = h;
    h = (struct history){};
    return 0;
}

static int fill_change(const struct entry *e, bool undone, struct change *c) {
    c->id = text_format("%u", e->id);
    c->verb = text_clean(e->verb, SIZE_MAX, TEXT_MAX);
    c->summary = e->undoes ? text_format("of change %u", e->undoes) : text_clean(e->summary, SIZE_MAX, TEXT_MAX);
    c->realtime_usec = e->realtime_usec;
    c->undone = undone;
    return c->id && c->verb && c->summary ? 0 : -ENOMEM;
}

int undo_list(const struct sysroot *root, struct change **ret, size_t *ret_n) {
    _cleanup_(history_done) struct history h = {};
    struct change *changes;
    int r = read_history(root, &h);

    if (r < 0)
        return r;
    if (!(changes = calloc(h.n + 1, sizeof(*changes))))
        return -ENOMEM;
    for (size_t i = 0; i < h.n; i++)
        if (fill_change(h.list[i], h.undone[i], &changes[i]) < 0) {
            changes_free(changes, h.n);
            return -ENOMEM;
        }
    *ret = changes;
    *ret_n = h.n;
    return 0;
}

void changes_free(struct change *changes, size_t n) {
    for (size_t i = 0; changes && i < n; i++) {
        free(changes[i].id);
        free(changes[i].verb);
        free(changes[i].summary);
    }
    free(changes);
}

/* ID NULL: the newest that is not undone and is no undo itself (an undo is taken back by its own id only). */
static int find_change(const struct history *h, const char *id, size_t *ret) {
    unsigned number = 0;

    if (id && text_to_unsigned(id, &number) < 0)
        return -ENOENT;
    for (size_t i = 0; i < h->n; i++)
        if (id ? h->list[i]->id == number && !h->undone[i] : !h->undone[i] && !h->list[i]->undoes) {
            *ret = i;
            return 0;
        }
    return -ENOENT;
}

static const struct step *find(const struct entry *e, enum step_kind kind) {
    return steps_find(e->steps, e->n_steps, kind);
}

static bool touches_module(const struct entry *e) {
    return find(e, STEP_UNLOAD_MODULE) || find(e, STEP_LOAD_MODULE) || find(e, STEP_SET_PARAMETER);
}

/* Later changes of the same thing have to go first. */
static int check_later(const struct history *h, size_t index, struct plan *plan) {
    const struct entry *e = h->list[index];

    for (size_t i = 0; i < index; i++) {
        const struct entry *later = h->list[i];
        int r;

        if (h->undone[i] || later->undoes ||
            !((find(e, STEP_WRITE_OPTIONS) && find(later, STEP_WRITE_OPTIONS)) ||
              (find(e, STEP_CHANGE_GUEST) && find(later, STEP_CHANGE_GUEST)) ||
              (touches_module(e) && touches_module(later))))
            continue;
        if ((r = strings_push(&plan->blockers, &plan->n_blockers,
                              text_format("change %u (%s %s)", later->id, later->verb, later->summary))) < 0)
            return r;
    }
    if (plan->n_blockers == 0)
        return 0;
    plan->verdict = PLAN_BLOCKED;
    plan->message = text_format("later changes build on change %u", e->id);
    plan->hint = strdup("undo those first, the newest first");
    return plan->message && plan->hint ? 1 : -ENOMEM;
}

static int undo_file(const struct sysroot *root, const struct entry *e, struct plan *plan) {
    const struct step *s = find(e, STEP_WRITE_OPTIONS);
    _cleanup_attributes_ struct attributes attributes = {};
    _cleanup_free_ char *text = NULL;
    int r;

    if (!s)
        return 0;
    r = run_read_options(root, &text, &attributes);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || (!streq_ptr(text, s->after) && !streq_ptr(text, s->before))) {
        plan->verdict = PLAN_BLOCKED;
        plan->message = text_format("%s was changed by somebody else since change %u", NESTD_MODPROBE_CONF, e->id);
        plan->hint = strdup("move it away or put back what nestd wrote (nestctl undo --list), then undo");
        if (!plan->message || !plan->hint)
            return -ENOMEM;
        r = strings_push(&plan->blockers, &plan->n_blockers, strdup(NESTD_MODPROBE_CONF));
        return r < 0 ? r : 1;
    }
    if (streq_ptr(text, s->before) && (!text || attributes_equal(&attributes, &e->before)))
        return 0;
    return plan_add_step(plan, STEP_WRITE_OPTIONS, NESTD_MODPROBE_CONF, text, s->before,
                         strdup(s->before ? "as it was before" : "it did not exist before"));
}

/* The values of OPTIONS that the module, as it is now, has a parameter for: another kernel may have others. */
static int known_options(const struct host_facts *facts, const char *options, char **ret) {
    _cleanup_params_ struct params all = {}, known = {};
    int r = params_parse(options, &all);

    for (size_t i = 0; r >= 0 && i < all.n; i++)
        FOREACH_ARRAY(p, facts->vendor_module.parameters, facts->vendor_module.n_parameters)
            if (text_same_name(p->name, all.list[i].name))
                r = params_set(&known, all.list[i].name, all.list[i].value);
    return r < 0 ? r : params_format(&known, ret);
}

/* Somebody else loads or unloads it at this moment, so that the parameters it has now say nothing. */
static bool is_unstable(const struct module_facts *m) {
    return m->state == MODULE_LOADED && ((m->initstate && !streq(m->initstate, "live")) || m->n_parameters == 0);
}

static int wait_for_module(struct plan *plan, const struct module_facts *m) {
    steps_free(TAKE_PTR(plan->steps), plan->n_steps);
    plan->n_steps = 0;
    plan->verdict = PLAN_BLOCKED;
    plan->message = text_format("%s is being loaded or unloaded right now", m->name);
    plan->hint = strdup("try again in a moment");
    return plan->message && plan->hint ? 1 : -ENOMEM;
}

static int undo_reload(const struct sysroot *root, const struct host_facts *facts, const struct entry *e,
                       struct plan *plan) {
    const struct step *unload = find(e, STEP_UNLOAD_MODULE), *load = find(e, STEP_LOAD_MODULE);
    _cleanup_free_ char *now = NULL, *then = NULL, *name = NULL, *value = NULL;
    bool loaded = facts->vendor_module.state == MODULE_LOADED;
    int r;

    if (!unload && !load)
        return 0;
    if (!facts->vendor_module.name || !streq((unload ? unload : load)->target, facts->vendor_module.name)) {
        plan->verdict = PLAN_UNSUPPORTED;
        plan->message = text_format("change %u was made to %s, which this host does not use", e->id,
                                    (unload ? unload : load)->target);
        return plan->message ? 1 : -ENOMEM;
    }
    if (is_unstable(&facts->vendor_module))
        return wait_for_module(plan, &facts->vendor_module);
    if (facts->vendor_module.state == MODULE_BUILTIN || (!unload && !loaded))
        return 0;
    if ((loaded && (r = plan_current_options(facts, &now)) < 0) ||
        (unload && (r = known_options(facts, unload->before, &then)) < 0))
        return r;
    if (loaded && then) {
        if ((r = params_first_difference(root, facts->vendor_module.name, then, &name, &value)) < 0)
            return r;
        if (!name)
            return 0; /* it is so already, perhaps since a reboot */
    }
    if ((r = plan_add_reload(plan, facts, now, then,
                             then ? "its parameters are read only when it is loaded" : "it was not loaded before")) < 0 ||
        (r = plan_add_refresh(plan, true)) < 0 ||
        (then && (r = plan_add_verify(plan, facts->vendor_module.name, NULL, then)) < 0))
        return r;
    return loaded ? plan_check_idle(plan, facts) : 0;
}

static int undo_parameters(const struct sysroot *root, const struct entry *e, struct plan *plan) {
    for (size_t i = e->n_steps; i-- > 0;) {
        const struct step *s = &e->steps[i];
        _cleanup_free_ char *path = NULL, *live = NULL, *slash = NULL;
        int r;

        if (s->kind != STEP_SET_PARAMETER || !s->before)
            continue;
        slash = strchr(s->target, '/') ? strdup(strchr(s->target, '/')) : NULL;
        path = slash ? text_format("/sys/module/%.*s/parameters%s", (int)(strchr(s->target, '/') - s->target),
                                   s->target, slash) : NULL;
        if (!path)
            return -ENOMEM;
        if (sysroot_read_line(root, path, &live) < 0 || param_value_equal(live, s->before))
            continue;
        if ((r = plan_add_step(plan, STEP_SET_PARAMETER, s->target, live, s->before, strdup("as it was before"))) < 0)
            return r;
    }
    return 0;
}

static int cannot_undo_guest(struct plan *plan, const char *name, const char *why) {
    steps_free(TAKE_PTR(plan->steps), plan->n_steps);
    plan->n_steps = 0;
    plan->verdict = PLAN_BLOCKED;
    plan->message = text_format("guest %s cannot be put back: %s", name, why);
    plan->hint = strdup("is libvirtd or virtqemud running?");
    return plan->message && plan->hint ? 1 : -ENOMEM;
}

/* Guests that somebody has changed since, or that are gone, are left alone. */
static int undo_guests(const struct sysroot *root, const struct entry *e, struct plan *plan) {
    for (size_t i = e->n_steps; i-- > 0;) {
        const struct step *s = &e->steps[i];
        _cleanup_free_ char *now = NULL, *why = NULL;
        struct run_guest g;
        int r;

        if (run_guest(s, &g) < 0)
            continue;
        r = actor_guest_state(root, g.uuid, true, &now, &why);
        if (r == -ENOMEM)
            return r;
        if (r < 0 && r != -ENOENT)
            return cannot_undo_guest(plan, g.name, why ? why : strerror(-r));
        if (r >= 0 && streq(now, s->before))
            continue;
        if (r >= 0 && streq(now, s->after))
            r = plan_add_step(plan, STEP_CHANGE_GUEST, s->target, s->after, s->before, strdup("its definition as it was before"));
        else
            r = strings_push(&plan->notes, &plan->n_notes,
                             text_format("guest %s stays as it is: %s", g.name,
                                         why ? why : "somebody else has changed it since"));
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_pending(const struct sysroot *root) {
    struct wish wish;

    return pending_load(root, &wish) != -ENOENT;
}

/* What waits for the module to become idle is the last change, though it was not made yet. */
static int plan_to_forget(struct plan *plan) {
    plan->verdict = PLAN_NOTHING;
    plan->message = strdup("the change that waited for the module to become idle will not be made");
    return plan->message ? 0 : -ENOMEM;
}

int undo_plan(const struct sysroot *root, const struct host_facts *facts, const char *id, struct plan **ret) {
    _cleanup_(plan_freep) struct plan *plan = calloc(1, sizeof(*plan));
    _cleanup_(history_done) struct history h = {};
    const struct entry *e;
    size_t index;
    int r;

    if (!plan)
        return -ENOMEM;
    plan->verdict = PLAN_READY;
    if (!id && is_pending(root)) {
        if ((r = plan_to_forget(plan)) < 0)
            return r;
        *ret = TAKE_PTR(plan);
        return 0;
    }
    if ((r = read_history(root, &h)) < 0 || (r = find_change(&h, id, &index)) < 0)
        return r;
    e = h.list[index];
    if (!(plan->summary = strdup(e->summary)))
        return -ENOMEM;
    r = check_later(&h, index, plan);
    if (r == 0)
        r = undo_file(root, e, plan);
    if (r == 0)
        r = undo_parameters(root, e, plan);
    if (r == 0)
        r = undo_reload(root, facts, e, plan);
    if (r == 0)
        r = undo_guests(root, e, plan);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(plan);
    return 0;
}

int undo_apply(const struct sysroot *root, const char *id, const struct plan *plan, apply_progress_t progress,
               void *userdata, struct outcome *ret) {
    _cleanup_(history_done) struct history h = {};
    size_t index;
    int r;

    if (plan->verdict == PLAN_NOTHING) /* plan_to_forget() */
        return run_plan(root, plan, "undo", NULL, progress, userdata, ret);
    if ((r = read_history(root, &h)) < 0 || (r = find_change(&h, id, &index)) < 0)
        return r;
    return run_plan(root, plan, "undo", h.list[index], progress, userdata, ret);
}
