/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan-build.h"

#include "journal.h"
#include "params.h"
#include "text.h"

const char *on_off(bool on) {
    return on ? "on" : "off";
}

const struct target *build_target(const struct build *b, enum feature_id id) {
    FOREACH_ARRAY(t, b->targets, b->n_targets)
        if (t->facts->feature->id == id)
            return t;
    return NULL;
}

/* A verdict and its line; what is NULL afterwards was -ENOMEM. Returns 1: the plan is made. */
static int conclude(struct build *b, enum plan_verdict verdict, const char *hint, const char *format, ...)
    _printf_(4, 5);
static int conclude(struct build *b, enum plan_verdict verdict, const char *hint, const char *format, ...) {
    va_list ap;

    va_start(ap, format);
    b->plan->message = text_vformat(format, ap);
    va_end(ap);
    b->plan->verdict = verdict;
    if (!b->plan->message || (hint && !(b->plan->hint = strdup(hint))))
        return -ENOMEM;
    return 1;
}

static int add_note(struct build *b, char *note) {
    return strings_push(&b->plan->notes, &b->plan->n_notes, note);
}

static bool wants_something_on(const struct wish *wish) {
    for (size_t i = 0; i < _FEATURE_MAX; i++)
        if (wish->features[i] == WANTED_ON)
            return true;
    return false;
}

static int check_host_can(struct build *b) {
    const struct host_facts *f = b->facts;
    const struct module_facts *m = &f->vendor_module;
    bool on = wants_something_on(b->wish);

    if (!f->x86 || f->extension == EXTENSION_NONE || !m->name) {
        if (!on)
            return conclude(b, PLAN_NOTHING, NULL, "nothing to switch off: this host has no nested virtualization");
        if (!f->x86)
            return conclude(b, PLAN_UNSUPPORTED, NULL, "this host is %s; nestd knows VMX and SVM of x86 only",
                            f->arch ? f->arch : "not an x86 machine");
        if (f->n_cpus_without_extension > 0)
            return conclude(b, PLAN_UNSUPPORTED, "every CPU must have it: look at the firmware setup",
                            "%u of %u CPUs have neither vmx nor svm", f->n_cpus_without_extension, f->n_cpus);
        if (f->xen_dom0)
            return conclude(b, PLAN_UNSUPPORTED, NULL, "this is Xen's control domain: Xen owns the virtualization extension");
        if (f->masked_extension != EXTENSION_NONE)
            return conclude(b, PLAN_UNSUPPORTED, "switch it on in the firmware setup, then power the machine off and on",
                            "the CPU has %s, but the firmware switched it off",
                            f->masked_extension == EXTENSION_VMX ? "VMX" : "SVM");
        if (f->virtualized)
            return conclude(b, PLAN_UNSUPPORTED, "expose vmx or svm to it on its own host, then restart it",
                            "this machine is a guest (%s) whose CPUs were given neither vmx nor svm",
                            f->hypervisor ? f->hypervisor : "of an unknown hypervisor");
        return conclude(b, PLAN_UNSUPPORTED, "look for VT-x, VMX or SVM in the firmware setup",
                        "this CPU shows neither vmx nor svm");
    }
    if (m->state == MODULE_ABSENT) {
        if (!on)
            return conclude(b, PLAN_NOTHING, NULL, "nothing to switch off: this kernel has no %s", m->name);
        return conclude(b, PLAN_UNSUPPORTED, "install the kernel's full set of modules", "kernel %s has no module %s",
                        f->kernel ? f->kernel : "(unknown)", m->name);
    }
    return 0;
}

static const char *name_anywhere(enum feature_id id) {
    FOREACH_ARRAY(f, features, n_features)
        if (f->id == id)
            return f->name;
    return "?";
}

