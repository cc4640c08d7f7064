/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `nestctl check`: the reasons of the verdict, gathered under a fixed list of questions. */
#include "diagnose-codes.h"
#include "text.h"

/* A question is skipped when it makes no sense to ask: NEEDS_X86 anywhere but on x86, NEEDS_CAPABLE where nesting
 * is impossible. */
enum needs { NEEDS_NOTHING, NEEDS_X86, NEEDS_CAPABLE };

static const struct { const char *code, *title; enum needs needs; } rows[_CHECK_MAX] = {
    [CHECK_CPU] = { "cpu", "CPU has VMX or SVM", NEEDS_NOTHING },
    [CHECK_FIRMWARE] = { "firmware", "Firmware leaves it on", NEEDS_X86 },
    [CHECK_CPUS_AGREE] = { "cpus-agree", "All CPUs agree", NEEDS_X86 },
    [CHECK_OWNER] = { "owner", "No other hypervisor owns it", NEEDS_X86 },
    [CHECK_MODULE] = { "module", "KVM module is loaded", NEEDS_X86 },
    [CHECK_DEVICE] = { "device", "/dev/kvm can be used", NEEDS_NOTHING },
    [CHECK_NESTED] = { "nested", "Nested guests are on", NEEDS_CAPABLE },
    [CHECK_BOOT] = { "boot", "They stay on after a reboot", NEEDS_CAPABLE },
    [CHECK_OPTIONS] = { "options", "Module options are consistent", NEEDS_NOTHING },
    [CHECK_PAGING] = { "paging", "Two-level paging", NEEDS_CAPABLE },
    [CHECK_EXITS] = { "exits", "Guest hypervisors need few exits", NEEDS_CAPABLE },
    [CHECK_VULNERABILITIES] = { "vulnerabilities", "Guests cannot attack through the CPU", NEEDS_X86 },
    [CHECK_LOCKDOWN] = { "lockdown", "Own modules can be loaded", NEEDS_X86 },
    [CHECK_CONFIGURATION] = { "configuration", "Host is as nestd.conf wants it", NEEDS_NOTHING },
};

static bool skipped(const struct host_facts *f, const struct verdict *v, enum check_id id) {
    return (rows[id].needs == NEEDS_X86 && !f->x86) || (rows[id].needs == NEEDS_CAPABLE && !v->capable) ||
           (id == CHECK_MODULE && f->extension == EXTENSION_NONE) || (id == CHECK_NESTED && !v->enabled) ||
           (id == CHECK_EXITS && f->extension == EXTENSION_SVM);
}

/* What a passed check is told by: a fact, where there is one to tell. */
static const char *evidence(const struct host_facts *f, const struct verdict *v, enum check_id id) {
    switch (id) {
    case CHECK_CPU:
        return extension_to_string(f->extension);
    case CHECK_MODULE:
        return f->vendor_module.name;
    case CHECK_NESTED:
        return v->enabled ? "on" : "off";
    case CHECK_BOOT:
        return v->persistent ? "on" : "off";
    default:
        return "";
    }
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

    *c = (struct check){ .code = rows[id].code, .title = rows[id].title, .result = CHECK_PASS };
    if (!r || r->level == REASON_INFO) {
        if (skipped(f, v, id) || (id == CHECK_CPU && f->extension == EXTENSION_NONE))
            c->result = CHECK_SKIP;
        c->detail = strdup(r ? r->message : c->result == CHECK_SKIP ? "" : evidence(f, v, id));
    } else {
        c->result = result_of(r->level);
        c->detail = strdup(r->message);
    }
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
