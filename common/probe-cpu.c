/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/cpuinfo of every CPU, CPUID, and which hypervisor we run under. */
#include "probe.h"

#include "text.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define HAVE_CPUID 1
#endif

#define CPUINFO_MAX (64 << 20) /* 8192 CPUs of 4 KiB each are 32 MiB */
#define BLANKS " \t"

/* What is remembered of a CPU while its block of lines is read. */
struct cpu_block {
    uint32_t flags; /* bit i: features[i].flag was seen */
    bool seen;      /* there is a CPU */
};

/* Nearly always a CPU's flags are those of the CPU before it; comparing is cheaper than looking each up. */
struct flags_cache {
    char *line;
    uint32_t mask;
};

static uint32_t flags_mask(const char *flags) {
    const char *word;
    uint32_t mask = 0;
    size_t n;

    while ((n = text_word(&flags, BLANKS, &word)) > 0)
        for (size_t i = 0; i < n_features; i++)
            if (strncmp(features[i].flag, word, n) == 0 && features[i].flag[n] == '\0')
                mask |= UINT32_C(1) << i;
    return mask;
}
_Static_assert(_FEATURE_MAX * 2 <= 32, "a bit for each row of the table");

static int cached_mask(struct flags_cache *cache, const char *flags, uint32_t *ret) {
    if (!cache->line || !streq(cache->line, flags)) {
        free(cache->line);
        if (!(cache->line = strdup(flags)))
            return -ENOMEM;
        cache->mask = flags_mask(flags);
    }
    *ret |= cache->mask;
    return 0;
}

static enum vendor vendor_from_id(const char *id) {
    static const struct { const char *id; enum vendor vendor; } ids[] = {
        { "GenuineIntel", VENDOR_INTEL }, { "AuthenticAMD", VENDOR_AMD }, { "HygonGenuine", VENDOR_HYGON },
    };

    FOREACH_ARRAY(i, ids, ELEMENTSOF(ids))
        if (streq(id, i->id))
            return i->vendor;
    return VENDOR_OTHER; /* Centaur and Zhaoxin have VMX, too */
}

/* The bit of the table's row for FEATURE_NESTED, whose flag is the extension itself. */
static uint32_t extension_bit(enum extension extension) {
    return UINT32_C(1) << (feature_by_id(extension, FEATURE_NESTED) - features);
}

static void finish_block(struct probe *p, struct cpu_block *block, unsigned n_with[_EXTENSION_MAX]) {
    if (!block->seen)
        return;
    p->flags_all &= block->flags;
    p->flags_any |= block->flags;
    for (enum extension e = EXTENSION_VMX; e < _EXTENSION_MAX; e++)
        n_with[e] += (block->flags & extension_bit(e)) != 0;
    p->facts->n_cpus++;
    *block = (struct cpu_block){ };
}

/* "processor\t: 0", on s390 "processor 0: version = ..." */
static bool begins_cpu(const char *key, const char *value) {
    const char *rest = startswith(key, "processor");

    return rest && (!*rest ? *value >= '0' && *value <= '9' : *rest == ' ' && rest[1] >= '0' && rest[1] <= '9');
}

static int handle_line(struct probe *p, struct cpu_block *block, struct flags_cache cache[2], const char *key,
                       const char *value) {
    struct host_facts *f = p->facts;

    if (begins_cpu(key, value))
        block->seen = true;
    else if (streq(key, "cpu family")) /* in lower case on x86 alone */
        f->x86 = true;
    else if (streq(key, "vendor_id") && f->vendor == VENDOR_NONE)
        f->vendor = vendor_from_id(value);
    else if (streq(key, "model name") && !f->model)
        return (f->model = text_clean(value, SIZE_MAX, 256)) ? 0 : -ENOMEM;
    else if (streq(key, "flags")) {
        if (f->n_cpus == 0)
            p->hypervisor_flag = text_has_word(value, BLANKS, "hypervisor");
        return cached_mask(cache, value, &block->flags);
    } else if (streq(key, "vmx flags")) {
        p->vmx_flags_line = true;
        return cached_mask(cache + 1, value, &block->flags);
    }
    return 0;
}

/* Divides "key\t: value" in place. */
static char *split(char *line) {
    char *value = strchr(line, ':'), *end;

    if (!value)
        return NULL;
    for (end = value; end > line && strchr(BLANKS, end[-1]); end--)
        ;
    *end = '\0';
    value++;
    return value + strspn(value, BLANKS);
}

static int read_cpuinfo(struct probe *p, struct lines *lines, unsigned n_with[_EXTENSION_MAX]) {
    struct flags_cache cache[2] = { };
    struct cpu_block block = { };
    char *line;
    int r;

    while ((r = lines_next(lines, &line)) > 0) {
        char *value = split(line);

        if (!value)
            continue;
        if (begins_cpu(line, value))
            finish_block(p, &block, n_with);
        if ((r = handle_line(p, &block, cache, line, value)) < 0)
            break;
    }
    finish_block(p, &block, n_with);
    free(cache[0].line);
    free(cache[1].line);
    return r;
}

