/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actor.h"

#include <ctype.h>
#include <fcntl.h>
#include <time.h>

#include "text.h"

#define PROCESSES_MAX 65536   /* looked at */
#define FDS_MAX       1048576 /* links read in all */
#define USERS_MAX     256     /* named */
#define CMDLINE_MAX   65536   /* of a probe: a few hundred bytes */
#define PROBE_PAUSE_MSEC 100

struct users {
    char **list;
    size_t n;
    size_t fds_left;
};

static int add(struct users *u, char *user) {
    if (u->n >= USERS_MAX) {
        free(user);
        return 0;
    }
    return strings_push(&u->list, &u->n, user);
}

/* KVM's file descriptors: the device, a VM, a vCPU (virt/kvm/kvm_main.c, anon_inode_getfd). Each holds a reference on
 * the module that drives the CPU. */
static bool is_kvm_fd(const char *target) {
    return streq(target, "/dev/kvm") || startswith(target, "anon_inode:kvm-") || startswith(target, "anon_inode:[kvm-");
}

static bool process_uses_kvm(DIR *proc, const char *pid, struct users *u) {
    _cleanup_free_ char *path = text_format("%s/fd", pid);
    _cleanup_closedir_ DIR *fds = NULL;
    struct dirent *de;
    int fd;

    if (!path || (fd = openat(dirfd(proc), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return false; /* gone, or not ours to see */
    if (!(fds = fdopendir(fd))) {
        close(fd);
        return false;
    }
    while (u->fds_left > 0 && (de = readdir(fds))) {
        char target[64];
        ssize_t n;

        if (de->d_name[0] == '.')
            continue;
        u->fds_left--;
        n = readlinkat(dirfd(fds), de->d_name, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        if (is_kvm_fd(target))
            return true;
    }
    return false;
}

static int name_process(const struct sysroot *root, const char *pid, struct users *u) {
    _cleanup_free_ char *path = text_format("/proc/%s/comm", pid), *comm = NULL, *guest = NULL, *clean = NULL;
    unsigned number;
    int r;

    if (!path)
        return -ENOMEM;
    if (text_to_unsigned(pid, &number) >= 0) {
        if ((r = actor_guest_of_process(root, number, &guest)) < 0)
            return r;
        if (guest)
            return add(u, text_format("guest %s (running)", guest));
    }
    if (sysroot_read_line(root, path, &comm) < 0)
        return 0; /* gone */
    if (!(clean = text_clean(comm, SIZE_MAX, 64)))
        return -ENOMEM;
    return add(u, text_format("process %s (pid %s)", clean, pid));
}

static int add_processes(const struct sysroot *root, struct users *u) {
    _cleanup_closedir_ DIR *proc = NULL;
    struct dirent *de;
    int r = sysroot_opendir(root, "/proc", &proc);

    if (r < 0)
        return 0;
    for (size_t n = 0; n < PROCESSES_MAX && (de = readdir(proc)); n++)
        if (isdigit((unsigned char)de->d_name[0]) && process_uses_kvm(proc, de->d_name, u) &&
            (r = name_process(root, de->d_name, u)) < 0)
            return r;
    return 0;
}

/* /sys/kernel/debug/kvm/PID-FD is a virtual machine, by the process that made it (kvm_create_vm_debugfs()). It takes no
 * CAP_SYS_PTRACE as /proc/PID/fd does, which nestd's unit has not; it does not tell of who only holds /dev/kvm open. */
static int add_machines(const struct sysroot *root, struct users *u) {
    char **names = NULL;
    size_t n = 0;
    int r = sysroot_list(root, "/sys/kernel/debug/kvm", PROCESSES_MAX, &names, &n);

    r = r == -ENOMEM ? r : 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        size_t digits = strspn(names[i], "0123456789");

        if (digits == 0 || names[i][digits] != '-')
            continue;
        names[i][digits] = '\0';
        if (i == 0 || !streq(names[i - 1], names[i])) /* sorted: one process, several machines */
            r = name_process(root, names[i], u);
    }
    strings_free(names, n);
    return r;
}

static int add_modules(const struct sysroot *root, const char *module, struct users *u) {
    _cleanup_free_ char *path = text_format("/sys/module/%s/holders", module);
    char **names = NULL;
    size_t n = 0;
    int r = 0;

    if (!path)
        return -ENOMEM;
    (void)sysroot_list(root, path, USERS_MAX, &names, &n);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = add(u, text_format("module %s", names[i]));
    strings_free(names, n);
    return r;
}

static int add_guests(const struct sysroot *root, struct users *u) {
    char **guests = NULL;
    size_t n = 0;
    int r = actor_libvirt_guests(root, &guests, &n);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        r = add(u, guests[i]);
        guests[i] = NULL;
    }
    strings_free(guests, n);
    return r;
}

/* libvirt's look at QEMU is a QEMU without a machine: "-machine none,accel=kvm:tcg" (qemuProcessQMPLaunch()). */
static bool is_probe(const struct sysroot *root, const char *pid) {
    _cleanup_free_ char *path = text_format("/proc/%s/cmdline", pid), *text = NULL;
    size_t size, i = 0;

    if (!path || sysroot_read(root, path, CMDLINE_MAX, &text, &size) < 0)
        return false;
    for (; i < size && !streq(text + i, "-machine"); i += strlen(text + i) + 1)
        ;
    return i < size && (i += sizeof("-machine")) < size && startswith(text + i, "none,");
}

static bool probe_is_running(const struct sysroot *root) {
    _cleanup_closedir_ DIR *proc = NULL;
    struct dirent *de;

    if (sysroot_opendir(root, "/proc", &proc) < 0)
        return false;
    for (size_t n = 0; n < PROCESSES_MAX && (de = readdir(proc)); n++)
        if (isdigit((unsigned char)de->d_name[0]) && is_probe(root, de->d_name))
            return true;
    return false;
}

bool actor_wait_for_probe(const struct sysroot *root, unsigned msec) {
    unsigned waited = 0;

    for (; probe_is_running(root) && waited < msec; waited += PROBE_PAUSE_MSEC)
        nanosleep(&(struct timespec){.tv_nsec = PROBE_PAUSE_MSEC * 1000000L}, NULL);
    return waited > 0 && waited < msec;
}

int actor_module_users(const struct sysroot *root, const char *module, char ***ret, size_t *ret_n) {
    _cleanup_free_ char *path = text_format("/sys/module/%s/refcnt", module), *line = NULL;
    struct users u = {.fds_left = FDS_MAX};
    unsigned refcnt = 0;
    int r = 0;

    if (!path)
        return -ENOMEM;
    if (sysroot_read_line(root, path, &line) >= 0 && text_to_unsigned(line, &refcnt) < 0)
        refcnt = 1;
    if (refcnt > 0) {
        r = add_modules(root, module, &u);
        if (r >= 0)
            r = add_processes(root, &u);
        /* Without CAP_SYS_PTRACE other people's descriptors are hidden; the kernel and libvirt know more than /proc. */
        if (r >= 0 && u.n == 0)
            r = add_machines(root, &u);
        if (r >= 0 && u.n == 0)
            r = add_guests(root, &u);
        if (r >= 0 && u.n == 0)
            r = add(&u, text_format("%u user%s of module %s that /proc does not show", refcnt,
                                    refcnt == 1 ? "" : "s", module));
    }
    if (r < 0) {
        strings_free(u.list, u.n);
        return r;
    }
    *ret = u.list;
    *ret_n = u.n;
    return 0;
}
