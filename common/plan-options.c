/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option strings and the options file of a plan. */
#include "plan-build.h"

#include "params.h"
#include "text.h"

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

const struct module_option *option_effective(const struct host_facts *facts, const char *module,
                                             const char *parameter) {
    const struct module_option *last = NULL;

    FOREACH_ARRAY(o, facts->options, facts->n_options)
        if (text_same_name(o->module, module) && text_same_name(o->parameter, parameter))
            last = o;
    return last;
}

/* modprobe reads the files of all its directories sorted by name, a name in /etc hiding the same name elsewhere, then
 * the kernel command line; the module gets all of them in that order and the kernel lets the last one win
 * (kmod, libkmod-config.c: conf_files_insert_sorted, kmod_config_parse_kcmdline). */
bool option_is_later(const struct module_option *o) {
    return !o->ours && (streq(o->path, "/proc/cmdline") ||
                        strcmp(base_name(o->path), base_name(NESTD_MODPROBE_CONF)) > 0);
}

/* What our file says now of MODULE, and what it will say. */
static int own_options(const struct build *b, const char *module, struct params *p) {
    const struct host_facts *facts = b->facts;
    int r;

    FOREACH_ARRAY(o, facts->options, facts->n_options)
        if (o->ours && streq(o->module, module) && (r = params_set(p, o->parameter, o->value)) < 0)
            return r;
    if (!streq(module, facts->vendor_module.name))
        return 0;
    FOREACH_ARRAY(t, b->targets, b->n_targets)
        if ((t->file || params_get(p, t->facts->parameter->name)) &&
            (r = params_set(p, t->facts->parameter->name, t->on ? "1" : "0")) < 0)
            return r;
    return 0;
}

static int write_options_line(FILE *f, const struct build *b, const char *module) {
    _cleanup_params_ struct params p = {};
    _cleanup_free_ char *options = NULL;
    int r = own_options(b, module, &p);

    if (r < 0 || p.n == 0)
        return r;
    if ((r = params_format(&p, &options)) < 0)
        return r;
    fprintf(f, "options %s %s\n", module, options);
    return 0;
}

int plan_options_file(const struct build *b, char **ret) {
    _cleanup_free_ char *text = NULL;
    _cleanup_fclose_ FILE *f = NULL;
    const char *const modules[] = {b->facts->vendor_module.name, "kvm", "kvm_intel", "kvm_amd", "nestvmx"};
    size_t size;
    int r;

    if (!(f = open_memstream(&text, &size)))
        return -errno;
    fputs("# Written by nestd. \"nestctl undo\" puts back what was here before; see nestctl(1).\n", f);
    for (size_t i = 0; i < ELEMENTSOF(modules); i++)
        if ((i == 0 || !streq(modules[i], modules[0])) && (r = write_options_line(f, b, modules[i])) < 0)
            return r;
    if (fclose(TAKE_PTR(f)) != 0)
        return -ENOMEM;
    *ret = TAKE_PTR(text);
    return 0;
}

/* Parameters outside the feature table that KVM itself derives from a feature (arch/x86/kvm/vmx/vmx.c, vmx_init;
 * svm/sev.c, sev_hardware_setup): while that feature changes, their old value means nothing. */
static const struct {
    const char *parameter;
    enum feature_id needs;
} derived[] = {
    {"allow_smaller_maxphyaddr", FEATURE_EPT}, {"vmentry_l1d_flush", FEATURE_EPT}, {"sev", FEATURE_EPT},
    {"sev_es", FEATURE_EPT},                   {"sev_snp", FEATURE_EPT},           {"ciphertext_hiding_asids", FEATURE_EPT},
};

/* Merely being given taints the kernel (module_param_unsafe), whatever the value; off is the default of each. */
static const char *const unsafe[] = {"force_avic"};

static const struct feature_facts *feature_of_parameter(const struct host_facts *facts, const char *name) {
    for (size_t i = 0; i < facts->n_features; i++)
        if (facts->features[i].parameter && text_same_name(facts->features[i].parameter->name, name))
            return &facts->features[i];
    return NULL;
}

bool needs_changed(const struct build *b, const struct feature *f) {
    for (enum feature_id id = 0; id < _FEATURE_MAX; id++) {
        const struct target *t = build_target(b, id);
        const struct feature *needed = feature_by_id(f->extension, id);

        if (!(f->needs & FEATURE_BIT(id)))
            continue;
        if ((t && t->live) || (needed && needs_changed(b, needed)))
            return true;
    }
    return false;
}

/* Does KVM decide this parameter anew, because of what it depends on? */
static bool is_derived(const struct build *b, const char *name) {
    const struct feature_facts *f = feature_of_parameter(b->facts, name);

    if (f && needs_changed(b, f->feature))
        return true;
    for (size_t i = 0; i < ELEMENTSOF(derived); i++) {
        const struct target *t = build_target(b, derived[i].needs);

        if (t && t->live && text_same_name(derived[i].parameter, name))
            return true;
    }
    return false;
}

/* A value that cannot be given to the module: "EPT disabled" and "not required" of vmentry_l1d_flush are told, but not
 * taken (vmx.c, vmentry_l1d_param[].for_parse), and no bool or number has a space. */
static bool is_passable(const struct parameter *p) {
    if (!p->value || !param_value_passable(p->value))
        return false;
    for (size_t i = 0; i < ELEMENTSOF(unsafe); i++)
        if (text_same_name(unsafe[i], p->name) && param_value_equal(p->value, "0"))
            return false;
    return !strchr(p->value, ' ') || (p->type && streq(p->type, "charp"));
}

/* KVM switches off what the hardware lacks, sometimes only once another parameter is on: not a value to insist on. */
static bool is_reliable(const struct host_facts *facts, const char *name) {
    const struct feature_facts *f = feature_of_parameter(facts, name);

    return !f || f->hardware == TRISTATE_YES;
}

int plan_current_options(const struct host_facts *facts, char **ret) {
    _cleanup_params_ struct params p = {};
    int r;

    FOREACH_ARRAY(m, facts->vendor_module.parameters, facts->vendor_module.n_parameters)
        if (is_passable(m) && (r = params_set(&p, m->name, m->value)) < 0)
            return r;
    return params_format(&p, ret);
}

int plan_load_options(const struct build *b, char **ret_options, char **ret_expected) {
    _cleanup_params_ struct params load = {}, expect = {};
    _cleanup_free_ char *options = NULL;
    const struct module_facts *module = &b->facts->vendor_module;
    int r;

    if (module->state == MODULE_LOADED)
        FOREACH_ARRAY(m, module->parameters, module->n_parameters) {
            if (!is_passable(m) || is_derived(b, m->name))
                continue;
            if ((r = params_set(&load, m->name, m->value)) < 0)
                return r;
            if (is_reliable(b->facts, m->name) && (r = params_set(&expect, m->name, m->value)) < 0)
                return r;
        }
    FOREACH_ARRAY(t, b->targets, b->n_targets) {
        const char *value = t->on ? "1" : "0";

        if ((r = params_set(&load, t->facts->parameter->name, value)) < 0 ||
            (r = params_set(&expect, t->facts->parameter->name, value)) < 0)
            return r;
    }
    if ((r = params_format(&load, &options)) < 0 || (r = params_format(&expect, ret_expected)) < 0)
        return r;
    *ret_options = TAKE_PTR(options);
    return 0;
}
