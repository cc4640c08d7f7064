/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `nestctl check`: the reasons of the verdict, gathered under a fixed list of questions. */
#include "diagnose-codes.h"
#include "text.h"

static const struct { const char *code, *title; } rows[_CHECK_MAX] = {
    [CHECK_CPU] = { "cpu", "CPU has VMX or SVM" },
    [CHECK_FIRMWARE] = { "firmware", "Firmware leaves it on" },
    [CHECK_CPUS_AGREE] = { "cpus-agree", "All CPUs agree" },
    [CHECK_OWNER] = { "owner", "No other hypervisor owns it" },
    [CHECK_MODULE] = { "module", "KVM module is loaded" },
    [CHECK_DEVICE] = { "device", "/dev/kvm can be used" },
    [CHECK_NESTED] = { "nested", "Nested guests are on" },
    [CHECK_BOOT] = { "boot", "They stay on after a reboot" },
    [CHECK_OPTIONS] = { "options", "Module options are consistent" },
    [CHECK_PAGING] = { "paging", "Two-level paging" },
    [CHECK_EXITS] = { "exits", "Guest hypervisors need few exits" },
    [CHECK_VULNERABILITIES] = { "vulnerabilities", "Guests cannot attack through the CPU" },
    [CHECK_LOCKDOWN] = { "lockdown", "Own modules can be loaded" },
    [CHECK_CONFIGURATION] = { "configuration", "Host is as nestd.conf wants it" },
};

static bool is_on(const struct host_facts *f, enum feature_id id) {
    const struct feature_facts *ff = host_feature(f, id);

    return ff && ff->current == TRISTATE_YES;
}

/* The fact that makes a row pass when no reason speaks against it; NULL: nothing is known, so it is skipped. */
static const char *evidence(const struct host_facts *f, const struct verdict *v, enum check_id id) {
    bool x86 = f->x86 && f->n_cpus > 0, has = f->extension != EXTENSION_NONE, capable = v->capable;

    switch (id) {
    case CHECK_CPU:
        return has ? extension_to_string(f->extension) : NULL;
    case CHECK_FIRMWARE:
        return has ? "" : NULL;
    case CHECK_CPUS_AGREE:
    case CHECK_OWNER:
        return x86 ? "" : NULL;
    case CHECK_MODULE:
        return f->vendor_module.state >= MODULE_BUILTIN ? f->vendor_module.name : NULL;
    case CHECK_DEVICE:
        return f->dev_kvm.exists ? "" : NULL;
    case CHECK_NESTED:
        return v->enabled ? "on" : NULL;
    case CHECK_BOOT:
        return v->persistent ? "on" : NULL;
    case CHECK_PAGING:
        return capable && is_on(f, FEATURE_EPT) ? host_feature(f, FEATURE_EPT)->feature->name : NULL;
    case CHECK_EXITS:
        return !capable ? NULL : is_on(f, FEATURE_SHADOW_VMCS) ? "shadow_vmcs" : is_on(f, FEATURE_VLS) ? "vls" : NULL;
    case CHECK_VULNERABILITIES:
        return f->n_vulnerabilities > 0 ? "" : NULL;
    case CHECK_LOCKDOWN:
        return f->lockdown || f->secure_boot == TRISTATE_NO ? "" : NULL;
    case CHECK_OPTIONS:
    case CHECK_CONFIGURATION:
    case _CHECK_MAX:
        break;
    }
    return "";
}

static enum check_result result_of(enum reason_level level) {
    static const enum check_result results[] = { CHECK_PASS, CHECK_WARN, CHECK_FAIL };

    return results[level];
}

/* The worst reason that belongs to the row decides; reasons are sorted, so it is the first. */
static const struct reason *find_reason(const struct verdict *v, enum check_id id) {
    FOREACH_ARRAY(r, v->reasons, v->n_reasons) {
        const struct reason_code *code = reason_code_of(r);

        if (code && code->check == id)
            return r;
    }
    return NULL;
}

static int fill(const struct host_facts *f, const struct verdict *v, enum check_id id, struct check *c) {
    const struct reason *r = find_reason(v, id);
    const char *fact = evidence(f, v, id);

    *c = (struct check){ .code = rows[id].code, .title = rows[id].title };
    c->result = r && r->level > REASON_INFO ? result_of(r->level) : fact ? CHECK_PASS : CHECK_SKIP;
    c->detail = strdup(r ? r->message : strempty(fact));
    if (!c->detail || (r && r->hint && !(c->hint = strdup(r->hint))))
        return -ENOMEM;
    return 0;
}

int check_host(const struct host_facts *facts, const struct verdict *verdict, struct check **ret, size_t *ret_n) {
    struct check *checks = calloc(_CHECK_MAX, sizeof(*checks));

    if (!checks)
        return -ENOMEM;
    for (enum check_id id = 0; id < _CHECK_MAX; id++)
        if (fill(facts, verdict, id, checks + id) < 0) {
            checks_free(checks, id + 1);
            return -ENOMEM;
        }
    *ret = checks;
    *ret_n = _CHECK_MAX;
    return 0;
}

void checks_free(struct check *checks, size_t n) {
    FOREACH_ARRAY(c, checks, n) {
        free(c->detail);
        free(c->hint);
    }
    free(checks);
}