/* "0-3,8,10-11": how many? 0 where it is not such a list. */
static unsigned count_list(const char *list) {
    unsigned count = 0;
    size_t n;
    const char *word;

    while ((n = text_word(&list, ",", &word)) > 0) {
        unsigned from, to;
        int fields = n < 24 ? sscanf(word, "%9u-%9u", &from, &to) : 0;

        if (fields < 1 || (fields == 2 && to < from))
            return 0;
        count += fields == 2 ? to - from + 1 : 1;
    }
    return count;
}

int probe_cpuinfo(struct probe *p) {
    static const char path[] = "/proc/cpuinfo";
    struct host_facts *f = p->facts;
    unsigned n_with[_EXTENSION_MAX] = { };
    _cleanup_free_ char *present = NULL;
    _cleanup_lines_ struct lines lines;
    int r;

    p->flags_all = UINT32_MAX;
    r = lines_open(p->root, path, CPUINFO_MAX, &lines);
    if (r < 0)
        lines.fd = -EBADF;
    else
        r = read_cpuinfo(p, &lines, n_with);
    if (r == -ENOENT) /* every machine has it: one without it is told of */
        r = probe_warn(p, "%s: %s", path, strerror(ENOENT));
    else if (r < 0)
        r = probe_warn_unreadable(p, path, r);
    if (r < 0)
        return r;
    if (f->n_cpus == 0)
        p->flags_all = 0;
    if (!f->x86)
        f->vendor = VENDOR_NONE;
    for (enum extension e = EXTENSION_VMX; e < _EXTENSION_MAX; e++)
        if (f->x86 && n_with[e] > 0) {
            /* A CPU that lacks it keeps KVM from using the others (kvm_x86_check_processor_compatibility()). */
            f->n_cpus_without_extension = f->n_cpus - n_with[e];
            f->extension = f->n_cpus_without_extension ? EXTENSION_NONE : e;
            break;
        }
    if ((r = probe_line(p, "/sys/devices/system/cpu/present", &present)) < 0)
        return r;
    f->n_cpus_present = present ? count_list(present) : 0;
    return 0;
}

/* CPUID: SDM 2A for leaf 1, APM 3 appendix E for 8000_xxxx; 4000_0000 is the hypervisors' convention, 4000_0004 Hyper-V's. */
static const uint32_t cpuid_leaves[] = { 0x1, 0x40000000, 0x40000004, 0x80000001, 0x8000000A };

static void take_leaf(struct cpuid_facts *c, uint32_t leaf, const uint32_t r[4]) {
    c->valid = true;
    switch (leaf) {
    case 0x1:
        if (r[2] & 1U << 5)
            c->extension = EXTENSION_VMX;
        break;
    case 0x40000000:
        memcpy(c->hypervisor, r + 1, 12);
        break;
    case 0x40000004:
        c->hypervisor_hints = r[0];
        break;
    case 0x80000001:
        if (r[2] & 1U << 2)
            c->extension = EXTENSION_SVM;
        break;
    case 0x8000000A:
        c->svm_edx = r[3];
        break;
    }
}

#ifdef HAVE_CPUID
/* Asks the CPU we run on. A leaf beyond the last one repeats other data, so it is left out. */
static bool ask_cpu(uint32_t leaf, uint32_t r[4]) {
    uint32_t a, b, c, d, max;

    if ((leaf & 0xFF000000) == 0x40000000) {
        __cpuid(1, a, b, c, d);
        if (!(c & 1U << 31))
            return false;
    }
    __cpuid(leaf & 0xC0000000, max, b, c, d);
    if (leaf > max && leaf != 0x40000000) /* KVM once gave 0 as the last one (Documentation/virt/kvm/x86/cpuid.rst) */
        return false;
    if (leaf == 0x8000000A) { /* reserved where there is no SVM */
        __cpuid(0x80000001, a, b, c, d);
        if (!(c & 1U << 2))
            return false;
    }
    __cpuid_count(leaf, 0, r[0], r[1], r[2], r[3]);
    return true;
}
#else
static bool ask_cpu(uint32_t leaf, uint32_t r[4]) {
    return false;
}
#endif

