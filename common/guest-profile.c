/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <strings.h>

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

static const char *two_vcpus(const struct guest_doc *d, const char *value) {
    _cleanup_free_ char *text = NULL;
    if (xml_content(&d->xml, xml_find(&d->xml, 0, "vcpu"), &text) < 0)
        return NULL;
    return strtoul(text, NULL, 10) >= 2 ? NULL : "give it 2 or more vCPUs";
}

static const char *four_gib(const struct guest_doc *d, const char *value) {
    uint64_t kib = memory_kib(d);
    return kib == 0 || kib >= 4 * 1024 * 1024 ? NULL : "give it 4 GiB of memory or more";
}

static bool one_of(const char *s, const char *const *words) {
    for (; s && *words; words++)
        if (streq(s, *words))
            return true;
    return false;
}

static const char *esxi_network(const struct guest_doc *d, const char *value) {
    static const char *const models[] = {"e1000", "e1000e", "vmxnet3", NULL};
    uint32_t devices = xml_find(&d->xml, 0, "devices");
    size_t all = 0, good = 0;
    for (uint32_t i = XML_NONE; (i = xml_child(&d->xml, devices, NULL, "interface", i)) != XML_NONE; all++)
        good += one_of(xml_attr(&d->xml, xml_find(&d->xml, i, "model"), "type"), models);
    return all == 0 || good > 0 ? NULL : "give it a network interface of model e1000e or vmxnet3";
}

static const char *esxi_disk(const struct guest_doc *d, const char *value) {
    static const char *const buses[] = {"sata", "ide", NULL};
    uint32_t devices = xml_find(&d->xml, 0, "devices");
    size_t all = 0, good = 0;
    for (uint32_t i = XML_NONE; (i = xml_child(&d->xml, devices, NULL, "disk", i)) != XML_NONE; all++)
        good += one_of(xml_attr(&d->xml, xml_find(&d->xml, i, "target"), "bus"), buses);
    return all == 0 || good > 0 ? NULL : "put its disk on the bus sata (or ide)";
}

static const char *not_tcg(const struct guest_doc *d, const char *value) {
    return d->tcg ? "make it a kvm guest" : NULL;
}

/* qemuDomainMachineIsQ35; without a machine libvirt takes "pc" (virQEMUCapsGetPreferredMachine). */
static const char *q35(const struct guest_doc *d, const char *value) {
    const char *machine = xml_attr(&d->xml, xml_find(&d->xml, 0, "os/type"), "machine");
    return machine && (streq(machine, "q35") || startswith(machine, "pc-q35")) ? NULL : "define it anew with machine='q35'";
}

static const char *has_devices(const struct guest_doc *d, const char *value) {
    uint32_t devices = xml_find(&d->xml, 0, "devices");
    return devices == XML_NONE || d->xml.elems[devices].empty ? "give it a device" : NULL;
}

static const char *has_acpi(const struct guest_doc *d, const char *value) {
    return xml_find(&d->xml, 0, "features/acpi") == XML_NONE ? "put <acpi/> into <features>" : NULL;
}

static const char *no_other_iommu(const struct guest_doc *d, const char *value) {
    uint32_t devices = xml_find(&d->xml, 0, "devices"), i = XML_NONE;
    while ((i = xml_child(&d->xml, devices, NULL, "iommu", i)) != XML_NONE)
        if (!streq_ptr(xml_attr(&d->xml, i, "model"), "intel") || xml_count(&d->xml, devices, NULL, "iommu") > 1)
            return "take that <iommu> out, or do without viommu";
    return NULL;
}

static const char *hugepages_possible(const struct guest_doc *d, const char *value) {
    uint32_t backing = xml_find(&d->xml, 0, "memoryBacking");
    if (streq_ptr(xml_attr(&d->xml, xml_find(&d->xml, backing, "allocation"), "mode"), "ondemand"))
        return "take <allocation mode='ondemand'/> out of <memoryBacking>";
    if (streq_ptr(xml_attr(&d->xml, xml_find(&d->xml, backing, "source"), "type"), "anonymous"))
        return "take <source type='anonymous'/> out of <memoryBacking>";
    return NULL;
}

