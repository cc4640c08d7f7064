/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>
#include "work.h"
#include "common/actor.h"
#include "common/apply.h"
#include "common/bus.h"
#include "common/diagnose.h"
#include "common/json.h"
#include "common/text.h"
#include "kernel-log.h"

static const char *const change_kinds[_CHANGE_KIND_MAX] = {
    [CHANGE_ENABLE] = "enable",
    [CHANGE_DISABLE] = "disable",
    [CHANGE_UNDO] = "undo",
    [CHANGE_WHEN_IDLE] = "when-idle",
};

const char *change_kind_to_string(enum change_kind kind) {
    return change_kinds[kind];
}

int change_kind_from_string(const char *s) {
    for (size_t i = 0; i < ELEMENTSOF(change_kinds); i++)
        if (streq(s, change_kinds[i]))
            return (int)i;
    return -EINVAL;
}

DEFINE_CLEANUP(struct json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)
#define _cleanup_outcome_ _cleanup_(outcome_done)

/* O.text becomes the text of DOCUMENT. */
static int add_text(struct json_object *o, struct json_object *document) {
    return json_add_string(o, "text", json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
}

static int new_result(struct json_object **o) {
    return (*o || (*o = json_object_new_object())) ? 0 : -ENOMEM;
}

/* What all workers look at. */
struct view {
    struct sysroot *root;
    struct host_facts *facts;
    struct conf *conf;
    struct verdict *verdict;
};

static void view_done(struct view *v) {
    verdict_freep(&v->verdict);
    conf_freep(&v->conf);
    host_facts_freep(&v->facts);
    sysroot_freep(&v->root);
}
#define _cleanup_view_ _cleanup_(view_done)

static int view_facts(const struct order *order, struct view *v) {
    int r = sysroot_open(order->root_path, &v->root);

    return r < 0 ? r : probe_host(v->root, &v->facts);
}

static int view_verdict(struct view *v) {
    struct wish pending;
    int r = conf_load(v->root, &v->conf);

    if (r < 0)
        return r;
    return diagnose_host(v->facts, v->conf, pending_load(v->root, &pending) >= 0, &v->verdict);
}

static int add_summary(struct json_object *result, const struct view *v) {
    struct json_object *s = json_object_new_object();
    int r = json_add(result, "summary", s);

    if (r < 0 || (r = json_add_string(s, "vendor", vendor_to_string(v->facts->vendor))) < 0 ||
        (r = json_add_string(s, "extension", extension_to_string(v->facts->extension))) < 0 ||
        (r = json_add_string(s, "module", v->facts->vendor_module.name)) < 0 ||
        (r = json_add(s, "capable", json_object_new_boolean(v->verdict->capable))) < 0 ||
        (r = json_add(s, "enabled", json_object_new_boolean(v->verdict->enabled))) < 0 ||
        (r = json_add(s, "persistent", json_object_new_boolean(v->verdict->persistent))) < 0 ||
        (r = json_add(s, "pending", json_object_new_boolean(v->verdict->pending))) < 0)
        return r;
    return 0;
}

int work_describe(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_json_ struct json_object *description = NULL;
    _cleanup_view_ struct view v = {};
    int r;

    if ((r = new_result(ret)) < 0 || (r = view_facts(arg, &v)) < 0 || (r = view_verdict(&v)) < 0 ||
        (r = describe_host(v.facts, v.verdict, v.conf, &description)) < 0 || (r = add_summary(*ret, &v)) < 0)
        return r;
    return add_text(*ret, description);
}

int work_check(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_json_ struct json_object *document = NULL;
    _cleanup_view_ struct view v = {};
    struct check *checks = NULL;
    size_t n = 0;
    int r;

    if ((r = new_result(ret)) < 0 || (r = view_facts(arg, &v)) < 0 || (r = view_verdict(&v)) < 0 ||
        (r = check_host(v.facts, v.verdict, &checks, &n)) < 0)
        return r;
    r = checks_to_json(checks, n, &document);
    checks_free(checks, n);
    return r < 0 ? r : add_text(*ret, document);
}

int work_list_changes(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_json_ struct json_object *document = NULL;
    _cleanup_sysroot_ struct sysroot *root = NULL;
    const struct order *order = arg;
    struct change *changes = NULL;
    size_t n = 0;
    int r;

    if ((r = new_result(ret)) < 0 || (r = sysroot_open(order->root_path, &root)) < 0 ||
        (r = undo_list(root, &changes, &n)) < 0)
        return r;
    r = changes_to_json(changes, n, &document);
    changes_free(changes, n);
    return r < 0 ? r : add_text(*ret, document);
}

/* ------------------------------------------------------------------ plans */

static char *no_such_change(const char *id) {
    _cleanup_free_ char *clean = id ? text_clean(id, SIZE_MAX, 64) : NULL;

    return id ? text_format("%s: no such change, or it is undone already; Host.ListChanges() lists them", strempty(clean))
              : strdup("nothing is left to undo; Host.ListChanges() lists what was");
}

/* *WHY: what a guest or libvirt had to say, or -ENOENT what is not there, to be freed. */
static int make_plan(const struct order *order, const struct view *v, struct plan **ret, char **why) {
    struct wish wish = order->wish;
    int r;

    switch (order->kind) {
    case CHANGE_UNDO:
        r = undo_plan(v->root, v->facts, order->id, ret);
        if (r == -ENOENT)
            *why = no_such_change(order->id);
        return r;
    case CHANGE_WHEN_IDLE:
        r = pending_load(v->root, &wish);
        if (r < 0)
            return r;
        wish.when_idle = true;
        break;
    case CHANGE_ENABLE:
        if (order->default_features)
            wish_enable_defaults(v->facts, &wish);
        break;
    default:
        if (order->default_features)
            wish.features[FEATURE_NESTED] = WANTED_OFF;
    }
    r = plan_host(v->facts, &wish, ret);
    return r < 0 ? r : plan_add_guests(v->root, v->facts, *ret, why);
}

static bool plan_changes_guests(const struct plan *plan) {
    FOREACH_ARRAY(s, plan->steps, plan->n_steps)
        if (s->kind == STEP_CHANGE_GUEST)
            return true;
    return false;
}

static bool plan_reloads(const struct plan *plan) {
    FOREACH_ARRAY(s, plan->steps, plan->n_steps)
        if (s->kind == STEP_UNLOAD_MODULE || s->kind == STEP_LOAD_MODULE)
            return true;
    return plan->verdict == PLAN_BLOCKED;
}

/* "THING: REASON; REMEDY", and who is in the way. */
static char *plan_refusal(const struct plan *plan) {
    char *text = text_format("%s", plan->message ? plan->message : "refused");

    for (size_t i = 0; text && i < plan->n_blockers; i++) {
        char *longer = text_format("%s%s%s", text, i == 0 ? ": in use by " : ", ", plan->blockers[i]);
        free(text);
        text = longer;
    }
    if (text && plan->hint) {
        char *longer = text_format("%s; %s", text, plan->hint);
        free(text);
        text = longer;
    }
    return text;
}

int work_plan(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_json_ struct json_object *document = NULL;
    _cleanup_(plan_freep) struct plan *plan = NULL;
    _cleanup_free_ char *refusal = NULL, *why = NULL;
    _cleanup_view_ struct view v = {};
    int r;

    if ((r = new_result(ret)) < 0 || (r = view_facts(arg, &v)) < 0)
        return r;
    if ((r = make_plan(arg, &v, &plan, &why)) < 0) {
        (void)json_add_string(*ret, "why", why);
        return r;
    }
    if (plan->verdict == PLAN_BLOCKED && (r = plan_name_blockers(v.root, v.facts, plan)) < 0)
        return r;
    if (!(refusal = plan_refusal(plan)) || (r = plan_to_json(plan, &document)) < 0)
        return r < 0 ? r : -ENOMEM;
    if ((r = json_add(*ret, "verdict", json_object_new_int((int)plan->verdict))) < 0 ||
        (r = json_add(*ret, "reloads", json_object_new_boolean(plan_reloads(plan)))) < 0 ||
        (r = json_add(*ret, "guests", json_object_new_boolean(plan_changes_guests(plan)))) < 0 ||
        (r = json_add_string(*ret, "message", refusal)) < 0 || (r = json_add_string(*ret, "summary", plan->summary)) < 0)
        return r;
    return add_text(*ret, document);
}

/* ------------------------------------------------------------------ changes */

static bool on_progress(double fraction, const struct step *step, void *userdata) {
    worker_progress(userdata, fraction, step ? step->why : NULL);
    return !worker_cancelled(userdata);
}

/* Between the caller's authorisation and now somebody may have loaded the module, or defined a guest. */
static int refuse_more(struct outcome *o) {
    o->exit_code = 4;
    o->message = strdup("The host changed while the authorisation was asked for: now more has to be changed than that was for; try again.");
    return o->message ? 0 : -ENOMEM;
}

static int run_order(struct worker *w, const struct order *order, const struct view *v, struct plan *plan,
                    struct outcome *ret) {
    if ((plan_reloads(plan) && !order->may_reload) || (plan_changes_guests(plan) && !order->may_change_guests))
        return refuse_more(ret);
    if (order->kind == CHANGE_UNDO)
        return undo_apply(v->root, order->id, plan, on_progress, w, ret);
    return apply_plan(v->root, plan, change_kind_to_string(order->kind), on_progress, w, ret);
}

/* A guest, or libvirt, is in the way: nothing was touched. */
static int fail_with_guest(int r, char **why, struct outcome *ret) {
    if (!*why)
        return r;
    ret->exit_code = r == -EACCES ? 5 : 1;
    ret->message = TAKE_PTR(*why);
    return 0;
}

static int change_host(struct worker *w, const struct order *order, struct outcome *ret) {
    _cleanup_(plan_freep) struct plan *plan = NULL;
    _cleanup_free_ char *message = NULL, *why = NULL;
    _cleanup_view_ struct view v = {};
    enum recovery recovery;
    int r;

    if ((r = sysroot_open(order->root_path, &v.root)) < 0 || (r = recover(v.root, false, &recovery, &message)) < 0 ||
        (r = probe_host(v.root, &v.facts)) < 0)
        return fail_with_guest(r, &message, ret);
    if ((r = make_plan(order, &v, &plan, &why)) < 0)
        return fail_with_guest(r, &why, ret);
    r = run_order(w, order, &v, plan, ret);
    /* What cannot be done now that the module is idle would be tried again with every guest that stops. */
    if (r >= 0 && order->kind == CHANGE_WHEN_IDLE && ret->exit_code != 0 && !ret->pending)
        (void)pending_store(v.root, NULL);
    return r;
}

static uint64_t now_realtime_usec(void) {
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* "could not be loaded: Invalid argument" leaves it to the kernel's log to say which. */
static int add_kernel_words(uint64_t since, struct outcome *o) {
    _cleanup_free_ char *line = NULL, *message = NULL;

    if (o->exit_code != 1 || !o->message || kernel_log_about_kvm(since, &line) < 0 || strstr(o->message, line))
        return 0;
    if (!(message = text_format("%s; the kernel said: %s", o->message, line)))
        return -ENOMEM;
    free(o->message);
    o->message = TAKE_PTR(message);
    return 0;
}

int work_change(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_outcome_ struct outcome outcome = {};
    const struct order *order = arg;
    uint64_t start = now_realtime_usec();
    struct json_object *document = NULL;
    int r;

    if ((r = new_result(ret)) < 0 || (r = change_host(w, arg, &outcome)) < 0 ||
        (!order->root_path && !worker_cancelled(w) && (r = add_kernel_words(start, &outcome)) < 0) ||
        (r = outcome_to_json(&outcome, &document)) < 0 || (r = json_add(*ret, "outcome", document)) < 0)
        return r;
    /* The change is made and its result stands, whether or not the host can be described afterwards. */
    (void)work_describe(w, arg, ret);
    return 0;
}

/* ------------------------------------------------------------------ start */

/* Now, or for a module that is not loaded, once it is. */
static enum tristate effective(const struct host_facts *facts, const struct feature_facts *f) {
    if (facts->vendor_module.state == MODULE_LOADED || facts->vendor_module.state == MODULE_BUILTIN)
        return f->current;
    if (f->boot != TRISTATE_UNKNOWN)
        return f->boot;
    return f->hardware != TRISTATE_NO && feature_kernel_default(f->feature, facts->kernel) ? TRISTATE_YES : TRISTATE_NO;
}

/* What nestd.conf wants and the host does not have, one line each; PLAN is what would help, or NULL. */
static int find_drift(const struct view *v, struct json_object *list, struct plan **ret) {
    struct wish wish = {};
    bool any = false;
    int r;

    FOREACH_ARRAY(f, v->facts->features, v->facts->n_features) {
        enum wanted w = v->conf->features[f->feature->id];
        enum tristate is = effective(v->facts, f);
        if (w == WANTED_KEEP || is == (w == WANTED_ON ? TRISTATE_YES : TRISTATE_NO))
            continue;
        wish.features[f->feature->id] = w;
        any = true;

        _cleanup_free_ char *line = text_format("%s: nestd.conf wants it %s, it is %s", f->feature->name,
                                                wanted_to_string(w), is == TRISTATE_YES ? "on" : is == TRISTATE_NO ? "off" : "absent");
        struct json_object *s = line ? json_object_new_string(line) : NULL;
        if (!s || json_object_array_add(list, s) < 0) {
            json_object_put(s);
            return -ENOMEM;
        }
    }
    if (!any)
        return 0;
    r = plan_host(v->facts, &wish, ret);
    return r < 0 ? r : 1;
}

/* libvirtd starts after us (Before=) and would be started by the very connection that we make: we would wait for it and
 * it for us. It looks at KVM when it starts, so there is nothing to refresh. */
static void without_libvirt(struct plan *plan) {
    FOREACH_ARRAY(s, plan->steps, plan->n_steps)
        if (s->kind == STEP_REFRESH_LIBVIRT) {
            free(s->target);
            free(s->before);
            free(s->after);
            free(s->why);
            memmove(s, s + 1, (size_t)(plan->steps + --plan->n_steps - s) * sizeof(*s));
            s--, _end_s--;
        }
}

static int check_boot(struct worker *w, const struct order *order, const struct view *v, struct json_object *result) {
    _cleanup_outcome_ struct outcome outcome = {};
    _cleanup_(plan_freep) struct plan *plan = NULL;
    struct json_object *drift = json_object_new_array(), *applied = NULL;
    int r = json_add(result, "drift", drift);

    if (r < 0 || (r = find_drift(v, drift, &plan)) <= 0)
        return r;
    if (v->conf->on_drift != DRIFT_APPLY || plan->verdict != PLAN_READY)
        return 0;
    without_libvirt(plan);
    if ((r = apply_plan(v->root, plan, "boot", on_progress, w, &outcome)) < 0 ||
        (r = outcome_to_json(&outcome, &applied)) < 0)
        return r;
    return json_add(result, "applied", applied);
}

static bool anything_wanted(const struct conf *conf) {
    FOREACH_ARRAY(w, conf->features, ELEMENTSOF(conf->features))
        if (*w != WANTED_KEEP)
            return true;
    return false;
}

/* udev loads KVM's module when it comes to the CPUs, perhaps after we were started. */
#define UDEV_TIMEOUT_MSEC 90000

static int wait_for_module(struct view *v) {
    if (v->facts->extension == EXTENSION_NONE || v->facts->vendor_module.state != MODULE_AVAILABLE)
        return 0;
    (void)actor_settle(v->root, NULL, UDEV_TIMEOUT_MSEC);
    v->facts = host_facts_free(v->facts);
    return probe_host(v->root, &v->facts);
}

#define BOOT_CHECKED NESTD_RUNDIR "/boot-checked"

int work_start(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_free_ char *message = NULL;
    _cleanup_view_ struct view v = {};
    enum recovery recovery;
    struct stat st;
    int r;

    if ((r = new_result(ret)) < 0 || (r = view_facts(arg, &v)) < 0)
        return r;

    r = recover(v.root, sysroot_stat(v.root, BOOT_CHECKED, &st) == -ENOENT, &recovery, &message);
    if (r < 0) {
        json_add(*ret, "recover_error", json_object_new_int(r));
        json_add_string(*ret, "recover_why", message);
    } else if (recovery != RECOVERY_CLEAN) {
        json_add_string(*ret, "recovery", message ? message : "An interrupted change was dealt with.");
        v.facts = host_facts_free(v.facts);
        if ((r = probe_host(v.root, &v.facts)) < 0)
            return r;
    }

    /* Once a boot: /run is empty after one. */
    if (sysroot_stat(v.root, BOOT_CHECKED, &st) == -ENOENT) {
        if ((r = conf_load(v.root, &v.conf)) < 0)
            return r;
        if (v.conf->on_drift != DRIFT_IGNORE && anything_wanted(v.conf) &&
            ((r = wait_for_module(&v)) < 0 || (r = check_boot(w, arg, &v, *ret)) < 0))
            json_add(*ret, "boot_error", json_object_new_int(r));
        (void)sysroot_write_atomic(v.root, BOOT_CHECKED, "", 0, 0644);
    }
    return work_describe(w, arg, ret);
}