/* Looks up what is wanted of one feature. 1: the plan is made (refused). */
static int resolve(struct build *b, enum feature_id id, bool on) {
    const struct host_facts *facts = b->facts;
    const struct module_facts *m = &facts->vendor_module;
    const char *module = m->name, *kernel = facts->kernel ? facts->kernel : "(unknown)", *reason, *remedy;
    const struct feature *row = feature_by_id(facts->extension, id);
    const struct feature_facts *f = host_feature(facts, id);

    if (!row || !f)
        return conclude(b, PLAN_UNSUPPORTED, NULL, "%s is not a feature of %s, which this host has",
                        name_anywhere(id), facts->extension == EXTENSION_VMX ? "VMX" : "SVM");
    if (on && f->hardware == TRISTATE_NO)
        return conclude(b, PLAN_UNSUPPORTED,
                        f->hardware_masked ? "look at the firmware setup, or at the hypervisor below" : NULL,
                        f->hardware_masked ? "%s cannot be switched on: the CPU has it, but firmware or hypervisor "
                                             "switched it off" :
                                             "%s cannot be switched on: this CPU does not have it",
                        row->name);
    if (!f->parameter) {
        if (!row->parameter && on && f->hardware == TRISTATE_YES)
            return 0; /* used whenever the hardware has it */
        if (row->parameter && m->parameters_error < 0) {
            reason = module_error_reason(m->parameters_error, &remedy);
            return conclude(b, PLAN_UNSUPPORTED, remedy, "%s cannot be switched: the parameters of %s are not known: %s",
                            row->name, module, reason);
        }
        return conclude(b, PLAN_UNSUPPORTED, row->parameter ? "a newer kernel may have it" : NULL,
                        "%s cannot be switched: %s of kernel %s has no parameter for it", row->name, module, kernel);
    }
    b->targets[b->n_targets++] = (struct target){
        .facts = f,
        .on = on,
        .live = (facts->vendor_module.state == MODULE_LOADED || facts->vendor_module.state == MODULE_BUILTIN) &&
                f->current != (on ? TRISTATE_YES : TRISTATE_NO),
    };
    return 0;
}

static bool option_says(const struct module_option *o, bool on) {
    return param_value_equal(o->value, on ? "1" : "0");
}

/* What options and kernel make of it when the module is loaded. */
static bool is_on_at_load(const struct host_facts *facts, const struct feature_facts *f) {
    const struct module_option *o =
        f->parameter ? option_effective(facts, facts->vendor_module.name, f->parameter->name) : NULL;

    return f->hardware != TRISTATE_NO && (o ? option_says(o, true) : f->kernel_default == TRISTATE_YES);
}

/* Is the feature on, or would it be if the module were loaded now? */
static bool feature_is_on(const struct host_facts *facts, const struct feature_facts *f) {
    return facts->vendor_module.state == MODULE_AVAILABLE ? is_on_at_load(facts, f) : f->current != TRISTATE_NO;
}

static bool will_be_on(const struct build *b, const struct feature_facts *f) {
    const struct target *t = build_target(b, f->feature->id);

    if (t)
        return t->on;
    return needs_changed(b, f->feature) ? is_on_at_load(b->facts, f) : feature_is_on(b->facts, f);
}

/* kvm_intel and kvm_amd silently clear a parameter whose base is off; refuse rather than fail at the reading back. */
static int check_needs(struct build *b) {
    FOREACH_ARRAY(t, b->targets, b->n_targets)
        for (enum feature_id id = 0; t->on && id < _FEATURE_MAX; id++) {
            const struct feature_facts *needed = host_feature(b->facts, id);
            _cleanup_free_ char *hint = NULL;

            if (!(t->facts->feature->needs & FEATURE_BIT(id)) || !needed || will_be_on(b, needed))
                continue;
            if (!(hint = text_format("ask for %s=on with it", needed->feature->name)))
                return -ENOMEM;
            return conclude(b, PLAN_UNSUPPORTED, hint, "%s needs %s, which %s off", t->facts->feature->name,
                            needed->feature->name, build_target(b, id) ? "is to be switched" : "is");
        }
    return 0;
}

static bool have_own_option(const struct host_facts *facts, const char *parameter) {
    FOREACH_ARRAY(o, facts->options, facts->n_options)
        if (o->ours && text_same_name(o->module, facts->vendor_module.name) && text_same_name(o->parameter, parameter))
            return true;
    return false;
}