static const char *one_backing(const struct guest_doc *d, const char *value) {
    return xml_count(&d->xml, 0, NULL, "memoryBacking") > 1 ? "make one of them" : NULL;
}

/* Somebody's own placement stays, unless it is the one that is asked for. */
static const char *no_other_numa(const struct guest_doc *d, const char *value) {
    uint32_t tune = xml_find(&d->xml, 0, "numatune"), memory = xml_find(&d->xml, tune, "memory");
    const char *mode = xml_attr(&d->xml, memory, "mode");
    if (tune == XML_NONE)
        return NULL;
    bool same = xml_count(&d->xml, tune, NULL, NULL) == 1 && (!mode || streq(mode, "strict")) &&
                streq_ptr(xml_attr(&d->xml, memory, "nodeset"), value) &&
                !streq_ptr(xml_attr(&d->xml, memory, "placement"), "auto");
    return same ? NULL : "take its <numatune> out, or do without numa";
}

static const char *vcpus_not_auto(const struct guest_doc *d, const char *value) {
    return streq_ptr(xml_attr(&d->xml, xml_find(&d->xml, 0, "vcpu"), "placement"), "auto") ?
               "say <vcpu placement='static'>" : NULL;
}

#define HYPERV "QEMU docs/system/i386/hyperv.rst"

static const struct guest_setting hyperv_settings[] = {
    {REGION_FEATURES, "hyperv/relaxed", "state", "on", .reason = "Windows does not take a vCPU that waits for a hang",
     .source = HYPERV ", hv-relaxed"},
    {REGION_FEATURES, "hyperv/vapic", "state", "on", .reason = "interrupts end without an exit, and evmcs depends on it",
     .source = HYPERV ", hv-vapic, hv-evmcs"},
    {REGION_FEATURES, "hyperv/spinlocks", "state", "on", .reason = "a waiting vCPU gives way instead of spinning",
     .source = HYPERV ", hv-spinlocks"},
    {REGION_FEATURES, "hyperv/spinlocks", "retries", "4095", .keep = true, .reason = "0xfff, where host CPUs are overcommitted",
     .source = HYPERV ", Recommendations; libvirt takes no less (virDomainFeaturesHyperVDefParse)"},
    {REGION_FEATURES, "hyperv/vpindex", "state", "on", .reason = "synic and stimer depend on it",
     .source = HYPERV ", hv-synic, hv-stimer"},
    {REGION_FEATURES, "hyperv/synic", "state", "on", .reason = "stimer depends on it", .source = HYPERV ", hv-stimer"},
    {REGION_FEATURES, "hyperv/stimer", "state", "on",
     .reason = "without it some versions of Windows keep a CPU busy with the HPET", .source = HYPERV ", hv-stimer"},
    {REGION_FEATURES, "hyperv/stimer/direct", "state", "on",
     .reason = "a nested Hyper-V can use synthetic timers in direct mode only", .source = HYPERV ", hv-stimer-direct"},
    {REGION_FEATURES, "hyperv/evmcs", "state", "on", .extension = EXTENSION_VMX,
     .reason = "L2's exits are faster, as L1 has its VMCS in memory; but no posted interrupts (Intel only)",
     .source = HYPERV ", hv-evmcs"},
    {REGION_CLOCK, "", "offset", "utc", .keep = true, .reason = "libvirt's default, written down",
     .source = "libvirt virDomainDefClockParse"},
    {REGION_CLOCK, "timer name=hypervclock", "present", "yes", .reason = "clock reads without an exit, and stimer depends on it",
     .source = HYPERV ", hv-time, hv-stimer"},
    {}};

