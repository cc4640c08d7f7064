/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/inotify.h>
#include "log.h"
#include "pending.h"
#include "uevent.h"
#include "watch.h"

static const char *const directories[] = {
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/lib/modprobe.d",
    NESTD_SYSCONFDIR,
    NESTD_SYSCONFDIR "/nestd.conf.d",
    NESTD_STATEDIR, /* pending.json, which nestctl --direct writes too */
};
#define DIRECTORY_EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

struct watch {
    sd_event_source *directories[ELEMENTSOF(directories)], *uevents;
};

int watch_path(struct manager *m, const char *path, uint32_t mask, sd_event_inotify_handler_t handler,
               sd_event_source **ret) {
    _cleanup_close_ int fd = sysroot_openat(m->root, path, O_PATH, 0);

    return fd < 0 ? fd : sd_event_add_inotify_fd(m->event, ret, fd, mask, handler, m);
}

static int on_directory(sd_event_source *source, const struct inotify_event *event, void *userdata) {
    manager_refresh_soon(userdata);
    return 0;
}

static void on_uevent(struct manager *m, enum uevent_kind kind, unsigned vms) {
    switch (kind) {
    case UEVENT_MODULE:
        manager_refresh_soon(m);
        break;
    case UEVENT_VM_DESTROYED:
        if (vms == 0)
            pending_poke(m);
        break;
    default:
        break;
    }
}

static int on_uevents(sd_event_source *source, int fd, uint32_t events, void *userdata) {
    enum uevent_kind kind;
    unsigned vms;
    int r;

    while ((r = uevent_read(fd, &kind, &vms)) >= 0)
        on_uevent(userdata, kind, vms);
    if (r == -ENOBUFS) { /* some were lost: look for ourselves */
        manager_refresh_soon(userdata);
        pending_poke(userdata);
    }
    return 0;
}

static int watch_uevents(struct manager *m) {
    _cleanup_close_ int fd = uevent_open();
    int r;

    if (fd < 0)
        return fd;
    r = sd_event_add_io(m->event, &m->watch->uevents, fd, EPOLLIN, on_uevents, m);
    if (r < 0)
        return r;
    sd_event_source_set_io_fd_own(m->watch->uevents, true);
    TAKE_FD(fd);
    return 0;
}

int watch_start(struct manager *m) {
    int r;

    m->watch = calloc(1, sizeof(*m->watch));
    if (!m->watch)
        return -ENOMEM;
    for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
        r = watch_path(m, directories[i], DIRECTORY_EVENTS, on_directory, &m->watch->directories[i]);
        if (r < 0 && r != -ENOENT && r != -ENOTDIR)
            log_warning_errno(r, "Cannot watch %s: %m", directories[i]);
    }
    return m->root->live ? watch_uevents(m) : 0; /* a directory has no kernel */
}

void watch_free(struct watch *w) {
    if (!w)
        return;
    FOREACH_ARRAY(d, w->directories, ELEMENTSOF(w->directories))
        sd_event_source_disable_unref(*d);
    sd_event_source_disable_unref(w->uevents);
    free(w);
}