/* Must our file say so for the next load to do so? */
static bool needs_file(const struct build *b, const struct target *t) {
    const struct host_facts *facts = b->facts;
    const char *parameter = t->facts->parameter->name;
    const struct module_option *o = option_effective(facts, facts->vendor_module.name, parameter);

    if (b->wish->runtime_only || facts->vendor_module.state == MODULE_BUILTIN)
        return false;
    if (o ? option_says(o, t->on) : t->facts->kernel_default == (t->on ? TRISTATE_YES : TRISTATE_NO))
        return b->wish->persistent && !have_own_option(facts, parameter);
    return true;
}

static char *option_text(const struct module_option *o) {
    const char *eq = o->value ? "=" : "", *value = strempty(o->value);

    if (streq(o->path, "/proc/cmdline"))
        return text_format("the kernel command line (%s.%s%s%s)", o->module, o->parameter, eq, value);
    return text_format("%s:%u (options %s %s%s%s)", o->path, o->line, o->module, o->parameter, eq, value);
}

/* Other people's files that say otherwise: those read before ours lose, those read after it win, whatever we write. */
static int check_conflicts(struct build *b) {
    const struct host_facts *facts = b->facts;
    struct plan *plan = b->plan;
    bool cmdline = false;
    int r;

    FOREACH_ARRAY(t, b->targets, b->n_targets) {
        const char *parameter = t->facts->parameter->name;
        const struct module_option *winner = option_effective(facts, facts->vendor_module.name, parameter);

        if (!t->file)
            continue;
        FOREACH_ARRAY(o, facts->options, facts->n_options) {
            _cleanup_free_ char *text = NULL;

            if (o->ours || !text_same_name(o->module, facts->vendor_module.name) ||
                !text_same_name(o->parameter, parameter) || option_says(o, t->on))
                continue;
            if (!(text = option_text(o)))
                return -ENOMEM;
            if (option_is_later(o) && o == winner) {
                cmdline |= streq(o->path, "/proc/cmdline");
                r = strings_push(&plan->blockers, &plan->n_blockers, TAKE_PTR(text));
            } else
                r = add_note(b, text_format("%s says otherwise; modprobe reads %s after it, so %s=%s holds", text,
                                            NESTD_MODPROBE_CONF, parameter, t->on ? "1" : "0"));
            if (r < 0)
                return r;
        }
    }
    if (plan->n_blockers == 0)
        return 0;
    return conclude(b, PLAN_BLOCKED,
                    cmdline ? "take it off the kernel command line and reboot, or use --runtime to change only the "
                              "running kernel" :
                              "remove that option there, or use --runtime to change only the running kernel",
                    "the change would not last: what modprobe reads after %s says otherwise and wins",
                    NESTD_MODPROBE_CONF);
}

static int make_summary(struct build *b) {
    _cleanup_fclose_ FILE *f = NULL;
    size_t size;

    if (!(f = open_memstream(&b->plan->summary, &size)))
        return -errno;
    FOREACH_ARRAY(t, b->targets, b->n_targets)
        fprintf(f, "%s%s=%s", t == b->targets ? "" : " ", t->facts->feature->name, on_off(t->on));
    return fclose(TAKE_PTR(f)) != 0 ? -ENOMEM : 0;
}

static int add_options_step(struct build *b) {
    _cleanup_free_ char *text = NULL;
    int r = plan_options_file(b, &text);

    if (r < 0)
        return r;
    return plan_add_step(b->plan, STEP_WRITE_OPTIONS, NESTD_MODPROBE_CONF, b->facts->own_options, text,
                         text_format("modprobe gives these options to %s whenever it is loaded, also after a reboot",
                                     b->facts->vendor_module.name));
}

