/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine made of files whose kernel, udev and libvirt are ours: for tests of what changes a host. Everything it is
 * lives in its directory, so that it outlives a process that was killed. Every call to the outside is an event; one of
 * them can be made to fail, or to be the last thing that the process does. */
#pragma once

#include "actor.h"
#include "apply.h"
#include "facts.h"

struct fake_parameter {
    const char *name, *type, *value; /* VALUE: the kernel's default, as it is printed */
    const char *needs;               /* reads N while this one does */
    bool writable;
};

struct fake_machine {
    char *dir;
    struct sysroot *root;
};

void fake_new(struct fake_machine *m);
void fake_free(struct fake_machine *m);
/* Loads kvm_intel as at boot, with the options on disk. */
void fake_boot(struct fake_machine *m);
/* The facts, with the device that only root could make. */
struct host_facts *fake_probe(struct fake_machine *m);
/* The machine's hardware lacks what this parameter stands for. */
void fake_lacks(struct fake_machine *m, const char *parameter);
void fake_put(struct fake_machine *m, const char *path, const char *text, mode_t mode);
/* Gives it an ACL and an extended attribute; false: the file system has neither. */
bool fake_adorn(struct fake_machine *m, const char *path);
bool fake_has(struct fake_machine *m, const char *path);
char *fake_parameter(struct fake_machine *m, const char *name); /* NULL: not loaded; the caller frees */
/* Somebody uses, or no longer uses, the module. */
void fake_use(struct fake_machine *m, bool used);
/* All that a change may touch, as text: modprobe.d with its files and attributes, the module and its parameters, /dev/kvm,
 * what is pending. Two equal snapshots, the same machine. The caller frees. */
char *fake_snapshot(struct fake_machine *m);
unsigned fake_changes(struct fake_machine *m); /* in the undo list, not undone */

enum fake_kind { FAKE_LOAD, FAKE_UNLOAD, FAKE_SET, FAKE_SETTLE, FAKE_NODE, FAKE_USERS, FAKE_REFRESH, FAKE_WRITE, FAKE_FSYNC,
                 FAKE_RENAME, FAKE_UNLINK, FAKE_GUEST, _FAKE_KIND_MAX };
extern const char *const fake_kinds[];

/* What shall happen, in this process and its children. Events are counted from 0. */
struct fake_fault {
    enum { FAULT_NONE, FAULT_KILL_BEFORE, FAULT_KILL_DURING, FAULT_KILL_AFTER, FAULT_FAIL, FAULT_FAIL_FROM } what;
    unsigned at;
    int error; /* of FAULT_FAIL: positive errno */
};
extern struct fake_fault fake_fault;
extern unsigned fake_events;                 /* so far */
extern enum fake_kind fake_log[4096];        /* their kinds */
extern void (*fake_hook)(enum fake_kind kind); /* called before each; NULL: nothing */

/* The other side of actor.h; tests/unit/fake-actors.h puts it there. */
bool fake_may_change(const struct sysroot *root);
int fake_module_load(const struct sysroot *root, const char *module, const char *options, bool alone, char **ret_message);
int fake_module_unload(const struct sysroot *root, const char *module);
int fake_parameter_set(const struct sysroot *root, const char *module, const char *name, const char *value);
int fake_settle(const struct sysroot *root, const char *path, unsigned msec);
int fake_node_restore(const struct sysroot *root, const char *path, mode_t mode, uid_t uid, gid_t gid);
int fake_module_users(const struct sysroot *root, const char *module, char ***ret, size_t *ret_n);
/* What libvirt holds while /fake/probe is there, it lets go of, after one look ("1") or two ("2"). */
bool fake_wait_for_probe(const struct sysroot *root, unsigned msec);
int fake_libvirt_refresh(const struct sysroot *root, bool parameters, char **ret_note);
/* Guests are files, /fake/guests/UUID: "NAME STATE". One with /fake/refuses-UUID cannot be changed; with /fake/no-libvirtd
 * its daemon does not run, and starts when it may. Who is killed during fake_guest_set(), or gets ETIMEDOUT, leaves
 * /fake/late/UUID: the state that libvirt is still at giving it. */
void fake_guest(struct fake_machine *m, const char *uuid, const char *name, const char *state);
char *fake_guest_state(struct fake_machine *m, const char *uuid); /* the caller frees */
int fake_guests_exposed(const struct sysroot *root, struct actor_guest **ret, size_t *ret_n);
int fake_guest_read(const struct sysroot *root, const char *uuid, bool start, char **ret_state, char **ret_why);
int fake_guest_set(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                   char **ret_why);
int fake_guest_restore(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                       char **ret_why);
/* libvirt is through with all it was still at. */
void fake_libvirt_catches_up(struct fake_machine *m);
/* Counts an event of the C library; -1 with errno set: it shall fail. */
int fake_libc(enum fake_kind kind);
void fake_after(void);
