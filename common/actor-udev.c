/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <time.h>

#include "text.h"

#define POLL_MSEC 50 /* at most this long until a node without an udevd to make it is seen */

static uint64_t now_msec(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool exists(const struct sysroot *root, const char *path) {
    struct stat st;

    return sysroot_stat(root, path, &st) >= 0;
}

static bool settled(const struct sysroot *root, const char *path) {
    struct stat st;

    /* udevd keeps this file while it has events to work on (systemd, src/udev/udev-manager.c). */
    if (exists(root, "/run/udev/control") && exists(root, "/run/udev/queue"))
        return false;
    return !path || (sysroot_stat(root, path, &st) >= 0 && S_ISCHR(st.st_mode));
}

/* Sleeps until something in /run/udev changes, POLL_MSEC at most. */
static void wait_a_little(int watch) {
    struct pollfd p = {.fd = watch, .events = POLLIN};
    char events[4096];

    if (poll(&p, 1, POLL_MSEC) > 0)
        while (read(watch, events, sizeof(events)) > 0)
            ;
}

int actor_settle(const struct sysroot *root, const char *path, unsigned msec) {
    _cleanup_close_ int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), dir = -EBADF;
    uint64_t end = now_msec() + msec;

    dir = sysroot_openat(root, "/run/udev", O_RDONLY | O_DIRECTORY, 0);
    if (watch >= 0 && dir >= 0) {
        char link[64];

        snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
        (void)inotify_add_watch(watch, link, IN_CREATE | IN_DELETE | IN_MOVED_TO);
    }
    /* The kernel's event may not have reached udevd yet: give it a moment to be seen before an empty queue counts. */
    wait_a_little(watch);
    while (!settled(root, path)) {
        if (now_msec() >= end)
            return -ETIMEDOUT;
        wait_a_little(watch);
    }
    return 0;
}

int actor_node_restore(const struct sysroot *root, const char *path, mode_t mode, uid_t uid, gid_t gid) {
    _cleanup_close_ int fd = sysroot_openat(root, path, O_PATH | O_NOFOLLOW, 0);
    char link[64];
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISCHR(st.st_mode))
        return -ENODEV;
    /* chown first: it may take bits of the mode away. O_PATH, so that nothing is opened: an open /dev/kvm is a user. */
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if ((st.st_uid != uid || st.st_gid != gid) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
        return -errno;
    if ((st.st_mode & 07777) != mode && chmod(link, mode) < 0)
        return -errno;
    return 0;
}
