/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>
#include <time.h>

#include "domain-live.h"
#include "guest-profile.h"
#include "libvirt-call.h"

const char *guest_live_to_string(enum guest_live live) {
    static const char *const names[] = {
        [LIVE_NOT_RUNNING] = "-", [LIVE_NO] = "no", [LIVE_YES] = "yes", [LIVE_UNKNOWN] = "unknown"};
    return names[live];
}

/* The "return" member of QEMU's answer, to be put, or NULL. */
static struct json_object *ask_qemu(const struct domain_conn *c, virDomainPtr dom, const char *command) {
    _cleanup_free_ char *answer = NULL;
    struct json_object *value = NULL;

    if (libvirt_ask_qemu(c->lv, dom, command, &answer) < 0)
        return NULL;
    struct json_object *o = json_tokener_parse(answer);
    if (o && json_object_object_get_ex(o, "return", &value))
        json_object_get(value);
    json_object_put(o);
    return value;
}

/* QEMU's CPU objects have a boolean property for each feature (target/i386/cpu.c, x86_cpu_register_feature_bit_props). */
static enum guest_live ask_property(const struct domain_conn *c, virDomainPtr dom, const char *feature) {
    struct json_object *cpus = ask_qemu(c, dom, "{\"execute\":\"query-cpus-fast\"}"), *path, *value = NULL;
    _cleanup_free_ char *command = NULL;
    enum guest_live live = LIVE_UNKNOWN;

    if (cpus && json_object_is_type(cpus, json_type_array) && json_object_array_length(cpus) > 0 &&
        json_object_object_get_ex(json_object_array_get_idx(cpus, 0), "qom-path", &path) &&
        !strpbrk(json_object_get_string(path), "\"\\") &&
        asprintf(&command, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"%s\",\"property\":\"%s\"}}",
                 json_object_get_string(path), feature) > 0)
        value = ask_qemu(c, dom, command);
    if (value && json_object_is_type(value, json_type_boolean))
        live = json_object_get_boolean(value) ? LIVE_YES : LIVE_NO;
    json_object_put(value);
    json_object_put(cpus);
    return live;
}

/* What the live definition says, if libvirt has checked it against QEMU. */
static enum guest_live from_definition(const char *xml, enum extension extension) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    enum cpu_policy policy;

    if (guest_doc_open(xml, strlen(xml), &d, NULL) < 0 || guest_doc_cpu_overridden(&d) ||
        !streq_ptr(xml_attr(&d.xml, d.cpu, "check"), "full"))
        return LIVE_UNKNOWN;
    guest_doc_feature(&d, extension_to_string(extension), &policy);
    switch (policy) {
    case POLICY_FORCE:
    case POLICY_REQUIRE:
        return LIVE_YES;
    case POLICY_DISABLE:
    case POLICY_FORBID:
        return LIVE_NO;
    default:
        return d.mode == CPU_CUSTOM && (extension == EXTENSION_VMX || !cpu_model_may_have_svm(d.model)) ? LIVE_NO
                                                                                                         : LIVE_UNKNOWN;
    }
}

enum guest_live domain_live(const struct domain_conn *c, virDomainPtr dom, const char *xml, enum extension extension) {
    if (extension == EXTENSION_NONE)
        return LIVE_NO;
    enum guest_live live = xml ? from_definition(xml, extension) : LIVE_UNKNOWN;
    if (live == LIVE_UNKNOWN && !c->readonly)
        live = ask_property(c, dom, extension_to_string(extension));
    return live;
}

/* A guest takes its mark along when it starts (virDomainObjSetDefTransient copies all of the definition). */
bool domain_live_outdated(const char *xml, const struct guest_doc *definition) {
    _cleanup_guest_mark_ struct guest_mark defined = {}, started = {};
    _cleanup_guest_doc_ struct guest_doc live = {};

    if (!xml || guest_doc_open(xml, strlen(xml), &live, NULL) < 0)
        return false;
    (void)guest_mark_read(definition, &defined); /* all zero if there is none: no profile */
    (void)guest_mark_read(&live, &started);
    return guest_profile_lacks(&live, &defined.wish) || guest_profile_lacks(definition, &started.wish);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && streq(s + n - m, end);
}

/* One look at the counters of all vCPUs; false: not told. */
static bool read_counters(const struct domain_conn *c, virDomainPtr dom, bool *ret_inside, uint64_t *ret_entries) {
    virDomainStatsRecordPtr *records = NULL;
    bool told = false, inside = false;
    uint64_t entries = 0;

    if (libvirt_stats(c->lv, dom, VIR_DOMAIN_STATS_VCPU, &records) < 0)
        return false;
    FOREACH_ARRAY(p, records[0]->params, (size_t)records[0]->nparams) {
        if (!startswith(p->field, "vcpu.") ||
            (p->type != VIR_TYPED_PARAM_ULLONG && p->type != VIR_TYPED_PARAM_BOOLEAN))
            continue;
        uint64_t value = p->type == VIR_TYPED_PARAM_BOOLEAN ? (uint64_t)p->value.b : p->value.ul;
        if (ends_with(p->field, ".guest_mode.cur"))
            inside = inside || value;
        else if (ends_with(p->field, ".nested_run.sum"))
            entries += value;
        else
            continue;
        told = true;
    }
    c->lv->virDomainStatsRecordListFree(records);
    *ret_inside = inside;
    *ret_entries = entries;
    return told;
}

void domain_l2(const struct domain_conn *c, virDomainPtr dom, enum tristate *ret, uint64_t *ret_entries) {
    bool inside;
    uint64_t before, entries;

    *ret = TRISTATE_UNKNOWN;
    *ret_entries = 0;
    if (!read_counters(c, dom, &inside, &before))
        return;
    entries = before;
    /* An L2 guest may just be in L1's hands: an idle one wakes up a few times a second. */
    if (!inside && before > 0) {
        nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
        if (!read_counters(c, dom, &inside, &entries))
            return;
    }
    *ret = inside || entries > before ? TRISTATE_YES : TRISTATE_NO;
    *ret_entries = entries;
}
