/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Model-specific registers through the msr driver's /dev/cpu/N/msr, or through a dump's text of the same name. */
#include "probe.h"

#include <fcntl.h>

#include "text.h"

#define CPUS_MAX 16384
#define TEXT_FILE_MAX 65536

/* SDM 4, chapter 2 (IA32_*); APM 2, section 15.30.1 (VM_CR). */
static const uint32_t numbers[_MSR_MAX] = {
    [MSR_FEATURE_CONTROL] = 0x3A, [MSR_VMX_BASIC] = 0x480,      [MSR_VMX_PINBASED] = 0x481,
    [MSR_VMX_PROCBASED] = 0x482,  [MSR_VMX_EXIT] = 0x483,       [MSR_VMX_ENTRY] = 0x484,
    [MSR_VMX_MISC] = 0x485,       [MSR_VMX_PROCBASED2] = 0x48B, [MSR_VMX_EPT_VPID] = 0x48C,
    [MSR_VMX_VMFUNC] = 0x491,     [MSR_VMX_PROCBASED3] = 0x492, [MSR_AMD_VM_CR] = 0xC0010114,
};

/* One CPU's registers: a device, or the text of a dump. */
struct source {
    int fd;
    char *text;
};

static void source_close(struct source *s) {
    closep(&s->fd);
    free(s->text);
}

static int source_open(const struct sysroot *root, const char *cpu, struct source *ret) {
    _cleanup_free_ char *path = text_format("/dev/cpu/%s/msr", cpu);
    _cleanup_close_ int fd = -EBADF;
    struct stat st;

    if (!path)
        return -ENOMEM;
    if ((fd = sysroot_openat(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0)) < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode))
        return sysroot_read(root, path, TEXT_FILE_MAX, &ret->text, NULL);
    /* A device in a dump is not that machine's but this one's. */
    if (!S_ISCHR(st.st_mode) || !root->live)
        return -ENODEV;
    ret->fd = TAKE_FD(fd);
    return 0;
}

/* The driver answers with EIO where RDMSR faults: this CPU has no such register. */
static int source_read(const struct source *s, uint32_t number, uint64_t *ret) {
    unsigned long long msr, value;
    int n;

    if (!s->text)
        return pread(s->fd, ret, sizeof(*ret), number) == sizeof(*ret) ? 0 : -EIO;
    for (const char *t = s->text; sscanf(t, " %llx %llx%n", &msr, &value, &n) == 2; t += n)
        if (msr == number) {
            *ret = value;
            return 0;
        }
    return -EIO;
}

/* VM_CR on AMD, the others elsewhere: a register of the other vendor may be anything. */
static bool applies(const struct host_facts *f, unsigned i) {
    bool amd = f->vendor == VENDOR_AMD || f->vendor == VENDOR_HYGON;

    return amd == (i == MSR_AMD_VM_CR);
}

static void read_first(struct host_facts *f, const struct source *s) {
    for (unsigned i = 0; i < _MSR_MAX; i++)
        if (applies(f, i))
            f->msr.msr[i].valid = source_read(s, numbers[i], &f->msr.msr[i].value) == 0;
}

/* Firmware may differ from CPU to CPU; what the silicon can do does not, and each read interrupts that CPU. */
static void compare(struct host_facts *f, const struct source *s) {
    static const unsigned per_cpu[] = { MSR_FEATURE_CONTROL, MSR_AMD_VM_CR };
    uint64_t value;

    FOREACH_ARRAY(i, per_cpu, ELEMENTSOF(per_cpu)) {
        typeof(&f->msr.msr[0]) msr = f->msr.msr + *i;

        if (msr->valid && source_read(s, numbers[*i], &value) == 0 && value != msr->value)
            msr->disagrees = true;
    }
}

int probe_msr(struct probe *p) {
    struct host_facts *f = p->facts;
    char **cpus = NULL;
    size_t n = 0;
    bool first = true;
    int r;

    f->msr.error = -ENOENT;
    if (!f->x86)
        return 0;
    r = sysroot_list(p->root, "/dev/cpu", CPUS_MAX, &cpus, &n);
    if (r < 0)
        return r == -ENOMEM ? r : probe_warn_unreadable(p, "/dev/cpu", r);
    for (size_t i = 0; i < n; i++) {
        _cleanup_(source_close) struct source s = { .fd = -EBADF };
        unsigned number;

        if (text_to_unsigned(cpus[i], &number) < 0) /* "microcode" */
            continue;
        r = source_open(p->root, cpus[i], &s);
        if (r < 0 && first)
            f->msr.error = r;
        if (r == -ENOMEM || r == -EACCES || r == -EPERM)
            break;
        if (r < 0) /* offline */
            continue;
        f->msr.error = 0;
        if (first)
            read_first(f, &s);
        else
            compare(f, &s);
        first = false;
    }
    strings_free(cpus, n);
    return r == -ENOMEM ? r : 0;
}

int dump_msr(const struct sysroot *root, unsigned cpu, char **ret) {
    _cleanup_free_ char *name = text_format("%u", cpu);
    _cleanup_(source_close) struct source s = { .fd = -EBADF };
    char text[_MSR_MAX * 40], *copy;
    size_t n = 0;
    uint64_t value;
    int r;

    if (!name)
        return -ENOMEM;
    if ((r = source_open(root, name, &s)) < 0)
        return r;
    for (unsigned i = 0; i < _MSR_MAX; i++)
        if (source_read(&s, numbers[i], &value) == 0)
            n += snprintf(text + n, sizeof(text) - n, "0x%08x 0x%016llx\n", numbers[i], (unsigned long long)value);
    if (n == 0)
        return -ENOENT;
    if (!(copy = strdup(text)))
        return -ENOMEM;
    *ret = copy;
    return 0;
}