static int add_parameter_steps(struct build *b, const char *module) {
    int r;

    FOREACH_ARRAY(t, b->targets, b->n_targets) {
        _cleanup_free_ char *target = text_format("%s/%s", module, t->facts->parameter->name);

        if (!target)
            return -ENOMEM;
        if (t->live && (r = plan_add_step(b->plan, STEP_SET_PARAMETER, target, t->facts->parameter->value,
                                          t->on ? "1" : "0", strdup("can be switched while the module runs"))) < 0)
            return r;
    }
    return 0;
}

/* What is to be read back when the module is not reloaded: only what was asked for. "before" holds the old values. */
static int add_plain_verify(struct build *b, const char *module) {
    _cleanup_params_ struct params before = {}, after = {};
    _cleanup_free_ char *old = NULL, *new = NULL;
    int r;

    FOREACH_ARRAY(t, b->targets, b->n_targets) {
        const struct parameter *p = t->facts->parameter;

        if (!t->live)
            continue;
        if ((p->value && (r = params_set(&before, p->name, p->value)) < 0) ||
            (r = params_set(&after, p->name, t->on ? "1" : "0")) < 0)
            return r;
    }
    if ((r = params_format(&before, &old)) < 0 || (r = params_format(&after, &new)) < 0)
        return r;
    return plan_add_verify(b->plan, module, old, new);
}

static int make_cmdline(struct build *b) {
    _cleanup_fclose_ FILE *f = NULL;
    size_t size;

    if (!(f = open_memstream(&b->plan->cmdline, &size)))
        return -errno;
    FOREACH_ARRAY(t, b->targets, b->n_targets)
        if (t->live)
            fprintf(f, "%s%s.%s=%s", ftell(f) > 0 ? " " : "", b->facts->vendor_module.name,
                    t->facts->parameter->name, t->on ? "1" : "0");
    return fclose(TAKE_PTR(f)) != 0 ? -ENOMEM : 0;
}

static int refresh_and_verify(struct build *b, const char *expected) {
    const char *module = b->facts->vendor_module.name;
    bool parameters = false;
    int r;

    /* libvirt notices "nested" by itself, and looks at everything again then. */
    const struct target *nested = build_target(b, FEATURE_NESTED);
    FOREACH_ARRAY(t, b->targets, b->n_targets)
        parameters |= t->live && t != nested;
    if ((r = plan_add_refresh(b->plan, parameters && !(nested && nested->live))) < 0)
        return r;
    return expected ? plan_add_verify(b->plan, module, NULL, expected) : add_plain_verify(b, module);
}

/* An "install" line replaces loading by a command, often one that does nothing: not ours to run, nor to overrule. */
static int check_install_lines(struct build *b, const char *module) {
    int r;

    FOREACH_ARRAY(d, b->facts->directives, b->facts->n_directives)
        if (d->kind == DIRECTIVE_INSTALL && text_same_name(d->module, module) &&
            (r = strings_push(&b->plan->blockers, &b->plan->n_blockers,
                              text_format("%s:%u (install %s %s)", d->path, d->line, d->module, d->text))) < 0)
            return r;
    if (b->plan->n_blockers == 0)
        return 0;
    steps_free(TAKE_PTR(b->plan->steps), b->plan->n_steps);
    b->plan->n_steps = 0;
    return conclude(b, PLAN_BLOCKED, "remove that line", "%s cannot be loaded as usual: modprobe.d has a command for it",
                    module);
}

static int reload_steps(struct build *b, const char *module, bool loaded) {
    _cleanup_free_ char *old = NULL, *new = NULL, *expected = NULL;
    int r;

    if ((r = check_install_lines(b, module)) != 0)
        return r;
    if ((loaded && (r = plan_current_options(b->facts, &old)) < 0) ||
        (r = plan_load_options(b, &new, &expected)) < 0 ||
        (r = plan_add_reload(b->plan, b->facts, old, new,
                             loaded ? "its parameters are read only when it is loaded" :
                                      "it is not loaded; without it there are no guests")) < 0 ||
        (r = refresh_and_verify(b, expected)) < 0)
        return r;
    return loaded ? plan_check_idle(b->plan, b->facts) : 0;
}

