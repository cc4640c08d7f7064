/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each row of the table of features against this machine. */
#include "probe.h"

#include "text.h"

/* The registers by number, as the table names them. */
static const struct { uint32_t number; unsigned index; } capability_msrs[] = {
    { 0x481, MSR_VMX_PINBASED }, { 0x48B, MSR_VMX_PROCBASED2 }, { 0x48C, MSR_VMX_EPT_VPID }, { 0x492, MSR_VMX_PROCBASED3 },
};

/* What the capability MSRs say. One that faults while its neighbours can be read does not exist on this CPU: then
 * nothing of what it lists does (SDM 3D, A.3.3). */
static enum tristate hardware_from_msr(const struct msr_facts *msr, const struct feature *feature) {
    /* Never 0 on a CPU with VMX: such an answer comes from a hypervisor that ignores what it does not know. */
    if (!msr->msr[MSR_VMX_BASIC].valid || msr->msr[MSR_VMX_BASIC].value == 0)
        return TRISTATE_UNKNOWN;
    FOREACH_ARRAY(c, capability_msrs, ELEMENTSOF(capability_msrs)) {
        if (c->number != feature->msr)
            continue;
        if (msr->msr[c->index].valid)
            return msr->msr[c->index].value >> feature->msr_bit & 1 ? TRISTATE_YES : TRISTATE_NO;
        return TRISTATE_NO;
    }
    return TRISTATE_UNKNOWN;
}

/* Does a flag's absence mean anything on this kernel? */
static bool kernel_tells(const struct probe *p, const struct feature *feature) {
    if (feature->flag_since == 0)
        return true;
    if (kernel_version_code(p->facts->kernel) < feature->flag_since)
        return false;
    return feature->extension != EXTENSION_VMX || p->vmx_flags_line;
}

static enum tristate hardware(const struct probe *p, const struct feature *feature) {
    const struct host_facts *f = p->facts;
    uint32_t bit = UINT32_C(1) << (feature - features);
    bool shown = f->extension != EXTENSION_NONE; /* or firmware switched it off, and the kernel hides all its flags */
    enum tristate t;

    if (shown && p->flags_all & bit)
        return TRISTATE_YES;
    if (feature->id == FEATURE_NESTED || (shown && p->flags_any & bit))
        return TRISTATE_NO;
    if ((t = hardware_from_msr(&f->msr, feature)) != TRISTATE_UNKNOWN)
        return t;
    if (shown && kernel_tells(p, feature))
        return TRISTATE_NO;
    if (feature->svm_edx && f->cpuid.valid && f->cpuid.extension == EXTENSION_SVM)
        return f->cpuid.svm_edx & feature->svm_edx ? TRISTATE_YES : TRISTATE_NO;
    return TRISTATE_UNKNOWN;
}

/* kstrtobool(): the first letter decides, after 'o' the second. */
static enum tristate bool_is_on(const char *value) {
    switch (*value | 0x20) {
    case 'y': case 't': case '1':
        return TRISTATE_YES;
    case 'n': case 'f': case '0':
        return TRISTATE_NO;
    case 'o':
        return (value[1] | 0x20) == 'n' ? TRISTATE_YES : (value[1] | 0x20) == 'f' ? TRISTATE_NO : TRISTATE_UNKNOWN;
    }
    return TRISTATE_UNKNOWN;
}

/* kstrtoint() with base 0: "nested=Y" keeps kvm_amd from being loaded. */
static enum tristate int_is_on(const char *value) {
    char *end;

    errno = 0;
    long number = strtol(value, &end, 0);
    if (end == value || *end || errno)
        return TRISTATE_UNKNOWN;
    return number ? TRISTATE_YES : TRISTATE_NO;
}

enum tristate parameter_is_on(const char *type, const char *value) {
    bool is_bool = !type || streq(type, "bool");
    enum tristate t;

    if (!value)
        return is_bool ? TRISTATE_YES : TRISTATE_UNKNOWN;
    t = is_bool ? bool_is_on(value) : TRISTATE_UNKNOWN;
    return t == TRISTATE_UNKNOWN && !(type && is_bool) ? int_is_on(value) : t;
}

static const struct parameter *module_parameter(const struct module_facts *m, const char *name) {
    if (!m->name || !name)
        return NULL;
    FOREACH_ARRAY(q, m->parameters, m->n_parameters)
        if (streq(q->name, name))
            return q;
    return NULL;
}