static const struct guest_setting viommu_settings[] = {
    {REGION_FEATURES, "ioapic", "driver", "qemu", .reason = "interrupt remapping needs the split I/O APIC",
     .source = "libvirt docs/formatdomain.rst, IOMMU devices; virDomainDefIOMMUValidate"},
    {REGION_IOMMU, "", "model", "intel", .reason = "the L1 hypervisor can give devices to L2",
     .source = "libvirt docs/formatdomain.rst, IOMMU devices"},
    {REGION_IOMMU, "driver", "intremap", "on", .reason = "an L1 without it takes device assignment for unsafe",
     .source = "libvirt docs/formatdomain.rst, IOMMU devices; Linux drivers/vfio/vfio_iommu_type1.c, allow_unsafe_interrupts"},
    {REGION_IOMMU, "driver", "caching_mode", "on", .reason = "QEMU sees L1's mappings, which devices assigned to L1 need",
     .source = "QEMU hw/i386/intel_iommu.c, vtd_panic_require_caching_mode"},
    {}};

static const struct guest_setting hugepages_settings[] = {
    {REGION_MEMORY_BACKING, "hugepages", .reason = "huge pages are not swapped, and take fewer entries in each page table",
     .source = "Linux Documentation/admin-guide/mm/hugetlbpage.rst; libvirt docs/formatdomain.rst, Memory Backing"},
    {}};

static const struct guest_setting locked_settings[] = {
    {REGION_MEMORY_BACKING, "locked", .reason = "the host does not swap L1 out, nor L2 with it",
     .source = "libvirt docs/formatdomain.rst, Memory Backing"},
    {}};

static const struct guest_setting numa_settings[] = {
    {REGION_NUMATUNE, "memory", "mode", "strict", .keep = true, .reason = "memory comes from that node or not at all",
     .source = "libvirt docs/formatdomain.rst, NUMA Node Tuning"},
    {REGION_NUMATUNE, "memory", "nodeset", NULL,
     .reason = "bound memory is left alone by the host's NUMA balancing, which unmaps and moves L1's pages",
     .source = "Linux Documentation/scheduler/sched-debug.rst, numa_balancing; commit bda420b98505"},
    {}};

const struct guest_profile guest_profiles[] = {
    {.name = "kvm", .what = "KVM", .source = "Linux Documentation/virt/kvm/x86/running-nested-guests.rst: the extension is all"},
    {.name = "xen", .what = "Xen", .source = "Xen SUPPORT.md: HVM and PVH guests need VMX or SVM, PV guests nothing"},
    {.name = "esxi", .what = "VMware ESXi",
     .requirements = {{two_vcpus, "ESXi wants two CPUs"},
                      {four_gib, "ESXi 6 wants 4 GiB of memory (ESXi 7 and 8: 8 GiB)"},
                      {esxi_network, "ESXi has no driver for its network interfaces"},
                      {esxi_disk, "ESXi has no driver for its disks"}},
     .host_note = "KVM answers accesses to MSRs that it lacks with #GP, at which ESXi may stop; kvm.ignore_msrs=1 on the host "
                  "prevents that, but for all guests: nestd does not set it",
     .source = "VMware, ESXi Hardware Requirements (6.5, 7.0, 8.0); ESXi 5.1 Update 2 release notes (e1000 for ESXi in a "
               "guest); Linux Documentation/admin-guide/kernel-parameters.txt, kvm.ignore_msrs"},
    {.name = "hyperv", .what = "Microsoft Hyper-V", .settings = hyperv_settings,
     .requirements = {{not_tcg, "Hyper-V's enlightenments are KVM's"}},
     .source = HYPERV},
    {.name = "virtualbox", .what = "Oracle VirtualBox",
     .source = "VirtualBox manual, Hardware vs. software virtualization: 64-bit guests and guests with several CPUs need VT-x or AMD-V"},
    {.name = "viommu", .what = "an Intel IOMMU", .extra = true, .settings = viommu_settings,
     .requirements = {{q35, "QEMU has the Intel IOMMU on machine type q35 only"},
                      {has_acpi, "the guest learns of its IOMMU through ACPI"},
                      {has_devices, "the guest has no devices for an IOMMU"},
                      {no_other_iommu, "the guest has an IOMMU of another kind, which is left in place"}},
     .host_note = "virtio devices of the guest bypass the IOMMU unless their <driver> says iommu='on'",
     .source = "libvirt docs/formatdomain.rst; qemuValidateDomainDeviceDefIOMMU"},
    {.name = "hugepages", .what = "huge pages", .extra = true, .settings = hugepages_settings,
     .requirements = {{one_backing, "the guest has several <memoryBacking>"},
                      {hugepages_possible, "libvirt takes no huge pages beside what the guest has"}},
     .host_note = "the guest only starts while the host has free huge pages for all of its memory (vm.nr_hugepages)",
     .source = "libvirt qemuValidateDomainDefMemory"},
    {.name = "locked", .what = "memory locked in RAM", .extra = true, .settings = locked_settings,
     .requirements = {{one_backing, "the guest has several <memoryBacking>"}},
     .host_note = "for locked memory libvirt lifts the guest's limit on it, unless <memtune> has a <hard_limit>: then that must "
                  "cover QEMU as well",
     .source = "libvirt docs/formatdomain.rst, Memory Backing; qemuDomainGetMemLockLimitBytes"},
    {.name = "numa", .what = "memory of one NUMA node", .extra = true, .valued = true, .settings = numa_settings,
     .requirements = {{no_other_numa, "the guest has a NUMA placement of its own, which is left in place"},
                      {vcpus_not_auto, "numad would choose the vCPUs' node anew at each start"}},
     .host_note = "the guest only starts on a host with that NUMA node; its vCPUs belong there too (<vcpu cpuset='...'>)",
     .source = "libvirt docs/formatdomain.rst, NUMA Node Tuning"},
};
const size_t n_guest_profiles = ELEMENTSOF(guest_profiles);

