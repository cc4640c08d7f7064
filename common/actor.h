/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The outside world, one narrow file each: a test links something else in the place of these functions. */
#pragma once

#include "feature.h"
#include "sysroot.h"

/* May anything be changed under ROOT? Only on the running machine: a dump is for reading. */
bool actor_may_change(const struct sysroot *root);

/* actor-kmod.c
 * Loads MODULE and what it depends on, as modprobe would, OPTIONS after those of /etc/modprobe.d so that they win
 * (libkmod, kmod_module_probe_insert_module). Never forced. -EEXIST: it is loaded already. -EPERM: an "install" line of
 * modprobe.d says that something else is to be run. ALONE: with OPTIONS and
 * nothing of modprobe.d, which may hold a line that the module does not take. On failure *RET_MESSAGE is what the kernel's log says about it, one
 * line, or NULL; the caller frees it. */
int actor_module_load(const struct sysroot *root, const char *module, const char *options, bool alone,
                      char **ret_message);
/* -EBUSY: in use. -ENOENT: not loaded. Never forced, never waits. */
int actor_module_unload(const struct sysroot *root, const char *module);
/* Writes /sys/module/MODULE/parameters/NAME. */
int actor_parameter_set(const struct sysroot *root, const char *module, const char *name, const char *value);

/* actor-udev.c
 * Waits until udevd has worked off its queue and PATH, if not NULL, is a character device, MSEC milliseconds at most.
 * -ETIMEDOUT. Without udevd it only waits for PATH. */
int actor_settle(const struct sysroot *root, const char *path, unsigned msec);
int actor_node_restore(const struct sysroot *root, const char *path, mode_t mode, uid_t uid, gid_t gid);

/* actor-users.c
 * Who uses MODULE: "guest web1 (running)", "process qemu-system-x86 (pid 123)", "module kvmgt". Nobody: 0 and none.
 * Looks only when the module's reference count is not 0. */
int actor_module_users(const struct sysroot *root, const char *module, char ***ret, size_t *ret_n);
/* Waits, MSEC at most, until libvirt has looked at what QEMU can do with KVM, which it does after its own start and after
 * each change of KVM. True: it was at it, and is done. */
bool actor_wait_for_probe(const struct sysroot *root, unsigned msec);

/* actor-libvirt.c
 * The name of the running system guest with that process, as libvirt's own pid files tell it, or NULL. */
int actor_guest_of_process(const struct sysroot *root, unsigned pid, char **ret_name);
/* The running KVM guests libvirt knows ("guest web1 (paused)"); none when libvirt is not there. */
int actor_libvirt_guests(const struct sysroot *root, char ***ret, size_t *ret_n);
/* Makes libvirt look at KVM again. PARAMETERS: others than "nested" changed. Where libvirt could not be told, *RET_NOTE
 * says what to do (the caller frees); that libvirt is not installed is no reason for a note. */
int actor_libvirt_refresh(const struct sysroot *root, bool parameters, char **ret_note);

/* actor-guests.c: libvirt's guests, where they are changed together with the host. Errors, with *RET_WHY (one line, to be freed):
 * -EHOSTDOWN: libvirt's daemon does not run and was not to be started; -ENOENT: no such guest; those of domain_rewrite(). */
struct actor_guest {
    char *uuid, *name, *state; /* as guest-state.h writes it */
    bool running;
};
static inline void actor_guests_free(struct actor_guest *guests, size_t n) {
    FOREACH_ARRAY(g, guests, n) {
        free(g->uuid);
        free(g->name);
        free(g->state);
    }
    free(guests);
}
/* Every guest with a definition that may nest when it starts next, or does. No libvirt here: none. */
int actor_guests_exposed(const struct sysroot *root, enum extension extension, struct actor_guest **ret, size_t *ret_n,
                         char **ret_why);
/* START: libvirt's daemon may be started for it. */
int actor_guest_state(const struct sysroot *root, const char *uuid, bool start, char **ret_state, char **ret_why);
/* From one state to the other. -ESTALE: it is in neither. */
int actor_guest_set(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                    char **ret_why);
/* Back to BEFORE, also if libvirt is still at giving it AFTER for somebody who was killed or cut off meanwhile. */
int actor_guest_restore(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                        char **ret_why);
