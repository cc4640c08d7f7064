/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "diagnose.h"

#include "diagnose-codes.h"
#include "text.h"

#define E REASON_ERROR
#define W REASON_WARNING
#define I REASON_INFO

const struct reason_code reason_codes[_R_MAX] = {
    [R_NO_CPUINFO] = { "no-cpuinfo", E, CHECK_CPU, "mount /proc, or give --root a directory that has a copy of /proc/cpuinfo" },
    [R_NOT_X86] = { "not-x86", E, CHECK_CPU, "use a host with an Intel or AMD processor" },
    [R_NO_EXTENSION] = { "no-extension", E, CHECK_CPU, "use a host whose CPU has VMX (Intel) or SVM (AMD)" },
    [R_HIDDEN_BY_HYPERVISOR] = { "hidden-by-hypervisor", E, CHECK_CPU,
        "on the machine that runs this one, give it vmx or svm: \"nestctl guest expose\" there, or the provider's setting" },
    [R_BIOS_DISABLED] = { "bios-disabled", E, CHECK_FIRMWARE,
        "switch on \"Virtualization Technology\", VT-x or SVM in the firmware's setup, then power the machine off and on" },
    [R_EXTENSION_MASKED] = { "extension-masked", E, CHECK_FIRMWARE,
        "switch it on in the firmware's setup, and look for clearcpuid= on the kernel command line" },
    [R_CPUS_DISAGREE] = { "cpus-disagree", E, CHECK_CPUS_AGREE,
        "KVM needs it on every CPU: take the others offline, or update the firmware" },
    [R_XEN_DOM0] = { "xen-dom0", E, CHECK_OWNER, "boot without Xen to use KVM, or nest with Xen's own tools" },
    [R_MODULE_MISSING] = { "module-missing", E, CHECK_MODULE, "install the modules of the kernel that runs, or a kernel with %s" },
    [R_NO_NESTED_PARAMETER] = { "no-nested-parameter", E, CHECK_NESTED, "use a kernel whose %s can nest" },
    [R_OPTION_REFUSED] = { "option-refused", E, CHECK_OPTIONS, "correct the line: with it %s does not load" },

    [R_PARAVIRTUAL_KVM] = { "paravirtual-kvm", W, CHECK_DEVICE,
        "plain guests may run here; guests of guests need vmx or svm" },
    [R_BIOS_DISAGREES] = { "bios-disagrees", W, CHECK_FIRMWARE, "update the firmware; KVM refuses a CPU that differs" },
    [R_VMX_OWNED] = { "vmx-owned", W, CHECK_OWNER, "end its guests and unload it: two hypervisors cannot share a CPU" },
    [R_MODULE_NOT_LOADED] = { "module-not-loaded", W, CHECK_MODULE, "modprobe %s" },
    [R_MODULE_BUSY] = { "module-busy", W, CHECK_MODULE, "try again when it has settled; if it stays so, see the kernel's log" },
    [R_MODULE_BLACKLISTED] = { "module-blacklisted", W, CHECK_MODULE,
        "remove the line if %s is to be loaded at boot by itself" },
    [R_MODULE_INSTALL] = { "module-install", W, CHECK_MODULE, "remove the line, so that %s is loaded with its options as usual" },
    [R_NO_DEV_KVM] = { "no-dev-kvm", W, CHECK_DEVICE, "see why %s refused this CPU in the kernel's log, or run \"udevadm trigger\"" },
    [R_DEV_KVM_STRANGE] = { "dev-kvm-strange", W, CHECK_DEVICE, "remove it and run \"udevadm trigger\"" },
    [R_DEV_KVM_PRIVATE] = { "dev-kvm-private", W, CHECK_DEVICE,
        "install the udev rule of your QEMU package (group kvm, mode 0660)" },
    [R_NESTED_OFF] = { "nested-off", W, CHECK_NESTED, "nestctl enable" },
    [R_NESTED_OFF_AT_BOOT] = { "nested-off-at-boot", W, CHECK_BOOT, "nestctl enable" },
    [R_OPTION_OVERRIDDEN] = { "option-overridden", W, CHECK_OPTIONS, "keep the line that you mean and remove the other" },
    [R_OPTION_UNKNOWN] = { "option-unknown", W, CHECK_OPTIONS, "correct or remove the line: the kernel ignores it" },
    [R_EPT_OFF] = { "ept-off", W, CHECK_PAGING, "nestctl enable ept=on" },
    [R_NO_EPT] = { "no-ept", W, CHECK_PAGING, "expect nested guests to be slow here" },
    [R_SHADOW_VMCS_OFF] = { "shadow-vmcs-off", W, CHECK_EXITS, "nestctl enable shadow_vmcs=on" },
    [R_VULNERABLE] = { "vulnerable", W, CHECK_VULNERABILITIES,
        "let only guests nest that you trust, or see Documentation/admin-guide/hw-vuln of the kernel" },
    [R_DRIFT] = { "drift", W, CHECK_CONFIGURATION, "nestctl enable brings the host to what nestd.conf says" },
    [R_CONFIG_INVALID] = { "config-invalid", W, CHECK_CONFIGURATION, "correct the line; see nestd.conf(5)" },
    [R_UNREADABLE] = { "unreadable", W, CHECK_OPTIONS, "correct what is named, or run as root to read it" },
    [R_INITRAMFS] = { "initramfs", W, CHECK_OPTIONS,
        "after a change of module options build the initramfs again (update-initramfs -u, dracut -f or mkinitcpio -P)" },

    [R_PENDING] = { "pending", I, CHECK_NESTED, "stop the guests that use %s, or reboot" },
    [R_NESTED_HOST] = { "nested-host", I, CHECK_OWNER, "expect guests of guests to be slower here than on bare metal" },
    [R_KVM_HOLDS_VMX] = { "kvm-holds-vmx", I, CHECK_OWNER,
        "load kvm with enable_virt_at_load=0 if another hypervisor is to share the machine" },
    [R_NO_SHADOW_VMCS] = { "no-shadow-vmcs", I, CHECK_EXITS, "expect more exits than on a CPU that has it" },
    [R_CPUS_OFFLINE] = { "cpus-offline", I, CHECK_CPUS_AGREE, "bring them online to have them checked, too" },
    [R_SIGNED_MODULES] = { "signed-modules", I, CHECK_LOCKDOWN,
        "sign nestvmx with an enrolled key (mokutil --import) to qualify with it" },
    [R_MSR_UNREADABLE] = { "msr-unreadable", I, CHECK_FIRMWARE, "modprobe msr and run as root, to tell firmware from CPU" },
};

