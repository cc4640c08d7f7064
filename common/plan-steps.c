/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of a plan, and its JSON. */
#include "plan-build.h"

#include "actor.h"
#include "journal.h"
#include "json.h"
#include "text.h"

static const char *const kinds[_STEP_KIND_MAX] = {
    [STEP_WRITE_OPTIONS] = "write-options",     [STEP_SET_PARAMETER] = "set-parameter",
    [STEP_UNLOAD_MODULE] = "unload-module",     [STEP_LOAD_MODULE] = "load-module",
    [STEP_SETTLE] = "settle",                   [STEP_REFRESH_LIBVIRT] = "refresh-libvirt",
    [STEP_VERIFY] = "verify",               [STEP_CHANGE_GUEST] = "change-guest",
};

const char *step_kind_to_string(enum step_kind k) {
    return kinds[k];
}

struct plan *plan_free(struct plan *plan) {
    if (!plan)
        return NULL;
    free(plan->message);
    free(plan->hint);
    free(plan->summary);
    free(plan->cmdline);
    strings_free(plan->blockers, plan->n_blockers);
    strings_free(plan->notes, plan->n_notes);
    steps_free(plan->steps, plan->n_steps);
    free(plan);
    return NULL;
}

/* Takes WHY over; WHY NULL: -ENOMEM. */
int plan_add_step(struct plan *plan, enum step_kind kind, const char *target, const char *before, const char *after,
                  char *why) {
    struct step from = {.kind = kind, .target = (char *)target, .before = (char *)before, .after = (char *)after,
                        .why = why};
    int r = why ? list_grow(&plan->steps, plan->n_steps, sizeof(*plan->steps)) : -ENOMEM;

    if (r >= 0 && (r = step_copy(&from, &plan->steps[plan->n_steps])) >= 0)
        plan->n_steps++;
    free(why);
    return r;
}

static int add_settle(struct plan *plan, const struct host_facts *facts, bool gone) {
    const struct dev_kvm_facts *kvm = &facts->dev_kvm;
    _cleanup_free_ char *node = NULL;

    if (kvm->exists && kvm->is_char &&
        !(node = text_format("%04o %u %u", (unsigned)kvm->mode, (unsigned)kvm->uid, (unsigned)kvm->gid)))
        return -ENOMEM;
    return plan_add_step(plan, STEP_SETTLE, "/dev/kvm", node, gone ? NULL : node,
                         strdup(gone ? "udev takes the device away" :
                                node ? "udev makes the device again; it must have the owner and the mode it had" :
                                       "udev makes the device"));
}

int plan_add_reload(struct plan *plan, const struct host_facts *facts, const char *before, const char *after,
                    const char *why) {
    const char *module = facts->vendor_module.name;
    int r;

    if (before && (r = plan_add_step(plan, STEP_UNLOAD_MODULE, module, before, NULL, strdup(why))) < 0)
        return r;
    if (after && (r = plan_add_step(plan, STEP_LOAD_MODULE, module, NULL, after,
                           strdup(before ? "with the new values; every other parameter keeps the one it has now" :
                                           why))) < 0)
        return r;
    return add_settle(plan, facts, !after);
}

int plan_add_refresh(struct plan *plan, bool parameters) {
    return plan_add_step(plan, STEP_REFRESH_LIBVIRT, "libvirt", NULL, parameters ? "parameters" : "nested",
                         strdup("libvirt remembers what KVM could do"));
}

int plan_add_verify(struct plan *plan, const char *module, const char *before, const char *expected) {
    return plan_add_step(plan, STEP_VERIFY, module, before, expected, strdup("read back, as the kernel tells it"));
}

int plan_check_idle(struct plan *plan, const struct host_facts *facts) {
    const struct module_facts *m = &facts->vendor_module;
    int r;

    if (m->initstate && !streq(m->initstate, "live")) {
        plan->verdict = PLAN_BLOCKED;
        plan->message = text_format("%s is being loaded or unloaded right now", m->name);
        plan->hint = strdup("try again in a moment");
        return plan->message && plan->hint ? 0 : -ENOMEM;
    }
    if (m->refcnt <= 0 && m->n_holders == 0)
        return 0;
    plan->verdict = PLAN_BLOCKED;
    for (size_t i = 0; i < m->n_holders; i++)
        if ((r = strings_push(&plan->blockers, &plan->n_blockers, text_format("module %s", m->holders[i]))) < 0)
            return r;
    plan->message = text_format("%s is in use (reference count %ld) and cannot be reloaded", m->name, m->refcnt);
    plan->hint = strdup("stop what uses it, or use --when-idle: nestd makes the change when the last user goes");
    return plan->message && plan->hint ? 0 : -ENOMEM;
}

