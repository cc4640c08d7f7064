/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Included by the one file of a test program that wants fakes behind actor.h: definitions here keep the linker from
 * taking the real ones out of the library. */
#pragma once

#include "actor.h"
#include "tests/unit/fake-machine.h"

bool actor_may_change(const struct sysroot *root) {
    return fake_may_change(root);
}

int actor_module_load(const struct sysroot *root, const char *module, const char *options, bool alone,
                      char **ret_message) {
    return fake_module_load(root, module, options, alone, ret_message);
}

int actor_module_unload(const struct sysroot *root, const char *module) {
    return fake_module_unload(root, module);
}

int actor_parameter_set(const struct sysroot *root, const char *module, const char *name, const char *value) {
    return fake_parameter_set(root, module, name, value);
}

int actor_settle(const struct sysroot *root, const char *path, unsigned msec) {
    return fake_settle(root, path, msec);
}

int actor_node_restore(const struct sysroot *root, const char *path, mode_t mode, uid_t uid, gid_t gid) {
    return fake_node_restore(root, path, mode, uid, gid);
}

int actor_module_users(const struct sysroot *root, const char *module, char ***ret, size_t *ret_n) {
    return fake_module_users(root, module, ret, ret_n);
}

bool actor_wait_for_probe(const struct sysroot *root, unsigned msec) {
    return fake_wait_for_probe(root, msec);
}

int actor_guests_exposed(const struct sysroot *root, enum extension extension, struct actor_guest **ret, size_t *ret_n,
                         char **ret_why) {
    return fake_guests_exposed(root, ret, ret_n);
}

int actor_guest_state(const struct sysroot *root, const char *uuid, bool start, char **ret_state, char **ret_why) {
    return fake_guest_read(root, uuid, start, ret_state, ret_why);
}

int actor_guest_set(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                    char **ret_why) {
    return fake_guest_set(root, uuid, before, after, start, ret_why);
}

int actor_guest_restore(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                        char **ret_why) {
    return fake_guest_restore(root, uuid, before, after, start, ret_why);
}

int actor_libvirt_refresh(const struct sysroot *root, bool parameters, char **ret_note) {
    return fake_libvirt_refresh(root, parameters, ret_note);
}