#undef E
#undef W
#undef I

const char *reason_level_to_string(enum reason_level level) {
    static const char *const names[] = { "info", "warning", "error" };

    return names[level];
}

const struct reason_code *reason_code_of(const struct reason *reason) {
    FOREACH_ARRAY(c, reason_codes, _R_MAX)
        if (c->code == reason->code)
            return c;
    return NULL;
}

/* What the rules work on. The first error sticks, so that each rule is one line. */
struct judge {
    const struct host_facts *f;
    const struct conf *conf; /* or NULL */
    struct verdict *v;
    const char *module;    /* the extension's, or "kvm" */
    const char *extension; /* "vmx" or "svm", the masked one included */
    unsigned said[_R_MAX];
    int error;
};

#define REPETITIONS_MAX 16 /* of one reason: a file may be wrong in thousands of lines */

static void say(struct judge *j, enum reason_id id, const char *format, ...) _printf_(3, 4);
static void say(struct judge *j, enum reason_id id, const char *format, ...) {
    struct verdict *v = j->v;
    struct reason r = { .code = reason_codes[id].code, .level = reason_codes[id].level };
    va_list ap;

    if (j->error < 0 || j->said[id]++ >= REPETITIONS_MAX)
        return;
    va_start(ap, format);
    r.message = text_vformat(format, ap);
    va_end(ap);
    r.hint = text_format(reason_codes[id].hint, j->module);
    if (!r.message || !r.hint || list_grow(&v->reasons, v->n_reasons, sizeof(r)) < 0) {
        free(r.message);
        free(r.hint);
        j->error = -ENOMEM;
        return;
    }
    v->reasons[v->n_reasons++] = r;
}

/* "/etc/modprobe.d/kvm.conf:3" or "/proc/cmdline" */
static const char *place(const char *path, unsigned line, char *buf, size_t size) {
    if (line)
        snprintf(buf, size, "%s:%u", path, line);
    else
        snprintf(buf, size, "%s", path);
    return buf;
}
#define PLACE(o) place((o)->path, (o)->line, (char[TEXT_MAX + 16]){ 0 }, TEXT_MAX + 16)

