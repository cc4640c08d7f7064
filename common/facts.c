/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include "probe.h"
#include "text.h"

#define WARNINGS_MAX 256

const char *tristate_to_string(enum tristate t) {
    static const char *const names[] = { "no", "yes", "unknown" };

    return names[t];
}

const char *vendor_to_string(enum vendor v) {
    static const char *const names[] = { "none", "intel", "amd", "hygon", "other" };

    return names[v];
}

const char *module_state_to_string(enum module_state s) {
    static const char *const names[] = { "absent", "available", "builtin", "loaded" };

    return names[s];
}

const char *settable_to_string(enum settable s) {
    static const char *const names[] = { "no", "runtime", "reload", "boot" };

    return names[s];
}

int probe_warn(struct probe *p, const char *format, ...) {
    struct host_facts *f = p->facts;
    va_list ap;

    if (f->n_warnings >= WARNINGS_MAX)
        return 0;
    va_start(ap, format);
    _cleanup_free_ char *text = text_vformat(format, ap);
    va_end(ap);
    return text ? strings_push(&f->warnings, &f->n_warnings, text_clean(text, SIZE_MAX, TEXT_MAX)) : -ENOMEM;
}

bool probe_is_shortage(int r) {
    return r == -ENOMEM || r == -EMFILE || r == -ENFILE || r == -EAGAIN || r == -EINTR;
}

int probe_warn_unreadable(struct probe *p, const char *path, int r) {
    if (probe_is_shortage(r))
        return r;
    return r == -ENOENT ? 0 : probe_warn(p, "%s: %s", path, strerror(-r));
}

int probe_line(struct probe *p, const char *path, char **ret) {
    _cleanup_free_ char *line = NULL;
    int r = sysroot_read_line(p->root, path, &line);

    *ret = NULL;
    if (r < 0)
        return probe_warn_unreadable(p, path, r);
    return (*ret = text_clean(line, SIZE_MAX, TEXT_MAX)) ? 0 : -ENOMEM;
}

/* The kernel takes the flag away when firmware switched the extension off; CPUID still tells, and so do the capability
 * registers (which some hypervisors answer with 0 for want of them). */
static int find_masked(struct probe *p) {
    struct host_facts *f = p->facts;
    typeof(&f->msr.msr[0]) basic = f->msr.msr + MSR_VMX_BASIC;

    /* Xen, too, leaves CPUID as it is for its control domain. */
    if (f->extension != EXTENSION_NONE || f->n_cpus_without_extension > 0 || !f->x86 || f->xen_dom0)
        return 0;
    if (f->cpuid.valid)
        f->masked_extension = f->cpuid.extension;
    else if (basic->valid && basic->value != 0)
        f->masked_extension = EXTENSION_VMX;
    return 0;
}

static int finish(struct probe *p) {
    struct host_facts *f = p->facts;

    if (!f->arch && f->x86 && !(f->arch = strdup("x86_64")))
        return -ENOMEM;
    FOREACH_ARRAY(q, f->kvm.parameters, f->kvm.n_parameters)
        if (streq(q->name, "enable_virt_at_load")) /* since 6.12 */
            f->kvm_holds_vmx = f->vendor_module.state >= MODULE_BUILTIN && parameter_is_on("bool", strempty(q->value)) == TRISTATE_YES;
    return 0;
}

int probe_host(const struct sysroot *root, struct host_facts **ret) {
    static int (*const parts[])(struct probe *p) = {
        probe_system, probe_cpuinfo, probe_cpuid, probe_msr, probe_hypervisor, find_masked, probe_modules, probe_options,
        probe_features, finish,
    };
    _cleanup_host_facts_ struct host_facts *facts = calloc(1, sizeof(*facts));
    struct probe p = { .root = root, .facts = facts };

    if (!facts)
        return -ENOMEM;
    FOREACH_ARRAY(part, parts, ELEMENTSOF(parts)) {
        int r = (*part)(&p);
        if (r < 0)
            return r;
    }
    *ret = TAKE_PTR(facts);
    return 0;
}

void module_facts_done(struct module_facts *m) {
    FOREACH_ARRAY(q, m->parameters, m->n_parameters) {
        free(q->name);
        free(q->type);
        free(q->value);
    }
    free(m->parameters);
    strings_free(m->holders, m->n_holders);
    free(m->initstate);
}

void module_option_done(struct module_option *o) {
    free(o->path);
    free(o->module);
    free(o->parameter);
    free(o->value);
}

void module_directive_done(struct module_directive *d) {
    free(d->path);
    free(d->module);
    free(d->text);
}

struct host_facts *host_facts_free(struct host_facts *f) {
    if (!f)
        return NULL;
    char *strings[] = { f->name, f->kernel, f->arch, f->model, f->hypervisor, f->vmx_owner, f->lockdown,
                        f->own_options };
    FOREACH_ARRAY(s, strings, ELEMENTSOF(strings))
        free(*s);
    module_facts_done(&f->kvm);
    module_facts_done(&f->vendor_module);
    module_facts_done(&f->nestvmx);
    FOREACH_ARRAY(o, f->options, f->n_options)
        module_option_done(o);
    free(f->options);
    FOREACH_ARRAY(d, f->directives, f->n_directives)
        module_directive_done(d);
    free(f->directives);
    strings_free(f->warnings, f->n_warnings);
    FOREACH_ARRAY(v, f->vulnerabilities, f->n_vulnerabilities) {
        free(v->name);
        free(v->status);
    }
    free(f->vulnerabilities);
    free(f);
    return NULL;
}

const struct feature_facts *host_feature(const struct host_facts *facts, enum feature_id id) {
    FOREACH_ARRAY(ff, facts->features, facts->n_features)
        if (ff->feature->id == id)
            return ff;
    return NULL;
}
