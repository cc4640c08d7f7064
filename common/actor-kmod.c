/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actor.h"

#include <fcntl.h>
#include "dl-libkmod.h"
#include "text.h"

bool actor_may_change(const struct sysroot *root) {
    return root->live;
}

struct handle {
    const struct libkmod *lib; /* NULL: not loaded, the rest is not there either */
    struct kmod_ctx *ctx;
    struct kmod_module *mod;
};

static void handle_done(struct handle *h) {
    if (!h->lib)
        return;
    h->lib->kmod_module_unref(h->mod);
    h->lib->kmod_unref(h->ctx);
}

/* Whatever libkmod has to say it says by its return value, too. */
static void say_nothing(void *data, int priority, const char *file, int line, const char *fn, const char *format,
                        va_list args) {
}

/* CONFIGURED: with modprobe.d's options, blacklists and aliases. */
static int open_module(const char *name, bool configured, struct handle *h) {
    static const char *const no_paths[] = {NULL};
    int r = libkmod_load(&h->lib);

    if (r < 0)
        return r;
    if (!(h->ctx = h->lib->kmod_new(NULL, configured ? NULL : no_paths)))
        return -ENOMEM;
    h->lib->kmod_set_log_fn(h->ctx, say_nothing, NULL);
    r = h->lib->kmod_module_new_from_name(h->ctx, name, &h->mod);
    return r < 0 ? r : 0;
}

/* The kernel's log from now on; -errno where it may not be read (then there is no message to show). */
static int kmsg_open(void) {
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (lseek(fd, 0, SEEK_END) < 0)
        closep(&fd);
    return fd;
}

/* A record is "PRIORITY,SEQUENCE,TIME,FLAGS[,...];TEXT\n KEY=VALUE\n..." (Documentation/ABI/testing/dev-kmsg); one read,
 * one record. Returns the text, cut off there, or NULL. */
static char *record_text(char *record) {
    char *text = strchr(record, ';');

    if (text)
        text[1 + strcspn(text + 1, "\n")] = '\0';
    return text ? text + 1 : NULL;
}

/* The last line that names the module ("kvm_amd: `x' invalid for parameter `npt'") or kvm ("kvm: disabled by bios"). */
static char *kmsg_about(int fd, const char *module) {
    char record[8192], *found = NULL;

    for (unsigned lines = 0; fd >= 0 && lines < 1000; lines++) {
        ssize_t n = read(fd, record, sizeof(record) - 1);
        const char *text;

        if (n < 0 && errno == EPIPE) /* the ring ran over: go on with what is left */
            continue;
        if (n <= 0)
            break;
        record[n] = '\0';
        text = record_text(record);
        if (!text || (!strstr(text, module) && !startswith(text, "kvm")))
            continue;
        free(found);
        found = text_clean(text, SIZE_MAX, TEXT_MAX);
    }
    return found;
}

int actor_module_load(const struct sysroot *root, const char *module, const char *options, bool alone,
                      char **ret_message) {
    _cleanup_(handle_done) struct handle h = {};
    _cleanup_close_ int log = -EBADF;
    int r;

    *ret_message = NULL;
    if ((r = open_module(module, !alone, &h)) < 0)
        return r;
    if (h.lib->kmod_module_get_install_commands(h.mod)) {
        *ret_message = text_format("an \"install\" line in modprobe.d replaces the loading of %s; remove it", module);
        return -EPERM;
    }
    log = kmsg_open();
    r = h.lib->kmod_module_probe_insert_module(h.mod, KMOD_PROBE_FAIL_ON_LOADED | KMOD_PROBE_IGNORE_COMMAND, options,
                                               NULL, NULL, NULL);
    if (r < 0 && r != -EEXIST)
        *ret_message = kmsg_about(log, module);
    return r > 0 ? -EPERM : r; /* more than 0: blacklisted, which we do not ask for */
}

int actor_module_unload(const struct sysroot *root, const char *module) {
    _cleanup_(handle_done) struct handle h = {};
    int r = open_module(module, true, &h);

    if (r < 0)
        return r;
    /* O_NONBLOCK is kmod's default: a module in use fails with EWOULDBLOCK instead of waiting. */
    r = h.lib->kmod_module_remove_module(h.mod, KMOD_REMOVE_NOLOG);
    return r == -EWOULDBLOCK ? -EBUSY : r;
}

int actor_parameter_set(const struct sysroot *root, const char *module, const char *name, const char *value) {
    _cleanup_free_ char *path = text_format("/sys/module/%s/parameters/%s", module, name);
    _cleanup_close_ int fd = -EBADF;
    size_t n = strlen(value);
    ssize_t written;

    if (!path)
        return -ENOMEM;
    if ((fd = sysroot_openat(root, path, O_WRONLY | O_NOCTTY, 0)) < 0)
        return fd;
    written = write(fd, value, n);
    return written < 0 ? -errno : (size_t)written != n ? -EIO : 0;
}
