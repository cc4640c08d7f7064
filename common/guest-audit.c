/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-audit.h"
#include "line-diff.h"
#include "text.h"

static void add_string(struct json_object *o, const char *key, const char *value) {
    json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

struct json_object *domain_info_to_json(const struct domain_info *info, enum extension extension) {
    struct json_object *o = json_object_new_object();
    bool known = !info->refused;

    add_string(o, "name", info->name);
    add_string(o, "uuid", info->uuid);
    json_object_object_add(o, "id", info->running ? json_object_new_int(info->id) : NULL);
    json_object_object_add(o, "running", json_object_new_boolean(info->running));
    json_object_object_add(o, "persistent", json_object_new_boolean(info->persistent));
    add_string(o, "extension", extension_to_string(extension));
    add_string(o, "nest", known ? nest_to_string(info->nest) : NULL);
    add_string(o, "mode", known ? cpu_mode_to_string(info->mode) : NULL);
    add_string(o, "model", info->model);
    add_string(o, "wish", info->marked ? guest_action_to_string(info->mark.wish.action) : NULL);
    add_string(o, "profile", info->mark.wish.profile);
    add_string(o, "live", guest_live_to_string(info->live));
    add_string(o, "l2_active", tristate_to_string(info->l2));
    json_object_object_add(o, "l2_entries", json_object_new_int64((int64_t)info->l2_entries));
    json_object_object_add(o, "needs_restart", json_object_new_boolean(info->needs_restart));
    add_string(o, "refused", info->refused);
    return o;
}

int domain_change_to_json(const struct domain_change *change, const char *name, bool done, struct json_object **ret) {
    _cleanup_free_ char *diff = NULL;
    int r = line_diff(change->before, strlen(change->before), change->after, strlen(change->after), &diff);
    if (r < 0)
        return r;
    struct json_object *o = json_object_new_object(), *notes = json_object_new_array();
    json_object_object_add(o, "schema", json_object_new_int(1));
    add_string(o, "name", name);
    json_object_object_add(o, "changed", json_object_new_boolean(change->changed));
    json_object_object_add(o, "done", json_object_new_boolean(done));
    json_object_object_add(o, "needs_restart", json_object_new_boolean(change->needs_restart));
    json_object_object_add(o, "notes", notes);
    for (char **note = change->notes; note && *note; note++)
        json_object_array_add(notes, json_object_new_string(*note));
    add_string(o, "diff", diff);
    *ret = o;
    return 0;
}

enum tristate guest_exposed(const struct domain_info *info) {
    if (info->refused)
        return info->live == LIVE_YES ? TRISTATE_YES : TRISTATE_NO;
    if (info->live == LIVE_YES)
        return TRISTATE_YES;
    switch (info->nest) {
    case NEST_NO:
        return TRISTATE_NO;
    case NEST_CONFIGURED:
    case NEST_MODEL:
        return TRISTATE_YES;
    case NEST_OPTIONAL:
    case NEST_HOST_MODEL:
    case NEST_PASSTHROUGH:
        break;
    }
    /* The host decides, and for this one it has. */
    return info->live == LIVE_NO ? TRISTATE_NO : TRISTATE_UNKNOWN;
}

/*
 * Live migration and saving of an L1 guest, as of 2026-11.
 *
 * Linux, Documentation/virt/kvm/x86/running-nested-guests.rst, "Live migration with nested KVM": with a live L2 it works on
 * Intel as of Linux 5.3 and QEMU 4.2; on AMD an L1 with a running L2 should not be migrated or saved, which may crash it;
 * without a running L2 it is expected to work on AMD, but may fail once guests are started.
 * QEMU 7.2, target/i386/machine.c, cpu_pre_save(): where the kernel cannot save nested VMX state, QEMU refuses.
 * libvirt 9.0, docs/formatdomain.rst, host-passthrough: hosts that are not identical put the guest at risk.
 */
static const struct migration {
    enum extension extension;
    enum tristate l2;
    const char *verdict;
} migrations[] = {
    {EXTENSION_VMX, TRISTATE_NO, "safe: no guest runs inside"},
    {EXTENSION_VMX, TRISTATE_YES, "safe between hosts with Linux 5.3 and QEMU 4.2 or later"},
    {EXTENSION_VMX, TRISTATE_UNKNOWN, "safe between hosts with Linux 5.3 and QEMU 4.2 or later"},
    {EXTENSION_SVM, TRISTATE_NO, "should work, as no guest runs inside; on AMD it may fail when one starts afterwards"},
    {EXTENSION_SVM, TRISTATE_YES, "not safe while a guest runs inside (AMD), nor is saving: shut that down first"},
    {EXTENSION_SVM, TRISTATE_UNKNOWN, "safe only while no guest runs inside (AMD), which this QEMU does not tell"},
};

/* To be freed; NULL: out of memory. */
static char *migration(const struct domain_info *info, enum extension extension, enum tristate exposed) {
    bool passthrough = !info->refused && (info->mode == CPU_HOST_PASSTHROUGH || info->mode == CPU_MAXIMUM);
    const char *verdict = exposed == TRISTATE_NO ? "safe: nothing is nested" : "not known";
    FOREACH_ARRAY(m, migrations, ELEMENTSOF(migrations))
        if (exposed != TRISTATE_NO && m->extension == extension && m->l2 == info->l2)
            verdict = m->verdict;
    return text_format("%s%s", verdict, passthrough ? "; between identical hosts only (host-passthrough)" : "");
}

/* Is there anything to do for nestd.conf? Not for a guest that lacks nothing but our mark. */
static bool unfulfilled(const struct domain_info *info, enum tristate exposed, const struct guest_wish *w) {
    return w->action == GUEST_EXPOSE && (exposed == TRISTATE_NO || (info->nest == NEST_CONFIGURED && info->marked));
}

static char *advice(const struct domain_info *info, enum extension extension, enum tristate exposed, bool chosen,
                    const struct conf *conf) {
    struct guest_wish w;

    if (exposed != TRISTATE_NO && !chosen)
        return text_format("nobody chose it: nestctl guest hide %s%s; or choose it: nestctl guest expose %s", info->name,
                           info->running ? ", then shut it down and start it again" : "", info->name);
    if (guest_policy_wish(conf, info, extension, &w) && unfulfilled(info, exposed, &w))
        return text_format("nestd.conf wants it exposed%s%s: nestctl guest expose %s%s%s",
                           w.profile ? " with profile " : info->mark.wish.profile ? " without profile" : "",
                           strempty(w.profile), info->name, w.profile ? " --profile=" : "", strempty(w.profile));
    if (info->needs_restart)
        return text_format("its definition has changed: virsh shutdown %s, then virsh start %s", info->name, info->name);
    return NULL;
}

static int audit_one(const struct domain_info *info, enum extension extension, const struct conf *conf,
                     struct json_object *guests, unsigned *not_chosen) {
    enum guest_policy policy = guest_policy(conf, info->name, info->uuid, NULL);
    enum tristate exposed = guest_exposed(info);
    bool by_mark = info->marked && info->mark.wish.action == GUEST_EXPOSE, by_conf = policy == GUEST_POLICY_EXPOSE;
    /* What nestd.conf says of hiding stands above what somebody once chose. */
    bool chosen = (by_mark && policy != GUEST_POLICY_HIDE) || by_conf;
    bool bad = exposed != TRISTATE_NO && !chosen;
    _cleanup_free_ char *what = advice(info, extension, exposed, chosen, conf), *move = migration(info, extension, exposed);

    struct json_object *o = domain_info_to_json(info, extension);
    add_string(o, "exposed", exposed == TRISTATE_UNKNOWN ? "maybe" : tristate_to_string(exposed));
    add_string(o, "chosen_by", !chosen ? NULL : by_conf ? "nestd.conf" : "guest expose");
    add_string(o, "verdict", bad ? "fail" : what ? "warn" : "pass");
    add_string(o, "migration", move);
    add_string(o, "advice", what);
    json_object_array_add(guests, o);
    *not_chosen += bad;
    return 0;
}

/* Reads every guest: audited if there is a CONF, else the bare facts. */
static int for_each(const struct domain_conn *c, enum extension extension, const struct conf *conf,
                    struct json_object *guests, unsigned *not_chosen, char **why) {
    virDomainPtr *doms = NULL;
    int n = c->lv->virConnectListAllDomains(c->conn, &doms, 0), r = 0;
    if (n < 0)
        return refuse(why, -EIO, "%s", c->lv->virGetLastErrorMessage());
    for (int i = 0; i < n; i++) {
        _cleanup_domain_info_ struct domain_info info = {};
        int q = r < 0 ? 0 : domain_read(c, doms[i], extension, &info, why);
        if (q < 0 && q != -ENOENT) /* gone meanwhile is no error */
            r = q;
        else if (q >= 0 && r >= 0 && info.name) {
            if (conf)
                r = audit_one(&info, extension, conf, guests, not_chosen);
            else
                json_object_array_add(guests, domain_info_to_json(&info, extension));
        }
        if (q == -ENOENT && why) {
            free(*why);
            *why = NULL;
        }
        c->lv->virDomainFree(doms[i]);
    }
    free(doms);
    return r;
}

int guests_to_json(const struct domain_conn *c, enum extension extension, struct json_object **ret, char **ret_why) {
    struct json_object *guests = json_object_new_array();
    int r = for_each(c, extension, NULL, guests, NULL, ret_why);
    if (r < 0)
        json_object_put(guests);
    else
        *ret = guests;
    return r;
}

int guest_audit(const struct domain_conn *c, enum extension extension, const struct conf *conf, struct json_object **ret,
                unsigned *ret_not_chosen, char **ret_why) {
    struct json_object *o = json_object_new_object(), *guests = json_object_new_array();
    unsigned not_chosen = 0;

    json_object_object_add(o, "schema", json_object_new_int(1));
    add_string(o, "extension", extension_to_string(extension));
    json_object_object_add(o, "guests", guests);
    int r = for_each(c, extension, conf, guests, &not_chosen, ret_why);
    if (r < 0) {
        json_object_put(o);
        return r;
    }
    json_object_object_add(o, "exposed_not_chosen", json_object_new_int((int)not_chosen));
    *ret = o;
    *ret_not_chosen = not_chosen;
    return 0;
}
