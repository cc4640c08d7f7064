/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actor.h"

#include <fcntl.h>

#include "libvirt-call.h"
#include "text.h"

#define GUESTS_MAX 4096
#define PID_DIR    "/run/libvirt/qemu"

int actor_guest_of_process(const struct sysroot *root, unsigned pid, char **ret_name) {
    char **names = NULL;
    size_t n = 0;
    int r = sysroot_list(root, PID_DIR, GUESTS_MAX, &names, &n);

    *ret_name = NULL;
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    r = 0;
    for (size_t i = 0; i < n && r >= 0 && !*ret_name; i++) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        size_t length = strlen(names[i]);
        unsigned number;

        if (length <= 4 || !streq(names[i] + length - 4, ".pid"))
            continue;
        if (!(path = text_format(PID_DIR "/%s", names[i])))
            r = -ENOMEM;
        else if (sysroot_read_line(root, path, &line) >= 0 && text_to_unsigned(line, &number) >= 0 && number == pid)
            r = (*ret_name = text_clean(names[i], length - 4, TEXT_MAX)) ? 0 : -ENOMEM;
    }
    strings_free(names, n);
    return r;
}

static bool exists(const struct sysroot *root, const char *path) {
    struct stat st;

    return sysroot_stat(root, path, &st) >= 0;
}

static bool socket_waits(const struct sysroot *root) {
    return exists(root, "/run/libvirt/libvirt-sock-ro") || exists(root, "/run/libvirt/virtqemud-sock-ro");
}

static bool daemon_runs(const struct sysroot *root) {
    return exists(root, "/run/libvirtd.pid") || exists(root, "/run/virtqemud.pid");
}

/* -ENOENT: no libvirt here. -EHOSTDOWN: its daemon does not run, and is not started by us: at boot it waits for nestd
 * (Before=), which would wait for it. The connection is read-only and never asks for a password. */
static int connect_libvirt(const struct sysroot *root, const struct libvirt **ret_lv, virConnectPtr *ret) {
    int r;

    if (!root->live || !socket_waits(root))
        return -ENOENT;
    if (!daemon_runs(root))
        return -EHOSTDOWN;
    if ((r = libvirt_load(ret_lv)) < 0)
        return r;
    r = libvirt_open(*ret_lv, "qemu:///system", true, ret, NULL);
    return r == -EIO ? -ECONNREFUSED : r;
}

static const char *state_name(int state) {
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return "running";
    case VIR_DOMAIN_PAUSED:
        return "paused";
    case VIR_DOMAIN_PMSUSPENDED:
        return "suspended";
    case VIR_DOMAIN_SHUTDOWN:
        return "shutting down";
    case VIR_DOMAIN_CRASHED:
        return "crashed";
    default:
        return "active";
    }
}

/* Guests go on while their daemon does not run; its pid files name them. */
static int guests_by_pid_file(const struct sysroot *root, char ***guests, size_t *n_guests) {
    char **names = NULL;
    size_t n = 0;
    int r = sysroot_list(root, PID_DIR, GUESTS_MAX, &names, &n);

    r = r == -ENOMEM ? r : 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        _cleanup_free_ char *path = text_format(PID_DIR "/%s", names[i]), *line = NULL, *process = NULL, *name = NULL;
        size_t length = strlen(names[i]);
        unsigned pid;

        if (!path)
            r = -ENOMEM;
        else if (length <= 4 || !streq(names[i] + length - 4, ".pid") || streq(names[i], "driver.pid") ||
                 sysroot_read_line(root, path, &line) < 0 || text_to_unsigned(line, &pid) < 0)
            continue;
        else if (!(process = text_format("/proc/%u", pid)) || !(name = text_clean(names[i], length - 4, TEXT_MAX)))
            r = -ENOMEM;
        else if (exists(root, process))
            r = strings_push(guests, n_guests, text_format("guest %s (running)", name));
    }
    strings_free(names, n);
    return r;
}

int actor_libvirt_guests(const struct sysroot *root, char ***ret, size_t *ret_n) {
    _cleanup_vir_connect_ virConnectPtr conn = NULL;
    virDomainPtr *domains = NULL;
    const struct libvirt *lv;
    char **guests = NULL;
    size_t n_guests = 0;
    int n, r = connect_libvirt(root, &lv, &conn);

    if (r == -EHOSTDOWN)
        r = guests_by_pid_file(root, &guests, &n_guests);
    if (!conn)
        goto done;
    n = lv->virConnectListAllDomains(conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    for (int i = 0; i < n; i++) {
        int state = VIR_DOMAIN_NOSTATE, reason;
        _cleanup_free_ char *name = NULL;

        if (r >= 0 && n_guests < GUESTS_MAX) {
            (void)lv->virDomainGetState(domains[i], &state, &reason, 0);
            name = text_clean(lv->virDomainGetName(domains[i]), SIZE_MAX, TEXT_MAX);
            r = strings_push(&guests, &n_guests,
                             name ? text_format("guest %s (%s)", name, state_name(state)) : NULL);
        }
        lv->virDomainFree(domains[i]);
    }
    free(domains);
done:
    if (r == -ENOMEM) {
        strings_free(guests, n_guests);
        return r;
    }
    *ret = guests;
    *ret_n = n_guests;
    return 0;
}

/* Where distributions keep QEMU's modules (libvirt's QEMU_MODDIR). */
static const char *const module_dirs[] = {
    "/usr/lib/x86_64-linux-gnu/qemu",
    "/usr/lib64/qemu",
    "/usr/lib/qemu",
    "/usr/lib64/qemu-kvm",
};

/* libvirt asks KVM for a guest CPU's features once and keeps the answer in memory and in /var/cache/libvirt. Whenever it is
 * asked, it looks whether it must ask again (src/qemu/qemu_capabilities.c, virQEMUCapsIsValid, as of 9.0): another libvirt,
 * QEMU binary, kernel, microcode or host CPUID, /dev/kvm usable or not, KVM's "nested", and the time stamp of QEMU's module
 * directory. KVM's other parameters it does not notice; the time stamp is the one of these that can be renewed without harm.
 * It is not asked here: it would start QEMU, and waits for it without a limit. */
static int renew_time_stamp(const struct sysroot *root) {
    for (size_t i = 0; i < ELEMENTSOF(module_dirs); i++) {
        _cleanup_close_ int fd = sysroot_openat(root, module_dirs[i], O_RDONLY | O_DIRECTORY, 0);

        if (fd >= 0)
            return futimens(fd, NULL) < 0 ? -errno : 0;
    }
    return -ENOENT;
}

int actor_libvirt_refresh(const struct sysroot *root, bool parameters, char **ret_note) {
    *ret_note = NULL;
    if (!root->live || renew_time_stamp(root) >= 0 || !parameters || !socket_waits(root))
        return 0;
    *ret_note = strdup("libvirt may still offer guests the CPU features of before: restart libvirtd (running "
                       "guests are not touched) after removing /var/cache/libvirt/qemu/capabilities/*.xml");
    return *ret_note ? 0 : -ENOMEM;
}