static const struct guest_profile *profile_by_name(const char *name, size_t len) {
    FOREACH_ARRAY(p, guest_profiles, n_guest_profiles)
        if (strlen(p->name) == len && memcmp(p->name, name, len) == 0)
            return p;
    return NULL;
}

const struct guest_profile *guest_profile_hypervisor(const char *profile) {
    return profile_by_name(profile, strcspn(profile, "+"));
}

const char *guest_setting_enlightenment(const struct guest_setting *s) {
    const char *name = s->region == REGION_FEATURES ? startswith(s->path, "hyperv/") : NULL;
    return name && !strchr(name, '/') && s->attr && streq(s->attr, "state") ? name : NULL;
}

/* A profile string, taken apart. */
struct request {
    const struct guest_profile *profile;
    char value[8];
};

/* A NUMA node as libvirt writes it; MAX_NUMNODES of x86 is 1024 (NODES_SHIFT 10). */
static bool valid_node(const char *s) {
    size_t n = strspn(s, "0123456789");
    return n > 0 && !s[n] && (n == 1 || *s != '0') && strtoul(s, NULL, 10) < 1024;
}

static int parse_word(const char *word, size_t len, struct request *ret, char **why) {
    const char *equals = memchr(word, '=', len);
    size_t name = equals ? (size_t)(equals - word) : len;
    struct request q = {.profile = profile_by_name(word, name)};

    if (!q.profile)
        return refuse(why, -EINVAL, "no such profile; there are kvm, xen, esxi, hyperv and virtualbox, "
                                    "to which +viommu, +hugepages, +locked and +numa=NODE can be added");
    if (equals && len - name <= sizeof(q.value))
        memcpy(q.value, equals + 1, len - name - 1);
    if (q.profile->valued ? !valid_node(q.value) : equals != NULL)
        return refuse(why, -EINVAL, q.profile->valued ? "profile: %s wants the number of a NUMA node of the host: %s=0" :
                                                        "profile: %s takes no value: leave out '='%.0s",
                      q.profile->name, q.profile->name);
    *ret = q;
    return 0;
}

#define REQUESTS_MAX 8

static int parse(const char *profile, struct request requests[static REQUESTS_MAX], size_t *ret_n, char **why) {
    size_t n = 0;
    for (const char *word = profile;; n++) {
        size_t len = strcspn(word, "+");
        if (n == REQUESTS_MAX)
            return refuse(why, -EINVAL, "profile: too many words");
        int r = parse_word(word, len, &requests[n], why);
        if (r < 0)
            return r;
        const struct guest_profile *p = requests[n].profile;
        if (p->extra != (n > 0))
            return refuse(why, -EINVAL, p->extra ? "profile: %s goes with a hypervisor: kvm+%s" :
                                                   "profile: one hypervisor only: leave out %s%.0s", p->name, p->name);
        for (size_t i = 0; i < n; i++)
            if (requests[i].profile == p)
                return refuse(why, -EINVAL, "profile: %s is given twice", p->name);
        if (!word[len])
            break;
        word += len + 1;
    }
    *ret_n = n + 1;
    return 0;
}

