/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>

#include "guest-cpu.h"
#include "guest-place.h"

/* Features that mean nothing without svm (QEMU's feature_dependencies, target/i386/cpu.c; the names are libvirt's,
 * src/cpu_map/x86_features.xml). vmx has its "vmx-*". */
static const char *const svm_features[] = {
    "npt",       "lbrv",          "svm-lock",     "nrip-save",   "tsc-scale", "vmcb-clean",      "flushbyasid",
    "decodeassists", "pause-filter", "pfthreshold", "avic",      "v-vmsave-vmload", "vgif",      "svme-addr-chk",
    "vnmi",
};

static bool depends_on(const char *feature, enum extension extension) {
    if (extension == EXTENSION_VMX)
        return startswith(feature, "vmx-") != NULL;
    for (size_t i = 0; i < ELEMENTSOF(svm_features); i++)
        if (streq(feature, svm_features[i]))
            return true;
    return false;
}

/* Characters of libvirt's featureName (cputypes.rng), which all its model names keep to as well. */
static bool valid_model(const char *model) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(model);
    return n > 0 && n <= 64 && strspn(model, letters) == n;
}

/* The CPU's text while it is put together: children to add, and the edits to what is there. */
struct cpu_change {
    const struct guest_doc *doc;
    struct guest_edits *e;
    struct place place; /* of <cpu>: where it is or goes, with its indentation */
    char *children;     /* text to append */
};

_printf_(2, 3) static void append_child(struct cpu_change *c, const char *format, ...) {
    _cleanup_free_ char *child = NULL;
    char *all = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&child, format, ap);
    va_end(ap);
    if (n < 0 || asprintf(&all, "%s%s%s", strempty(c->children), c->place.child_gap, child) < 0) {
        c->e->failed = true;
        return;
    }
    free(c->children);
    c->children = all;
}

static void set_policy(struct cpu_change *c, uint32_t feature, const char *name, const char *policy) {
    if (feature == XML_NONE)
        append_child(c, "<feature policy='%s' name='%s'/>", policy, name);
    else
        edit_set_attr(c->e, &c->doc->xml, feature, "policy", policy);
}

/* Attributes and children that libvirt takes in one mode only, or that mean something else in another. */
static void change_mode(struct cpu_change *c, enum cpu_mode mode, const char *model) {
    const struct xml_doc *xml = &c->doc->xml;
    uint32_t cpu = c->doc->cpu;

    edit_set_attr(c->e, xml, cpu, "mode", cpu_mode_to_string(mode));
    edit_remove_attr(c->e, xml, cpu, "match");
    edit_remove_attr(c->e, xml, cpu, "check");
    /* "Attribute migratable is only allowed for 'host-passthrough' / 'maximum' CPU mode" */
    edit_remove_attr(c->e, xml, cpu, "migratable");
    uint32_t old = xml_child(xml, cpu, NULL, "model", XML_NONE);
    uint32_t vendor = xml_child(xml, cpu, NULL, "vendor", XML_NONE);
    if (old != XML_NONE)
        edit_remove_element(c->e, xml, old);
    /* "CPU vendor specified without CPU model" */
    if (vendor != XML_NONE)
        edit_remove_element(c->e, xml, vendor);
    uint32_t cache = xml_child(xml, cpu, NULL, "cache", XML_NONE);
    if (cache != XML_NONE && mode != CPU_HOST_PASSTHROUGH &&
        streq_ptr(xml_attr(xml, cache, "mode"), "passthrough")) {
        edit_remove_element(c->e, xml, cache);
        edit_note(c->e, "<cache mode='passthrough'> removed: libvirt accepts it with host-passthrough only");
    }
    if (model)
        append_child(c, "<model fallback='forbid'>%s</model>", model);
}

/* Another model in the same mode. */
static void change_model(struct cpu_change *c, const char *model) {
    const struct xml_doc *xml = &c->doc->xml;
    uint32_t old = xml_child(xml, c->doc->cpu, NULL, "model", XML_NONE);
    uint32_t vendor = xml_child(xml, c->doc->cpu, NULL, "vendor", XML_NONE);
    if (old != XML_NONE)
        edit_remove_element(c->e, xml, old);
    if (vendor != XML_NONE)
        edit_remove_element(c->e, xml, vendor);
    append_child(c, "<model fallback='forbid'>%s</model>", model);
}

/* A <cpu> without mode and model may hold a topology but no feature: name what libvirt would have taken anyway. */
static void spell_out_default(struct cpu_change *c, const char *model) {
    const struct xml_doc *xml = &c->doc->xml;
    uint32_t old = xml_child(xml, c->doc->cpu, NULL, "model", XML_NONE);
    edit_set_attr(c->e, xml, c->doc->cpu, "mode", "custom");
    if (!xml_attr(xml, c->doc->cpu, "match"))
        edit_set_attr(c->e, xml, c->doc->cpu, "match", "exact");
    /* as qemuDomainDefSetDefaultCPU does: the default may not be runnable as it stands on this host */
    if (!xml_attr(xml, c->doc->cpu, "check"))
        edit_set_attr(c->e, xml, c->doc->cpu, "check", "none");
    if (old != XML_NONE)
        edit_remove_element(c->e, xml, old);
    append_child(c, "<model fallback='forbid'>%s</model>", model);
}

