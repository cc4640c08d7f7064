/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine around KVM: names, /dev/kvm, lockdown, Secure Boot, vulnerabilities, and who else may hold VMX. */
#include "probe.h"

#include <sys/utsname.h>

#include "text.h"

#define EFI_SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static int clean_copy(const char *s, char **ret) {
    return (*ret = text_clean(s, SIZE_MAX, 256)) ? 0 : -ENOMEM;
}

/* The release names a directory below /lib/modules, so it must not lead elsewhere. */
static bool good_release(const char *release) {
    return release && *release && release[0] != '.' && !strchr(release, '/');
}

static int probe_names(struct probe *p) {
    struct host_facts *f = p->facts;
    struct utsname u;
    int r;

    if (p->root->live) {
        if (uname(&u) < 0)
            return 0;
        if ((r = clean_copy(u.nodename, &f->name)) < 0 || (r = clean_copy(u.release, &f->kernel)) < 0)
            return r;
        return clean_copy(u.machine, &f->arch);
    }
    if ((r = probe_line(p, "/proc/sys/kernel/hostname", &f->name)) < 0 ||
        (!f->name && (r = probe_line(p, "/etc/hostname", &f->name)) < 0) ||
        (r = probe_line(p, "/proc/sys/kernel/osrelease", &f->kernel)) < 0 ||
        (r = probe_line(p, "/proc/sys/kernel/arch", &f->arch)) < 0) /* since 6.1 */
        return r;
    if (!f->kernel || good_release(f->kernel))
        return 0;
    r = probe_warn(p, "/proc/sys/kernel/osrelease: \"%s\" is no kernel release", f->kernel);
    free(TAKE_PTR(f->kernel));
    return r;
}

static void probe_dev_kvm(struct probe *p) {
    struct dev_kvm_facts *kvm = &p->facts->dev_kvm;
    struct stat st;

    if (sysroot_stat(p->root, "/dev/kvm", &st) < 0)
        return;
    *kvm = (struct dev_kvm_facts){
        .exists = true,
        .is_char = S_ISCHR(st.st_mode) || (!p->root->live && S_ISREG(st.st_mode)), /* a dump's stand-in */
        .mode = st.st_mode & 07777,
        .uid = st.st_uid,
        .gid = st.st_gid,
    };
}

/* "none [integrity] confidentiality" */
static int probe_lockdown(struct probe *p) {
    _cleanup_free_ char *line = NULL;
    char *begin, *end;
    int r = probe_line(p, "/sys/kernel/security/lockdown", &line);

    if (r < 0 || !line || !(begin = strchr(line, '[')) || !(end = strchr(begin, ']')))
        return r;
    *end = '\0';
    return clean_copy(begin + 1, &p->facts->lockdown);
}

/* An efivarfs file is four bytes of attributes and the value. */
static void probe_secure_boot(struct probe *p) {
    _cleanup_free_ char *data = NULL;
    struct stat st;
    size_t size;

    p->facts->secure_boot = TRISTATE_UNKNOWN;
    if (sysroot_read(p->root, EFI_SECURE_BOOT, 64, &data, &size) == 0 && size == 5)
        p->facts->secure_boot = data[4] == 1 ? TRISTATE_YES : TRISTATE_NO;
    else if (sysroot_stat(p->root, "/sys/firmware/efi", &st) == -ENOENT &&
             sysroot_stat(p->root, "/sys/firmware", &st) == 0)
        p->facts->secure_boot = TRISTATE_NO;
}

/* Those that decide whether guests that nest can harm or slow others (Documentation/admin-guide/hw-vuln/). */
static const char *const vulnerabilities[] = {
    "itlb_multihit", "l1tf", "mds", "mmio_stale_data", "retbleed", "spec_rstack_overflow", "spectre_v2", "vmscape",
};

static int probe_vulnerabilities(struct probe *p) {
    struct host_facts *f = p->facts;

    FOREACH_ARRAY(name, vulnerabilities, ELEMENTSOF(vulnerabilities)) {
        _cleanup_free_ char *path = text_format("/sys/devices/system/cpu/vulnerabilities/%s", *name), *status = NULL;
        int r;

        if (!path)
            return -ENOMEM;
        if ((r = probe_line(p, path, &status)) < 0)
            return r;
        if (!status)
            continue;
        if (list_grow(&f->vulnerabilities, f->n_vulnerabilities, sizeof(*f->vulnerabilities)) < 0)
            return -ENOMEM;
        f->vulnerabilities[f->n_vulnerabilities++] = (struct vulnerability){ strdup(*name), TAKE_PTR(status) };
        if (!f->vulnerabilities[f->n_vulnerabilities - 1].name)
            return -ENOMEM;
    }
    return 0;
}

/* Hypervisors that drive VMX or SVM themselves while their guests run. */
static const char *const owners[] = { "vboxdrv", "vmmon" };

static int probe_owners(struct probe *p) {
    FOREACH_ARRAY(name, owners, ELEMENTSOF(owners)) {
        _cleanup_free_ char *path = text_format("/sys/module/%s", *name);
        struct stat st;

        if (!path)
            return -ENOMEM;
        if (sysroot_stat(p->root, path, &st) == 0)
            return (p->facts->vmx_owner = strdup(*name)) ? 0 : -ENOMEM;
    }
    return 0;
}

/* An initramfs has its own copy of modprobe.d, which an edited file does not change until it is built again. What is
 * in it cannot be seen; whether it was asked to load KVM can. */
static bool initramfs_names_kvm(struct probe *p, const char *path) {
    _cleanup_free_ char *text = NULL;

    if (sysroot_read(p->root, path, 65536, &text, NULL) < 0)
        return false;
    for (char *line = text, *next; line; line = next) {
        if ((next = strchr(line, '\n')))
            *next++ = '\0';
        line[strcspn(line, "#")] = '\0';
        for (const char *word, *s = line; text_word(&s, " \t\"'=()", &word) > 0;)
            if (startswith(word, "kvm"))
                return true;
    }
    return false;
}

static int probe_initramfs(struct probe *p) {
    static const char *const files[] = { "/etc/initramfs-tools/modules", "/etc/dracut.conf", "/etc/mkinitcpio.conf" };
    static const char dir[] = "/etc/dracut.conf.d";
    char **names = NULL;
    size_t n = 0;
    int r;

    FOREACH_ARRAY(f, files, ELEMENTSOF(files))
        p->facts->initramfs_has_module |= initramfs_names_kvm(p, *f);
    r = sysroot_list(p->root, dir, 256, &names, &n);
    if (r < 0)
        return probe_warn_unreadable(p, dir, r);
    for (size_t i = 0; i < n && r == 0; i++) {
        _cleanup_free_ char *path = text_format("%s/%s", dir, names[i]);

        if (path)
            p->facts->initramfs_has_module |= initramfs_names_kvm(p, path);
        else
            r = -ENOMEM;
    }
    strings_free(names, n);
    return r;
}

int probe_system(struct probe *p) {
    int r;

    probe_dev_kvm(p);
    probe_secure_boot(p);
    if ((r = probe_names(p)) < 0 || (r = probe_lockdown(p)) < 0 || (r = probe_vulnerabilities(p)) < 0 ||
        (r = probe_owners(p)) < 0)
        return r;
    return probe_initramfs(p);
}