/* kvm switches off, when it is loaded, what the CPU lacks (hardware_setup()), so that what is on is there. VMCS shadowing
 * is looked at only for nested=1 (nested_vmx_hardware_setup()). */
static bool proven_by_module(const struct host_facts *f, const struct feature_facts *ff) {
    const struct feature_facts *nested = host_feature(f, FEATURE_NESTED);

    return f->vendor_module.state == MODULE_LOADED && ff->current == TRISTATE_YES &&
           (ff->feature->id != FEATURE_SHADOW_VMCS || (nested && nested->current == TRISTATE_YES));
}

static enum settable settable(const struct feature_facts *ff, const struct module_facts *m) {
    if (!ff->parameter || ff->hardware == TRISTATE_NO)
        return SETTABLE_NO;
    if (ff->parameter->mode & 0222)
        return SETTABLE_RUNTIME;
    return m->state == MODULE_BUILTIN ? SETTABLE_BOOT : SETTABLE_RELOAD;
}

/* What the last option given on disk makes of a parameter; UNKNOWN also for a value that the kernel refuses. */
static void probe_boot(const struct host_facts *f, struct feature_facts *ff) {
    const char *type = ff->parameter ? ff->parameter->type : NULL, *current = ff->parameter ? ff->parameter->value : NULL;

    /* Without modinfo the value in sysfs tells: only a bool is shown as a letter. */
    if (!type && current)
        type = streq(current, "Y") || streq(current, "N") ? "bool" : "int";
    FOREACH_ARRAY(o, f->options, f->n_options)
        if (o->effective && streq(o->module, f->vendor_module.name) &&
            text_same_name(o->parameter, ff->feature->parameter))
            ff->boot = parameter_is_on(type, o->value);
}

/* What is built in sees the kernel command line alone. */
static void discount_modprobe(struct host_facts *f) {
    FOREACH_ARRAY(o, f->options, f->n_options)
        if (o->line > 0 && f->vendor_module.name && streq(o->module, f->vendor_module.name))
            o->effective = false;
}

/* Firmware's switches: SDM 3C, 24.7; APM 2, 15.30.1. Not locked means that KVM may still switch it on. */
static bool firmware_off(const struct msr_facts *msr, enum extension extension) {
    if (extension == EXTENSION_VMX)
        return msr->msr[MSR_FEATURE_CONTROL].valid && (msr->msr[MSR_FEATURE_CONTROL].value & 0x5) == 0x1;
    return msr->msr[MSR_AMD_VM_CR].valid && msr->msr[MSR_AMD_VM_CR].value & 0x10;
}

static void probe_feature(const struct probe *p, const struct feature *row, bool off, struct feature_facts *ff) {
    const struct host_facts *f = p->facts;

    *ff = (struct feature_facts){
        .feature = row,
        .hardware = hardware(p, row),
        .parameter = module_parameter(&f->vendor_module, row->parameter),
        .current = TRISTATE_UNKNOWN,
        .boot = TRISTATE_UNKNOWN,
        .kernel_default = feature_kernel_default(row, f->kernel),
    };
    if (row->id == FEATURE_NESTED && off) {
        ff->hardware = TRISTATE_NO;
        ff->hardware_masked = true;
    }
    if (ff->parameter)
        ff->current = ff->parameter->value ? parameter_is_on(ff->parameter->type, ff->parameter->value) : TRISTATE_NO;
    if (ff->hardware == TRISTATE_UNKNOWN && proven_by_module(f, ff))
        ff->hardware = TRISTATE_YES;
    /* Parameters that are not known (no modinfo) may still have options. */
    if (row->parameter && (ff->parameter || !f->vendor_module.n_parameters))
        probe_boot(f, ff);
    ff->settable = off ? SETTABLE_NO : settable(ff, &f->vendor_module);
}

int probe_features(struct probe *p) {
    struct host_facts *f = p->facts;
    enum extension extension = f->extension ? f->extension : f->masked_extension;
    /* A module that drives it proves it on: under TXT the lock looks different. */
    bool off = f->masked_extension || (f->vendor_module.state != MODULE_LOADED && firmware_off(&f->msr, extension));

    if (f->vendor_module.state == MODULE_BUILTIN)
        discount_modprobe(f);
    FOREACH_ARRAY(row, features, n_features)
        if (row->extension == extension)
            probe_feature(p, row, off, f->features + f->n_features++);
    return 0;
}
