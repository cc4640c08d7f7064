/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <strings.h>

#include "guest-place.h"
#include "guest-profile.h"

/* <memory> in KiB (virScaleInteger, src/util/virutil.c: no unit means KiB here); 0: not known. */
static uint64_t memory_kib(const struct guest_doc *d) {
    static const struct {
        const char *unit;
        double kib;
    } units[] = {{"b", 1. / 1024}, {"bytes", 1. / 1024}, {"KB", 1000. / 1024}, {"k", 1}, {"KiB", 1}, {"MB", 1e6 / 1024},
                 {"M", 1024}, {"MiB", 1024}, {"GB", 1e9 / 1024}, {"G", 1024 * 1024}, {"GiB", 1024 * 1024},
                 {"TB", 1e12 / 1024}, {"T", 1024. * 1024 * 1024}, {"TiB", 1024. * 1024 * 1024}};
    uint32_t memory = xml_find(&d->xml, 0, "memory");
    const char *unit = xml_attr(&d->xml, memory, "unit");
    _cleanup_free_ char *text = NULL;
    if (xml_content(&d->xml, memory, &text) < 0)
        return 0;
    double value = strtod(text, NULL);
    FOREACH_ARRAY(u, units, ELEMENTSOF(units))
        if (strcasecmp(u->unit, unit ? unit : "KiB") == 0 && value > 0 && value * u->kib < 1e15)
            return (uint64_t)(value * u->kib);
    return 0;
}

static const char *two_vcpus(const struct guest_doc *d) {
    _cleanup_free_ char *text = NULL;
    if (xml_content(&d->xml, xml_find(&d->xml, 0, "vcpu"), &text) < 0)
        return NULL;
    return strtoul(text, NULL, 10) >= 2 ? NULL : "give it 2 or more vCPUs";
}

static const char *four_gib(const struct guest_doc *d) {
    uint64_t kib = memory_kib(d);
    return kib == 0 || kib >= 4 * 1024 * 1024 ? NULL : "give it 4 GiB of memory or more";
}

static bool one_of(const char *s, const char *const *words) {
    for (; s && *words; words++)
        if (streq(s, *words))
            return true;
    return false;
}

static const char *esxi_network(const struct guest_doc *d) {
    static const char *const models[] = {"e1000", "e1000e", "vmxnet3", NULL};
    uint32_t devices = xml_find(&d->xml, 0, "devices");
    size_t all = 0, good = 0;
    for (uint32_t i = XML_NONE; (i = xml_child(&d->xml, devices, NULL, "interface", i)) != XML_NONE; all++)
        good += one_of(xml_attr(&d->xml, xml_find(&d->xml, i, "model"), "type"), models);
    return all == 0 || good > 0 ? NULL : "give it a network interface of model e1000e or vmxnet3";
}

static const char *esxi_disk(const struct guest_doc *d) {
    static const char *const buses[] = {"sata", "ide", NULL};
    uint32_t devices = xml_find(&d->xml, 0, "devices");
    size_t all = 0, good = 0;
    for (uint32_t i = XML_NONE; (i = xml_child(&d->xml, devices, NULL, "disk", i)) != XML_NONE; all++)
        good += one_of(xml_attr(&d->xml, xml_find(&d->xml, i, "target"), "bus"), buses);
    return all == 0 || good > 0 ? NULL : "put its disk on the bus sata (or ide)";
}

/* QEMU's docs/system/i386/hyperv.rst. */
static const struct profile_enlightenment hyperv_enlightenments[] = {
    {"relaxed", NULL, NULL, EXTENSION_NONE, "Windows does not take a vCPU that waits for a hang, which happens under nesting"},
    {"vapic", NULL, NULL, EXTENSION_NONE, "cheaper interrupts, and evmcs depends on it"},
    {"spinlocks", "retries", "8191", EXTENSION_NONE, "a waiting vCPU gives way instead of spinning"},
    {"vpindex", NULL, NULL, EXTENSION_NONE, "virtual processors are known by index, on which the TLB calls of Hyper-V build"},
    {"evmcs", NULL, NULL, EXTENSION_VMX, "L1 reads and writes its VMCS in memory instead of exiting for each field; Intel only"},
    {}};

const struct guest_profile guest_profiles[] = {
    {.name = "kvm", .what = "KVM", .source = "Documentation/virt/kvm/x86/running-nested-guests.rst"},
    {.name = "xen", .what = "Xen", .source = "docs/man/xl.cfg.5.pod.in of Xen: HVM guests need VT-x with EPT or AMD-V with NPT"},
    {.name = "esxi", .what = "VMware ESXi",
     .requirements = {{two_vcpus, "ESXi's installer wants two CPUs"},
                      {four_gib, "ESXi's installer wants 4 GiB (8 GiB from version 8 on)"},
                      {esxi_network, "ESXi has no virtio drivers"},
                      {esxi_disk, "ESXi has no virtio drivers"}},
     .host_note = "ESXi reads MSRs that KVM lacks and stops with a purple screen unless the host has kvm.ignore_msrs=1, which "
                  "holds for all guests: nestd does not set it",
     .source = "ESXi hardware requirements (VMware); Documentation/admin-guide/kernel-parameters.txt, kvm.ignore_msrs"},
    {.name = "hyperv", .what = "Microsoft Hyper-V", .enlightenments = hyperv_enlightenments,
     .source = "QEMU's docs/system/i386/hyperv.rst"},
    {.name = "virtualbox", .what = "Oracle VirtualBox", .source = "VirtualBox manual, 10.3: it runs 64-bit guests with VT-x or AMD-V only"},
};
const size_t n_guest_profiles = ELEMENTSOF(guest_profiles);

