/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's guests: read, changed, verified. The only file that changes a guest. */
#pragma once

#include "dl-libvirt.h"
#include "facts.h"
#include "guest-mark.h"

struct domain_conn {
    const struct libvirt *lv;
    virConnectPtr conn;
    bool readonly;
};

/* URI NULL: qemu:///system. READONLY is enough for domain_read(), which then cannot ask QEMU itself. Errors, with *ret_why:
 * -ENOPKG libvirt is not installed, -ECONNREFUSED it does not answer, -EACCES. */
int domain_connect(const char *uri, bool readonly, struct domain_conn *ret, char **ret_why);
void domain_disconnect(struct domain_conn *c);
#define _cleanup_domain_conn_ _cleanup_(domain_disconnect)

/* GUEST is a name, UUID or id. -ENOENT: no such guest. */
int domain_find(const struct domain_conn *c, const char *guest, virDomainPtr *ret, char **ret_why);

/* Whether the running QEMU's CPU has the extension: what QEMU says, not what was asked for. */
enum guest_live { LIVE_NOT_RUNNING, LIVE_NO, LIVE_YES, LIVE_UNKNOWN };
const char *guest_live_to_string(enum guest_live live); /* "-", "no", "yes", "unknown" */

struct domain_info {
    char *name, *uuid;
    int id; /* -1: not running */
    bool running, persistent;
    char *refused; /* why this is no guest that could be given vmx or svm; the rest of the CPU is then unset */
    enum nest nest;
    enum cpu_mode mode;
    char *model;
    bool marked; /* nestd was asked for it: */
    struct guest_mark mark;
    bool lacking; /* not all of its profile is there any more */
    char *definition; /* as libvirt writes it */
    enum guest_live live;
    enum tristate l2;   /* a guest of the guest runs now */
    uint64_t l2_entries; /* since the guest started, where that is told */
    bool needs_restart; /* running with another CPU or profile than it is defined with */
};

/* Reads one guest. EXTENSION is the host's. Errors, with *ret_why: -ENOENT it is gone, -EACCES, -EIO. */
int domain_read(const struct domain_conn *c, virDomainPtr dom, enum extension extension, struct domain_info *ret,
                char **ret_why);
void domain_info_done(struct domain_info *info);
#define _cleanup_domain_info_ _cleanup_(domain_info_done)

struct domain_change {
    char *before, *after; /* definitions as libvirt writes them; AFTER is what was (or would be) handed to it */
    bool changed;
    bool needs_restart; /* the guest runs and does not have it yet */
    char **notes;       /* NULL-terminated, or NULL */
};

/*
 * Fulfils a wish: reads the definition, rewrites it, hands it to libvirt, reads it back and checks it; the old one is put
 * back when that fails. Running guests are never restarted. Errors, with *ret_why: those of guest_rewrite(); -EOPNOTSUPP the guest
 * has no definition (transient); -EAGAIN somebody else redefined it meanwhile, nothing was changed; -EIO libvirt refused
 * or did not keep it; -ETIMEDOUT or -ECONNRESET libvirt has not answered, and may do it yet.
 */
int domain_rewrite(const struct domain_conn *c, virDomainPtr dom, const struct guest_wish *wish, bool dry_run,
                   struct domain_change *ret, char **ret_why);
void domain_change_done(struct domain_change *change);
#define _cleanup_domain_change_ _cleanup_(domain_change_done)

/* The definition as it is, once more. libvirt parses definitions one after another as far as it has to ask QEMU for them, so
 * what it was given before and nobody waited for is in force, too, a moment after this. */
int domain_define_again(const struct domain_conn *c, virDomainPtr dom, char **ret_why);
