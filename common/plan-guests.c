/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guests' part of "disable --guests". */
#include "plan-build.h"

#include "actor.h"
#include "guest-policy.h"
#include "guest-state.h"
#include "journal.h"
#include "text.h"

/* nestd would expose them again at once. */
static int check_policy(const struct conf *conf, const struct actor_guest *guests, size_t n, struct plan *plan) {
    int r;

    FOREACH_ARRAY(g, guests, n)
        if (guest_policy(conf, g->name, g->uuid, NULL) == GUEST_POLICY_EXPOSE &&
            (r = strings_push(&plan->blockers, &plan->n_blockers, text_format("guest %s", g->name))) < 0)
            return r;
    if (plan->n_blockers == 0)
        return 0;
    steps_free(TAKE_PTR(plan->steps), plan->n_steps);
    plan->n_steps = 0;
    free(plan->message);
    free(plan->hint);
    plan->verdict = PLAN_BLOCKED;
    plan->message = strdup("Expose= of nestd.conf chooses guests, which nestd would expose again");
    plan->hint = strdup("take them out of Expose= first");
    return plan->message && plan->hint ? 1 : -ENOMEM;
}

static int add_step(const struct actor_guest *g, enum extension extension, struct plan *plan) {
    _cleanup_free_ char *hidden = guest_state_hidden(extension), *name = text_clean(g->name, SIZE_MAX, TEXT_MAX),
                        *target = name ? text_format("%s %s", g->uuid, name) : NULL;

    if (!hidden || !target)
        return -ENOMEM;
    return plan_add_step(plan, STEP_CHANGE_GUEST, target, g->state, hidden,
                         text_format("it can nest; %s will be disabled in its definition%s", extension_to_string(extension),
                                     g->running ? "; it runs, and keeps it until it is shut down" : ""));
}

/* Before all other steps: the host's part takes the extension away from those that would still ask for it. */
static int prepend(const struct actor_guest *guests, size_t n, enum extension extension, struct plan *plan) {
    struct step *others = plan->steps;
    size_t n_others = plan->n_steps;
    int r = 0;

    plan->steps = NULL;
    plan->n_steps = 0;
    for (size_t i = 0; i < n && r >= 0; i++)
        r = add_step(&guests[i], extension, plan);
    for (size_t i = 0; i < n_others && r >= 0; i++)
        r = plan_add_step(plan, others[i].kind, others[i].target, others[i].before, others[i].after,
                          TAKE_PTR(others[i].why));
    steps_free(others, n_others);
    return r;
}

/* What the host's part had to say was that nothing was to be done. */
static int conclude(struct plan *plan, size_t n) {
    char *summary = text_format("%s%s%zu guest%s hidden", strempty(plan->summary), plan->summary && *plan->summary ? ", " : "",
                                n, n == 1 ? "" : "s");

    if (!summary)
        return -ENOMEM;
    free(plan->summary);
    plan->summary = summary;
    if (plan->verdict == PLAN_NOTHING) {
        plan->verdict = PLAN_READY;
        plan->message = (free(plan->message), NULL);
        plan->hint = (free(plan->hint), NULL);
    }
    return 0;
}

int plan_add_guests(const struct sysroot *root, const struct host_facts *facts, struct plan *plan, char **ret_why) {
    _cleanup_(conf_freep) struct conf *conf = NULL;
    struct actor_guest *guests;
    size_t n;
    int r;

    if (!plan->wish.guests || plan->verdict == PLAN_REBOOT || plan->verdict == PLAN_UNSUPPORTED ||
        (plan->verdict == PLAN_BLOCKED && plan->n_steps == 0))
        return 0;
    if ((r = conf_load(root, &conf)) < 0 || (r = actor_guests_exposed(root, facts->extension, &guests, &n, ret_why)) < 0)
        return r;
    if (n > 0 && (r = check_policy(conf, guests, n, plan)) == 0 &&
        (r = prepend(guests, n, facts->extension, plan)) >= 0)
        r = conclude(plan, n);
    actor_guests_free(guests, n);
    return r < 0 ? r : 0;
}