static const struct guest_profile *profile_by_name(const char *name) {
    FOREACH_ARRAY(p, guest_profiles, n_guest_profiles)
        if (streq(p->name, name))
            return p;
    return NULL;
}

/* The enlightenments that are missing, as text to append to <hyperv>; those switched off are switched on. */
static int enlighten(const struct guest_doc *d, const struct guest_profile *p, enum extension extension, uint32_t hyperv,
                     const char *gap, struct guest_edits *e, char **ret) {
    size_t size;
    char *text = NULL;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return -ENOMEM;
    for (const struct profile_enlightenment *l = p->enlightenments; l->name; l++) {
        if (l->extension != EXTENSION_NONE && l->extension != extension)
            continue;
        uint32_t have = xml_child(&d->xml, hyperv, NULL, l->name, XML_NONE);
        if (have == XML_NONE)
            fprintf(f, l->attribute ? "%s<%s state='on' %s='%s'/>" : "%s<%s state='on'/>", gap, l->name, l->attribute, l->value);
        else if (!streq_ptr(xml_attr(&d->xml, have, "state"), "on")) {
            edit_set_attr(e, &d->xml, have, "state", "on");
            /* which libvirt wants with it */
            if (l->attribute && !xml_attr(&d->xml, have, l->attribute))
                edit_set_attr(e, &d->xml, have, l->attribute, l->value);
        } else
            continue;
        edit_note(e, "enlightenment %s: %s", l->name, l->reason);
    }
    if (fclose(f) != 0) {
        free(text);
        return -ENOMEM;
    }
    *ret = text;
    return 0;
}

static int edit_hyperv(const struct guest_doc *d, const struct guest_profile *p, enum extension extension,
                       struct guest_edits *e, char **why) {
    static const char *const before[] = {"iothreadids", "os", "vcpu", "memory", "name", NULL};
    static const char *const nothing[] = {NULL};
    _cleanup_(place_done) struct place outer = {}, inner = {};
    _cleanup_free_ char *children = NULL, *whole = NULL, *deep = NULL;
    uint32_t parent = xml_find(&d->xml, 0, "features"), hyperv = xml_find(&d->xml, parent, "hyperv");

    if (d->tcg)
        return refuse(why, -EOPNOTSUPP, "the enlightenments of profile %s need KVM, but the guest is of type='qemu'", p->name);
    if (streq_ptr(xml_attr(&d->xml, hyperv, "mode"), "passthrough")) {
        edit_note(e, "<hyperv mode='passthrough'> has all enlightenments of this host already");
        return 0;
    }
    int r = place_find(d, 0, parent, before, &outer);
    if (r < 0)
        return r;
    /* "\n  ", "\n    ", "\n      ": as deep as <features>, <hyperv> and its children stand */
    const char *unit = outer.child_gap + strlen(outer.gap);
    if (asprintf(&deep, "%s%s", outer.child_gap, unit) < 0)
        return -ENOMEM;
    if (hyperv != XML_NONE && xml_child(&d->xml, hyperv, NULL, NULL, XML_NONE) != XML_NONE) {
        if ((r = place_find(d, hyperv, XML_NONE, nothing, &inner)) < 0)
            return r;
        free(deep);
        deep = TAKE_PTR(inner.gap);
    }
    if ((r = enlighten(d, p, extension, hyperv, deep, e, &children)) < 0)
        return r;
    if (!*children)
        return 0;
    if (hyperv != XML_NONE) {
        edit_append(e, &d->xml, hyperv, outer.child_gap, children);
        return 0;
    }
    if (asprintf(&whole, "%s<hyperv mode='custom'>%s%s</hyperv>", outer.child_gap, children, outer.child_gap) < 0)
        return -ENOMEM;
    if (parent != XML_NONE) {
        edit_append(e, &d->xml, parent, outer.gap, whole);
        return 0;
    }
    _cleanup_free_ char *element = NULL;
    if (asprintf(&element, "<features>%s%s</features>", whole, outer.gap) < 0)
        return -ENOMEM;
    edit_create(e, REGION_FEATURES, outer.at, outer.gap, element);
    return 0;
}

int guest_profile_edit(const struct guest_doc *d, const struct guest_wish *w, struct guest_edits *e, char **why) {
    if (!w->profile)
        return 0;
    const struct guest_profile *p = profile_by_name(w->profile);
    if (!p)
        return refuse(why, -EINVAL, "no such profile; there are kvm, xen, esxi, hyperv and virtualbox");
    FOREACH_ARRAY(q, p->requirements, ELEMENTSOF(p->requirements)) {
        const char *remedy = q->check ? q->check(d) : NULL;
        if (remedy)
            return refuse(why, -EOPNOTSUPP, "profile %s: %s: %s", p->name, q->reason, remedy);
    }
    if (p->host_note)
        edit_note(e, "%s", p->host_note);
    return p->enlightenments ? edit_hyperv(d, p, w->extension, e, why) : 0;
}