/* The option that decides what a parameter of the extension's module is when it is loaded next; NULL: none does. */
static const struct module_option *deciding_option(const struct host_facts *f, const char *parameter) {
    FOREACH_ARRAY(o, f->options, f->n_options)
        if (o->effective && f->vendor_module.name && streq(o->module, f->vendor_module.name) &&
            text_same_name(o->parameter, parameter))
            return o;
    return NULL;
}

static bool module_runs(const struct module_facts *m) {
    return m->state == MODULE_LOADED || m->state == MODULE_BUILTIN;
}

static bool is_on(const struct host_facts *f, enum feature_id id) {
    const struct feature_facts *ff = host_feature(f, id);

    return ff && module_runs(&f->vendor_module) && ff->hardware != TRISTATE_NO && ff->current == TRISTATE_YES;
}

static bool will_be_on(const struct host_facts *f, enum feature_id id) {
    const struct feature_facts *ff = host_feature(f, id);

    if (!ff || (!ff->parameter && f->vendor_module.n_parameters > 0))
        return false;
    return deciding_option(f, ff->feature->parameter) ? ff->boot == TRISTATE_YES
                                                             : ff->kernel_default == TRISTATE_YES;
}

static bool masked(const struct host_facts *f) {
    const struct feature_facts *nested = host_feature(f, FEATURE_NESTED);

    return nested && nested->hardware_masked;
}

static void judge_cpu(struct judge *j) {
    const struct host_facts *f = j->f;

    if (f->n_cpus == 0)
        say(j, R_NO_CPUINFO, "/proc/cpuinfo lists no CPU");
    else if (!f->x86)
        say(j, R_NOT_X86, "this machine is %s: nested guests are managed on x86 only", f->arch ? f->arch : "no x86");
    else if (f->n_cpus_without_extension > 0)
        say(j, R_CPUS_DISAGREE, "%u of %u CPUs lack vmx or svm", f->n_cpus_without_extension, f->n_cpus);
    else if (masked(f) && (f->msr.msr[MSR_FEATURE_CONTROL].valid || f->msr.msr[MSR_AMD_VM_CR].valid))
        say(j, R_BIOS_DISABLED, "the CPU has %s, but the firmware switched it off (%s)", j->extension,
            f->msr.msr[MSR_AMD_VM_CR].valid ? "VM_CR.SVMDIS is set" : "IA32_FEATURE_CONTROL is locked without VMX");
    else if (masked(f))
        say(j, R_EXTENSION_MASKED, "the CPU has %s, but the kernel does not show it: the firmware switched it off, or the "
            "kernel was told to ignore it", j->extension);
    else if (f->extension == EXTENSION_NONE && f->virtualized && !f->xen_dom0)
        say(j, R_HIDDEN_BY_HYPERVISOR, "this machine is a guest of %s, which gives it neither vmx nor svm",
            f->hypervisor ? f->hypervisor : "a hypervisor");
    else if (f->extension == EXTENSION_NONE && !f->xen_dom0)
        say(j, R_NO_EXTENSION, "%s has neither vmx nor svm", f->model ? f->model : "the CPU");
    if (f->msr.msr[MSR_FEATURE_CONTROL].disagrees || f->msr.msr[MSR_AMD_VM_CR].disagrees)
        say(j, R_BIOS_DISAGREES, "the firmware set %s differently on different CPUs",
            f->msr.msr[MSR_AMD_VM_CR].disagrees ? "VM_CR" : "IA32_FEATURE_CONTROL");
    if (f->extension == EXTENSION_NONE && f->x86 && !f->virtualized && f->msr.error < 0)
        say(j, R_MSR_UNREADABLE, "the CPU's registers cannot be read (%s)", strerror(-f->msr.error));
    if (f->x86 && f->n_cpus_present > f->n_cpus)
        say(j, R_CPUS_OFFLINE, "%u of %u CPUs are offline and were not looked at", f->n_cpus_present - f->n_cpus,
            f->n_cpus_present);
}