/* No <cpu> at all: the whole element. */
static void create_cpu(struct cpu_change *c, enum cpu_mode mode, const char *model) {
    if (mode == CPU_CUSTOM) {
        char *feature = TAKE_PTR(c->children);
        append_child(c, "<model fallback='forbid'>%s</model>", model);
        char *all = NULL;
        if (asprintf(&all, "%s%s", strempty(c->children), strempty(feature)) < 0)
            c->e->failed = true;
        free(c->children);
        free(feature);
        c->children = all;
    }
    _cleanup_free_ char *cpu = NULL;
    if (asprintf(&cpu, "<cpu mode='%s'%s>%s%s</cpu>", cpu_mode_to_string(mode),
                 mode == CPU_CUSTOM ? " match='exact' check='none'" : "", strempty(c->children), c->place.gap) < 0) {
        cpu = NULL;
        c->e->failed = true;
        return;
    }
    edit_create(c->e, REGION_CPU, c->place.at, c->place.gap, cpu);
}

/* The mode and model after the change, where they are to change; *ret_model is one of the caller's strings. */
static int wanted_mode(const struct guest_doc *d, const struct guest_wish *w, enum cpu_mode *ret_mode,
                       const char **ret_model, char **why) {
    enum cpu_mode mode = w->action == GUEST_EXPOSE && w->mode != CPU_KEEP ? w->mode : d->mode;
    const char *model = NULL;

    if (w->action == GUEST_EXPOSE && w->model) {
        if (w->mode != CPU_CUSTOM)
            return refuse(why, -EINVAL, "a CPU model can be chosen with mode=custom only");
        if (!valid_model(w->model))
            return refuse(why, -EINVAL, "the CPU model's name has characters that no model has");
        model = w->model;
    } else if (mode == CPU_CUSTOM) {
        if (d->mode != CPU_CUSTOM)
            return refuse(why, -EINVAL, "mode=custom needs model=NAME, as this guest's %s CPU names no model",
                          cpu_mode_to_string(d->mode));
        model = d->model;
    }
    if (mode == CPU_HOST_PASSTHROUGH && d->tcg)
        return refuse(why, -EOPNOTSUPP, "host-passthrough needs KVM, but the guest is of type='qemu'");
    *ret_mode = mode;
    *ret_model = model;
    return 0;
}

static void note_expose(struct cpu_change *c, enum cpu_mode mode, const char *model) {
    const char *name = cpu_mode_to_string(mode);
    switch (mode) {
    case CPU_HOST_PASSTHROUGH:
    case CPU_MAXIMUM:
        edit_note(c->e, "the %s CPU would get the extension whenever the host nests; now it is written down", name);
        break;
    case CPU_HOST_MODEL:
        edit_note(c->e, "libvirt's model of the host may leave the extension out, so it is required explicitly");
        break;
    default:
        edit_note(c->e, "the extension is added to the CPU model %s, which stays", model);
    }
}

static int expose(struct cpu_change *c, const struct guest_wish *w, char **why) {
    const struct guest_doc *d = c->doc;
    const char *feature = extension_to_string(w->extension), *model = NULL, *cannot;
    enum cpu_policy policy;
    enum cpu_mode mode = CPU_KEEP;

    int r = wanted_mode(d, w, &mode, &model, why);
    if (r < 0)
        return r;
    if ((cannot = guest_doc_cannot_nest(d, w->extension)))
        return refuse(why, -EOPNOTSUPP, "%s", cannot);

    uint32_t f = guest_doc_feature(d, feature, &policy);
    bool on = policy == POLICY_REQUIRE || policy == POLICY_FORCE;
    bool other_model = mode == CPU_CUSTOM && !streq_ptr(model, d->model);
    if (on && mode == d->mode && !other_model) {
        edit_note(c->e, "<cpu> requires %s already; nestd notes that this guest was chosen", feature);
        return 0;
    }
    if (!on)
        set_policy(c, f, feature, "require");
    if (mode != d->mode || other_model)
        edit_note(c->e, "CPU %s%s%s instead of %s%s%s", cpu_mode_to_string(mode), model ? " " : "", strempty(model),
                  cpu_mode_to_string(d->mode), d->model ? " " : "", strempty(d->model));
    else
        note_expose(c, mode, model);
    if (policy == POLICY_OPTIONAL && (mode == CPU_HOST_PASSTHROUGH || mode == CPU_MAXIMUM))
        edit_note(c->e, "'%s' was optional, which libvirt drops silently in %s mode", feature,
                  cpu_mode_to_string(mode));

    if (d->cpu == XML_NONE)
        create_cpu(c, mode, model);
    else if (mode != d->mode)
        change_mode(c, mode, model);
    else if (d->default_model)
        spell_out_default(c, model);
    else if (other_model)
        change_model(c, model);
    return 0;
}