int plan_name_blockers(const struct sysroot *root, const struct host_facts *facts, struct plan *plan) {
    char **users = NULL;
    size_t n = 0;
    int r;

    if (plan->verdict != PLAN_BLOCKED || plan->n_steps == 0 || !facts->vendor_module.name)
        return 0;
    r = actor_module_users(root, facts->vendor_module.name, &users, &n);
    if (r < 0 || n == 0)
        return r == -ENOMEM ? r : 0;
    strings_free(plan->blockers, plan->n_blockers);
    plan->blockers = users;
    plan->n_blockers = n;
    return 0;
}

int plan_exit_code(const struct plan *plan) {
    static const int codes[] = {
        [PLAN_NOTHING] = 0, [PLAN_READY] = 0, [PLAN_BLOCKED] = 4, [PLAN_REBOOT] = 3, [PLAN_UNSUPPORTED] = 3,
    };

    return codes[plan->verdict];
}

/* What a file holds may be anything; what goes over the bus is text, of several lines here. */
static int add_content(struct json_object *o, const char *key, const char *s) {
    _cleanup_free_ char *clean = NULL;

    if (!s)
        return json_add_string_or_null(o, key, NULL);
    if (!(clean = strdup(s)))
        return -ENOMEM;
    for (char *p = clean; *p; p++)
        if ((unsigned char)*p >= 0x7f || ((unsigned char)*p < ' ' && *p != '\n' && *p != '\t'))
            *p = '?';
    return json_add(o, key, json_object_new_string(clean));
}

static int add_strings(struct json_object *o, const char *key, char **list, size_t n) {
    struct json_object *array = json_object_new_array();
    int r = json_add(o, key, array);

    for (size_t i = 0; i < n && r >= 0; i++) {
        struct json_object *s = json_object_new_string(list[i]);

        if (!s || json_object_array_add(array, s) < 0) {
            json_object_put(s);
            r = -ENOMEM;
        }
    }
    return r;
}

static int add_steps(struct json_object *o, const struct plan *plan) {
    struct json_object *array = json_object_new_array();
    int r = json_add(o, "steps", array);

    for (size_t i = 0; i < plan->n_steps && r >= 0; i++) {
        const struct step *s = &plan->steps[i];
        struct json_object *step = json_object_new_object();

        if (!step || json_object_array_add(array, step) < 0) {
            json_object_put(step);
            return -ENOMEM;
        }
        if ((r = json_add_string_or_null(step, "kind", step_kind_to_string(s->kind))) >= 0 &&
            (r = json_add_string_or_null(step, "target", s->target)) >= 0 && (r = add_content(step, "before", s->before)) >= 0 &&
            (r = add_content(step, "after", s->after)) >= 0)
            r = json_add_string_or_null(step, "why", s->why);
    }
    return r;
}

int plan_to_json(const struct plan *plan, struct json_object **ret) {
    static const char *const verdicts[] = {
        [PLAN_NOTHING] = "nothing", [PLAN_READY] = "ready",             [PLAN_BLOCKED] = "blocked",
        [PLAN_REBOOT] = "reboot",   [PLAN_UNSUPPORTED] = "unsupported",
    };
    struct json_object *o = json_object_new_object();

    if (!o)
        return -ENOMEM;
    if (json_add(o, "schema", json_object_new_int(1)) < 0 || json_add_string_or_null(o, "verdict", verdicts[plan->verdict]) < 0 ||
        json_add(o, "exit_code", json_object_new_int(plan_exit_code(plan))) < 0 ||
        json_add_string_or_null(o, "summary", plan->summary) < 0 ||
        json_add_string_or_null(o, "message", plan->message) < 0 || json_add_string_or_null(o, "hint", plan->hint) < 0 ||
        json_add_string_or_null(o, "cmdline", plan->cmdline) < 0 ||
        add_strings(o, "blockers", plan->blockers, plan->n_blockers) < 0 ||
        add_strings(o, "notes", plan->notes, plan->n_notes) < 0 || add_steps(o, plan) < 0) {
        json_object_put(o);
        return -ENOMEM;
    }
    *ret = o;
    return 0;
}