static void judge_owner(struct judge *j) {
    const struct host_facts *f = j->f;

    if (f->xen_dom0)
        say(j, R_XEN_DOM0, "this is Xen's control domain: Xen owns the CPU's %s", j->extension);
    else if (f->virtualized && f->extension != EXTENSION_NONE)
        say(j, R_NESTED_HOST, "this machine is itself a guest of %s%s", f->hypervisor ? f->hypervisor : "a hypervisor",
            f->level > 1 ? ", which is a guest as well" : "");
    if (f->vmx_owner)
        say(j, R_VMX_OWNED, "module %s is loaded and takes the CPU's %s while its guests run", f->vmx_owner, j->extension);
    if (f->kvm_holds_vmx)
        say(j, R_KVM_HOLDS_VMX, "kvm holds the CPU's %s from load on (enable_virt_at_load=Y)", j->extension);
}

static void judge_module(struct judge *j) {
    const struct host_facts *f = j->f;
    const struct module_facts *m = &f->vendor_module;

    if (f->extension == EXTENSION_NONE)
        return;
    if (m->state == MODULE_ABSENT)
        say(j, R_MODULE_MISSING, "kernel %s has no module %s", f->kernel ? f->kernel : "(unknown)", m->name);
    else if (m->state == MODULE_AVAILABLE)
        say(j, R_MODULE_NOT_LOADED, "%s is not loaded", m->name);
    else if (m->initstate && !streq(m->initstate, "live"))
        say(j, R_MODULE_BUSY, "%s is neither loaded nor unloaded: its state is \"%s\"", m->name, m->initstate);
    FOREACH_ARRAY(d, f->directives, f->n_directives) {
        if (!streq(d->module, m->name) && !streq(d->module, "kvm"))
            continue;
        if (d->kind == DIRECTIVE_BLACKLIST && m->state == MODULE_AVAILABLE)
            say(j, R_MODULE_BLACKLISTED, "%s: %s is blacklisted", PLACE(d), d->module);
        if (d->kind == DIRECTIVE_INSTALL)
            say(j, R_MODULE_INSTALL, "%s: instead of loading %s modprobe runs: %s", PLACE(d), d->module, d->text);
    }
}

static void judge_device(struct judge *j) {
    const struct host_facts *f = j->f;
    const struct dev_kvm_facts *kvm = &f->dev_kvm;
    bool runs = f->extension != EXTENSION_NONE && module_runs(&f->vendor_module) && !masked(f);

    if (kvm->exists && f->x86 && f->extension == EXTENSION_NONE && !f->masked_extension && !f->n_cpus_without_extension)
        say(j, R_PARAVIRTUAL_KVM, "/dev/kvm exists, but the CPU shows neither vmx nor svm: this is a paravirtual KVM");
    if (runs && !kvm->exists)
        say(j, R_NO_DEV_KVM, "%s is there, but /dev/kvm is not", f->vendor_module.name);
    if (kvm->exists && !kvm->is_char)
        say(j, R_DEV_KVM_STRANGE, "/dev/kvm is not a device");
    else if (runs && kvm->exists && !(kvm->mode & 066))
        say(j, R_DEV_KVM_PRIVATE, "/dev/kvm is for user %u alone (mode %04o): QEMU under another user cannot open it",
            (unsigned)kvm->uid, (unsigned)kvm->mode);
}