int dump_cpuid(char **ret) {
    char text[ELEMENTSOF(cpuid_leaves) * 64], *copy;
    size_t n = 0;
    uint32_t r[4];

    FOREACH_ARRAY(leaf, cpuid_leaves, ELEMENTSOF(cpuid_leaves))
        if (ask_cpu(*leaf, r))
            n += snprintf(text + n, sizeof(text) - n, "0x%08x 0x%08x 0x%08x 0x%08x 0x%08x\n", *leaf, r[0], r[1], r[2],
                          r[3]);
    if (n == 0)
        return -EOPNOTSUPP;
    if (!(copy = strdup(text)))
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int probe_cpuid(struct probe *p) {
    static const char path[] = "/dev/cpu/0/cpuid";
    struct cpuid_facts *c = &p->facts->cpuid;
    _cleanup_free_ char *text = NULL;
    uint32_t leaf, r[4];
    int e, n;

    if (p->root->live) {
        FOREACH_ARRAY(l, cpuid_leaves, ELEMENTSOF(cpuid_leaves))
            if (ask_cpu(*l, r))
                take_leaf(c, *l, r);
        return 0;
    }
    e = sysroot_read(p->root, path, 4096, &text, NULL);
    if (e < 0)
        return probe_warn_unreadable(p, path, e);
    for (const char *s = text; sscanf(s, " %x %x %x %x %x%n", &leaf, r, r + 1, r + 2, r + 3, &n) == 5; s += n)
        take_leaf(c, leaf, r);
    return 0;
}

/* Signatures: the hypervisors' own documents; names as systemd-detect-virt and lscpu have them. */
static const struct { const char *signature, *name; } signatures[] = {
    { "KVMKVMKVM", "kvm" },         { "Linux KVM Hv", "kvm" },       { "TCGTCGTCGTCG", "qemu" },
    { "Microsoft Hv", "microsoft" }, { "VMwareVMware", "vmware" },   { "XenVMMXenVMM", "xen" },
    { "VBoxVBoxVBox", "oracle" },   { "bhyve bhyve ", "bhyve" },     { " lrpepyh vr", "parallels" },
    { "prl hyperv  ", "parallels" }, { "ACRNACRNACRN", "acrn" },     { "QNXQVMBSQG", "qnx" },
    { "Jailhouse", "jailhouse" },   { "SRESRESRESRE", "sre" },       { "Apple VZ", "apple" },
};

/* For dumps without CPUID, and for other architectures. */
static const struct { const char *path, *value, *name; } dmi[] = {
    { "/sys/class/dmi/id/product_name", "KVM", "kvm" },
    { "/sys/class/dmi/id/sys_vendor", "QEMU", "qemu" },
    { "/sys/class/dmi/id/sys_vendor", "VMware, Inc.", "vmware" },
    { "/sys/class/dmi/id/sys_vendor", "innotek GmbH", "oracle" },
    { "/sys/class/dmi/id/sys_vendor", "Microsoft Corporation", "microsoft" },
    { "/sys/class/dmi/id/sys_vendor", "Xen", "xen" },
};

static const char *hypervisor_from_dmi(const struct probe *p) {
    FOREACH_ARRAY(d, dmi, ELEMENTSOF(dmi)) {
        _cleanup_free_ char *value = NULL;

        if (sysroot_read_line(p->root, d->path, &value) == 0 && startswith(value, d->value))
            return d->name;
    }
    return NULL;
}

/* A hypervisor does not show its guest what it runs on itself; two exceptions, so this is the least that it can be. */
static int level(const struct probe *p, const char *machine) {
    const struct host_facts *f = p->facts;

    /* HV_X64_HYPERV_NESTED, Linux include/hyperv/hvgdk.h: this Hyper-V is nested in a partition of another. Set by nobody else
     * who calls himself so (KVM's kvm_get_hv_cpuid() does not). */
    if (streq(f->cpuid.hypervisor, "Microsoft Hv") && f->cpuid.hypervisor_hints & 1U << 12)
        return 2;
    /* Xen hands the machine's own SMBIOS tables to its control domain: a virtual machine's, then Xen is a guest. Microsoft
     * makes real machines as well. */
    if (f->xen_dom0 && machine && !streq(machine, "microsoft"))
        return 2;
    return f->virtualized;
}

int probe_hypervisor(struct probe *p) {
    struct host_facts *f = p->facts;
    _cleanup_free_ char *type = NULL, *xen = NULL;
    const char *name = NULL, *machine = hypervisor_from_dmi(p);
    int r;

    FOREACH_ARRAY(s, signatures, ELEMENTSOF(signatures))
        if (streq(s->signature, f->cpuid.hypervisor))
            name = s->name;
    f->virtualized = p->hypervisor_flag || name;
    if ((r = probe_line(p, "/sys/hypervisor/type", &type)) < 0 || (r = probe_line(p, "/proc/xen/capabilities", &xen)) < 0)
        return r;
    if (type && streq(type, "xen")) {
        name = "xen";
        f->virtualized = true;
        f->xen_dom0 = xen && strstr(xen, "control_d");
    }
    if (!name && (f->virtualized || !f->x86) && (name = machine))
        f->virtualized = true;
    f->level = level(p, machine);
    if (!name)
        return 0;
    return (f->hypervisor = strdup(name)) ? 0 : -ENOMEM;
}