static int hide(struct cpu_change *c, enum extension extension, char **why) {
    const struct guest_doc *d = c->doc;
    const char *feature = extension_to_string(extension);
    enum cpu_policy policy;

    if (guest_doc_cpu_overridden(d))
        return refuse(why, -EOPNOTSUPP, "<qemu:commandline> sets -cpu itself, which overrides <cpu>: take %s out there",
                      feature);
    if (guest_doc_nest(d, extension) == NEST_NO) {
        edit_note(c->e, "the guest's CPU does not have %s", feature);
        return 0;
    }
    uint32_t f = guest_doc_feature(d, feature, &policy);
    set_policy(c, f, feature, "disable");
    edit_note(c->e, "%s is switched off in the guest's CPU", feature);
    if (d->cpu == XML_NONE) {
        edit_note(c->e, "the guest had no <cpu>, which means %s: now it is written down", d->model);
        create_cpu(c, CPU_CUSTOM, d->model);
        return 0;
    }
    if (d->mode == CPU_CUSTOM && d->default_model)
        spell_out_default(c, d->model);
    /* With check='full' libvirt would refuse to start a guest that lacks a feature it requires. */
    for (f = XML_NONE; (f = xml_child(&d->xml, d->cpu, NULL, "feature", f)) != XML_NONE;) {
        const char *name = xml_attr(&d->xml, f, "name");
        if (!depends_on(name, extension))
            continue;
        guest_doc_feature(d, name, &policy);
        if (policy != POLICY_DISABLE && policy != POLICY_FORBID) {
            edit_set_attr(c->e, &d->xml, f, "policy", "disable");
            edit_note(c->e, "%s, a part of %s, is switched off with it", name, feature);
        }
    }
    return 0;
}

/* New children are set like those that are there. */
static int like_first_child(struct cpu_change *c) {
    static const char *const nothing[] = {NULL};
    _cleanup_(place_done) struct place inner = {};
    int r = place_find(c->doc, c->doc->cpu, XML_NONE, nothing, &inner);
    if (r < 0)
        return r;
    free(c->place.child_gap);
    c->place.child_gap = TAKE_PTR(inner.gap);
    return 0;
}

int guest_cpu_edit(const struct guest_doc *d, const struct guest_wish *w, struct guest_edits *e, char **ret_why) {
    static const char *const before[] = {"features", "iothreadids", "os", "vcpu", "memory", "name", NULL};
    struct cpu_change c = {.doc = d, .e = e};
    size_t had = e->n_splices;

    int r = place_find(d, 0, d->cpu, before, &c.place);
    if (r >= 0 && d->cpu != XML_NONE && xml_count(&d->xml, d->cpu, NULL, NULL) > 0)
        r = like_first_child(&c);
    if (r < 0) {
        place_done(&c.place);
        return r;
    }
    if (w->action == GUEST_EXPOSE)
        r = expose(&c, w, ret_why);
    else
        r = hide(&c, w->extension, ret_why);
    if (r >= 0 && d->cpu != XML_NONE && c.children)
        edit_append(e, &d->xml, d->cpu, c.place.gap, c.children);
    if (e->n_splices > had && d->default_model && d->cpu != XML_NONE)
        edit_note(e, "the guest named no CPU model, which means %s: now it is written down", d->model);
    free(c.children);
    place_done(&c.place);
    return r;
}

void guest_cpu_revert(const struct guest_doc *d, const struct guest_doc *original, const struct guest_wish *w,
                      struct guest_edits *e) {
    static const char *const words[] = {"", "force", "require", "optional", "disable", "forbid"};
    const char *feature = extension_to_string(w->extension);
    enum cpu_policy now, before, ours = w->action == GUEST_EXPOSE ? POLICY_REQUIRE : POLICY_DISABLE;

    uint32_t f = guest_doc_feature(d, feature, &now);
    guest_doc_feature(original, feature, &before);
    if (now != ours || now == before)
        edit_note(e, "<cpu> was changed by somebody else since; nothing of nestd's is left in it");
    else if (before == POLICY_NONE) {
        edit_remove_element(e, &d->xml, f);
        edit_note(e, "<cpu> was changed by somebody else since, so only nestd's '%s' is taken out of it", feature);
    } else {
        edit_set_attr(e, &d->xml, f, "policy", words[before]);
        edit_note(e, "<cpu> was changed by somebody else since, so only '%s' is set back, to '%s'", feature,
                  words[before]);
    }
    if (w->action == GUEST_EXPOSE && original->mode != d->mode)
        edit_note(e, "the CPU mode stays %s; before nestd it was %s", cpu_mode_to_string(d->mode),
                  cpu_mode_to_string(original->mode));
}