static void judge_nested(struct judge *j) {
    const struct host_facts *f = j->f;
    const struct feature_facts *nested = host_feature(f, FEATURE_NESTED);
    const struct module_option *o;

    if (f->extension == EXTENSION_NONE || masked(f) || f->vendor_module.state == MODULE_ABSENT)
        return;
    if (!nested->parameter && f->vendor_module.n_parameters > 0) {
        say(j, R_NO_NESTED_PARAMETER, "%s of kernel %s has no parameter \"nested\"", j->module, strempty(f->kernel));
        return;
    }
    o = deciding_option(f, "nested");
    if (module_runs(&f->vendor_module) && nested->current != TRISTATE_YES) {
        if (o && nested->boot == TRISTATE_NO)
            say(j, R_NESTED_OFF, "%s runs with nested off, as %s wants it", j->module, PLACE(o));
        else if (o && nested->boot == TRISTATE_UNKNOWN)
            say(j, R_NESTED_OFF, "%s runs with nested off, and with what %s says it would not load", j->module, PLACE(o));
        else if (o)
            say(j, R_NESTED_OFF, "%s runs with nested off, though %s wants it on: it was loaded before, or with other options",
                j->module, PLACE(o));
        else if (nested->kernel_default == TRISTATE_YES)
            say(j, R_NESTED_OFF, "%s was loaded with nested off, which no file asks for", j->module);
        else
            say(j, R_NESTED_OFF, "%s has nested off, the default of kernel %s", j->module, strempty(f->kernel));
    }
    if (!j->v->persistent && (j->v->enabled || f->vendor_module.state == MODULE_AVAILABLE)) {
        if (o && nested->boot == TRISTATE_NO)
            say(j, R_NESTED_OFF_AT_BOOT, "%s will have nested off when it is loaded next: %s", j->module, PLACE(o));
        else if (!o)
            say(j, R_NESTED_OFF_AT_BOOT, "%s will have nested off when it is loaded next: the default of kernel %s", j->module,
                strempty(f->kernel));
    }
    if (j->v->pending)
        say(j, R_PENDING, "a change waits until %s is no longer in use", j->module);
}

static bool has_parameter(const struct module_facts *m, const char *name) {
    FOREACH_ARRAY(q, m->parameters, m->n_parameters)
        if (text_same_name(q->name, name))
            return true;
    return false;
}

static void judge_option(struct judge *j, const struct module_option *o) {
    const struct module_facts *m = &j->f->vendor_module;
    const struct module_option *winner = deciding_option(j->f, o->parameter);

    if (m->n_parameters > 0 && !has_parameter(m, o->parameter)) {
        say(j, R_OPTION_UNKNOWN, "%s: %s of this kernel has no parameter \"%s\"", PLACE(o), m->name, o->parameter);
        return;
    }
    if (!o->effective && winner && !streq_ptr(winner->value, o->value))
        say(j, R_OPTION_OVERRIDDEN, "%s: %s %s=%s has no effect, %s says %s", PLACE(o), m->name, o->parameter,
            o->value ? o->value : "1", PLACE(winner), winner->value ? winner->value : "1");
    else if (!o->effective && !winner)
        say(j, R_OPTION_OVERRIDDEN, "%s: %s is built in, so that only the kernel command line can set %s", PLACE(o), m->name,
            o->parameter);
}

static void judge_options(struct judge *j) {
    const struct host_facts *f = j->f;

    FOREACH_ARRAY(o, f->options, f->n_options)
        if (f->vendor_module.name && streq(o->module, f->vendor_module.name))
            judge_option(j, o);
    FOREACH_ARRAY(ff, f->features, f->n_features) {
        const struct module_option *o = ff->feature->parameter ? deciding_option(f, ff->feature->parameter) : NULL;

        if (o && ff->boot == TRISTATE_UNKNOWN)
            say(j, R_OPTION_REFUSED, "%s: %s=%s is no value that %s takes", PLACE(o), o->parameter, strempty(o->value), j->module);
    }
    if (f->initramfs_has_module)
        say(j, R_INITRAMFS, "the initramfs is told to load kvm, perhaps with an older copy of the module options");
    for (size_t i = 0; i < f->n_warnings; i++)
        say(j, R_UNREADABLE, "%s", f->warnings[i]);
}

static void judge_features(struct judge *j) {
    static const struct { enum feature_id id; enum reason_id off, lacking; const char *cost; } rules[] = {
        { FEATURE_EPT, R_EPT_OFF, R_NO_EPT, "memory accesses of nested guests are slow" },
        { FEATURE_SHADOW_VMCS, R_SHADOW_VMCS_OFF, R_NO_SHADOW_VMCS, "each VMREAD of a guest hypervisor is an exit" },
    };

    FOREACH_ARRAY(rule, rules, ELEMENTSOF(rules)) {
        const struct feature_facts *ff = host_feature(j->f, rule->id);

        if (!ff || !j->v->capable)
            continue;
        if (ff->hardware == TRISTATE_NO)
            say(j, rule->lacking, "the CPU has no %s: %s", ff->feature->name, rule->cost);
        else if (module_runs(&j->f->vendor_module) && ff->parameter && ff->current == TRISTATE_NO)
            say(j, rule->off, "%s runs with %s off: %s", j->module, ff->feature->parameter, rule->cost);
    }
}