static int live_steps(struct build *b) {
    const struct module_facts *m = &b->facts->vendor_module;
    bool live = false, reload = false, load = false;
    int r;

    FOREACH_ARRAY(t, b->targets, b->n_targets) {
        live |= t->live;
        reload |= t->live && t->facts->settable != SETTABLE_RUNTIME;
        load |= t->on && m->state == MODULE_AVAILABLE;
    }
    if (load)
        return reload_steps(b, m->name, false);
    if (!live)
        return 0;
    if (m->state == MODULE_BUILTIN && (r = make_cmdline(b)) < 0)
        return r;
    if (m->state == MODULE_BUILTIN && reload)
        return conclude(b, PLAN_REBOOT, "add it to the kernel command line and reboot",
                        "%s is built into this kernel: its parameters are set on the kernel command line (%s)",
                        m->name, b->plan->cmdline);
    if (reload)
        return reload_steps(b, m->name, true);
    if ((r = add_parameter_steps(b, m->name)) < 0)
        return r;
    if (m->state == MODULE_BUILTIN &&
        (r = add_note(b, text_format("%s is built in: to keep this after a reboot add %s to the kernel command line",
                                     m->name, b->plan->cmdline))) < 0)
        return r;
    return refresh_and_verify(b, NULL);
}

static int make_steps(struct build *b) {
    bool file = false;
    int r;

    FOREACH_ARRAY(t, b->targets, b->n_targets)
        file |= t->file = needs_file(b, t);
    if ((r = check_conflicts(b)) != 0 || (file && (r = add_options_step(b)) < 0) || (r = live_steps(b)) != 0)
        return r;
    if (b->plan->n_steps == 0)
        return conclude(b, PLAN_NOTHING, NULL, "nothing to do: %s already",
                        *b->plan->summary ? b->plan->summary : "as asked");
    if (file && b->facts->initramfs_has_module)
        return add_note(b, strdup("the initramfs may hold a copy of modprobe.d: rebuild it (update-initramfs -u, "
                                  "dracut -f) if kvm is loaded from there"));
    return 0;
}

int plan_host(const struct host_facts *facts, const struct wish *wish, struct plan **ret) {
    _cleanup_(plan_freep) struct plan *plan = calloc(1, sizeof(*plan));
    struct build b = {.facts = facts, .wish = wish, .plan = plan};
    int r;

    if (!plan)
        return -ENOMEM;
    plan->wish = *wish;
    plan->verdict = PLAN_READY;
    r = check_host_can(&b);
    for (enum feature_id id = 0; r == 0 && id < _FEATURE_MAX; id++)
        if (wish->features[id] != WANTED_KEEP)
            r = resolve(&b, id, wish->features[id] == WANTED_ON);
    if (r == 0)
        r = check_needs(&b);
    if (r == 0)
        r = make_summary(&b);
    if (r == 0)
        r = make_steps(&b);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(plan);
    return 0;
}

/* Not apicv/avic, ipiv and the timers: administrators switch those off for latency or because of errata. */
static const enum feature_id profitable[] = {
    FEATURE_EPT, FEATURE_EPT_AD, FEATURE_SHADOW_VMCS, FEATURE_VPID, FEATURE_UNRESTRICTED_GUEST,
    FEATURE_VLS, FEATURE_VGIF,   FEATURE_NRIPS,
};

void wish_enable_defaults(const struct host_facts *facts, struct wish *wish) {
    wish->features[FEATURE_NESTED] = WANTED_ON;
    for (size_t i = 0; i < ELEMENTSOF(profitable); i++) {
        const struct feature_facts *f = host_feature(facts, profitable[i]);
        const struct module_option *o;

        if (!f || !f->parameter || f->hardware != TRISTATE_YES || feature_is_on(facts, f) ||
            wish->features[profitable[i]] != WANTED_KEEP)
            continue;
        o = option_effective(facts, facts->vendor_module.name, f->parameter->name);
        if (!o || option_says(o, true))
            wish->features[profitable[i]] = WANTED_ON;
    }
}