static bool listed(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *s = list; s && *s; s += strcspn(s, ","), s += *s == ',')
        if (strcspn(s, ",") == n && memcmp(s, name, n) == 0)
            return true;
    return false;
}

/* Is it to be left out? What belongs to an enlightenment ("stimer/direct") goes with it. */
static bool left_out(const struct guest_setting *s, const struct guest_wish *w, struct guest_edits *e) {
    const char *part = s->region == REGION_FEATURES ? startswith(s->path, "hyperv/") : NULL;
    char name[32];
    if (!part || !w->without)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(part, "/"), part);
    if (!listed(w->without, name))
        return false;
    if (guest_setting_enlightenment(s))
        edit_note(e, "enlightenment %s is left out: libvirt and QEMU do not offer it on this host", name);
    return true;
}

#define WANTS_MAX 32

/* What the profile's settings are for this document. */
static size_t collect(const struct guest_doc *d, const struct guest_wish *w, const struct request *requests, size_t n,
                      struct guest_want wants[static WANTS_MAX], struct guest_edits *e) {
    const char *hyperv = xml_attr(&d->xml, xml_find(&d->xml, 0, "features/hyperv"), "mode");
    size_t n_wants = 0;

    FOREACH_ARRAY(q, requests, n) {
        const struct guest_profile *p = q->profile;
        if (p->host_note)
            edit_note(e, "%s", p->host_note);
        if (p->settings == hyperv_settings && streq_ptr(hyperv, "passthrough")) {
            edit_note(e, "<hyperv mode='passthrough'> has all enlightenments of this host already");
            continue;
        }
        for (const struct guest_setting *s = p->settings; s && s->reason && n_wants < WANTS_MAX; s++)
            if ((s->extension == EXTENSION_NONE || s->extension == w->extension) && !left_out(s, w, e))
                wants[n_wants++] = (struct guest_want){s, s->value ? s->value : s->attr ? q->value : NULL};
    }
    return n_wants;
}

static int check_requirements(const struct guest_doc *d, const struct request *requests, size_t n, char **why) {
    FOREACH_ARRAY(q, requests, n)
        FOREACH_ARRAY(need, q->profile->requirements, ELEMENTSOF(q->profile->requirements)) {
            const char *remedy = need->check ? need->check(d, q->value) : NULL;
            if (remedy)
                return refuse(why, -EOPNOTSUPP, "profile %s: %s: %s", q->profile->name, need->reason, remedy);
        }
    return 0;
}

int guest_profile_edit(const struct guest_doc *d, const struct guest_wish *w, struct guest_edits *e, char **why) {
    struct request requests[REQUESTS_MAX];
    struct guest_want wants[WANTS_MAX];
    size_t n = 0;

    if (!w->profile)
        return 0;
    int r = parse(w->profile, requests, &n, why);
    if (r < 0 || (r = check_requirements(d, requests, n, why)) < 0)
        return r;
    return guest_settings_edit(d, wants, collect(d, w, requests, n, wants, e), e);
}

bool guest_profile_lacks(const struct guest_doc *d, const struct guest_wish *w) {
    _cleanup_guest_edits_ struct guest_edits e = {};
    struct request requests[REQUESTS_MAX];
    struct guest_want wants[WANTS_MAX];
    size_t n = 0;

    if (!w->profile || parse(w->profile, requests, &n, NULL) < 0)
        return false;
    if (check_requirements(d, requests, n, NULL) < 0)
        return true;
    int r = guest_settings_edit(d, wants, collect(d, w, requests, n, wants, &e), &e);
    return r >= 0 && !e.failed && e.n_splices > 0;
}