/* "itlb_multihit, l1tf": those that the kernel calls vulnerable, for the host or (in parts) for VMX. */
static void judge_vulnerabilities(struct judge *j) {
    char names[512] = "";
    size_t n = 0;

    FOREACH_ARRAY(v, j->f->vulnerabilities, j->f->n_vulnerabilities)
        if (strcasestr(v->status, "vulnerable") && n < sizeof(names))
            n += snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", v->name);
    if (n > 0)
        say(j, R_VULNERABLE, "a guest may be able to read others' memory: the kernel calls this host vulnerable to %s", names);
}

static void judge_security(struct judge *j) {
    const struct host_facts *f = j->f;

    judge_vulnerabilities(j);
    if (f->lockdown && !streq(f->lockdown, "none"))
        say(j, R_SIGNED_MODULES, "the kernel is locked down (%s): it loads signed modules only", f->lockdown);
    else if (f->secure_boot == TRISTATE_YES)
        say(j, R_SIGNED_MODULES, "Secure Boot is on: the kernel may load signed modules only");
}

static void judge_configuration(struct judge *j) {
    if (!j->conf)
        return;
    FOREACH_ARRAY(w, j->conf->warnings, j->conf->n_warnings)
        say(j, R_CONFIG_INVALID, "%s: %s", PLACE(w), w->message);
    FOREACH_ARRAY(ff, j->f->features, j->f->n_features) {
        enum wanted wanted = j->conf->features[ff->feature->id];

        if (wanted == WANTED_KEEP || !j->v->capable || !ff->feature->parameter)
            continue;
        if (is_on(j->f, ff->feature->id) != (wanted == WANTED_ON))
            say(j, R_DRIFT, "nestd.conf wants %s %s, but it is %s", ff->feature->name, wanted_to_string(wanted),
                wanted == WANTED_ON ? "off" : "on");
    }
}

/* Insertion sort: few, nearly sorted, and those of one level stay in the order they were found. */
static void sort_reasons(struct verdict *v) {
    for (size_t i = 1; i < v->n_reasons; i++)
        for (size_t k = i; k > 0 && v->reasons[k - 1].level < v->reasons[k].level; k--) {
            struct reason swap = v->reasons[k];
            v->reasons[k] = v->reasons[k - 1];
            v->reasons[k - 1] = swap;
        }
}

static void conclude(const struct host_facts *f, struct verdict *v) {
    const struct feature_facts *nested = host_feature(f, FEATURE_NESTED);

    /* A module whose parameters could not be read (in a dump) gets the benefit of the doubt. */
    v->capable = f->extension != EXTENSION_NONE && !masked(f) && !f->xen_dom0 && f->vendor_module.state != MODULE_ABSENT &&
                 (nested->parameter || f->vendor_module.n_parameters == 0);
    v->enabled = v->capable && is_on(f, FEATURE_NESTED);
    v->persistent = v->capable && will_be_on(f, FEATURE_NESTED);
}

int diagnose_host(const struct host_facts *facts, const struct conf *conf, bool pending, struct verdict **ret) {
    static void (*const rules[])(struct judge *j) = {
        judge_cpu, judge_owner, judge_module, judge_nested, judge_device, judge_options, judge_features, judge_security,
        judge_configuration,
    };
    enum extension extension = facts->extension ? facts->extension : facts->masked_extension;
    struct judge j = {
        .f = facts,
        .conf = conf,
        .v = calloc(1, sizeof(struct verdict)),
        .module = facts->vendor_module.name ? facts->vendor_module.name : "kvm",
        .extension = extension ? extension_to_string(extension) : "vmx or svm",
    };

    if (!j.v)
        return -ENOMEM;
    j.v->pending = pending;
    conclude(facts, j.v);
    FOREACH_ARRAY(rule, rules, ELEMENTSOF(rules))
        (*rule)(&j);
    if (j.error < 0) {
        verdict_free(j.v);
        return j.error;
    }
    sort_reasons(j.v);
    *ret = j.v;
    return 0;
}

struct verdict *verdict_free(struct verdict *v) {
    if (!v)
        return NULL;
    FOREACH_ARRAY(r, v->reasons, v->n_reasons) {
        free(r->message);
        free(r->hint);
    }
    free(v->reasons);
    free(v);
    return NULL;
}
