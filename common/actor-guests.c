/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actor.h"

#include <time.h>

#include "guest-audit.h"
#include "guest-state.h"

#define ATTEMPTS    5   /* against others who redefine the guest at the same moment */
#define SETTLE_MSEC 200 /* from libvirt's answer about QEMU, which two definitions waited for, to the other's being in force */

static bool exists(const struct sysroot *root, const char *path) {
    struct stat st;

    return sysroot_stat(root, path, &st) >= 0;
}

/* -ENOPKG: there is no libvirt here. */
static int connect_guests(const struct sysroot *root, bool start, struct domain_conn *ret, char **why) {
    if (!root->live || (!exists(root, "/run/libvirt/libvirt-sock") && !exists(root, "/run/libvirt/virtqemud-sock")))
        return refuse(why, -ENOPKG, "libvirt is not running and cannot be started by its socket");
    if (!start && !exists(root, "/run/libvirtd.pid") && !exists(root, "/run/virtqemud.pid"))
        return refuse(why, -EHOSTDOWN, "libvirt's daemon does not run");
    return domain_connect(NULL, false, ret, why);
}

static int guest_state(const struct domain_conn *c, virDomainPtr dom, char **ret, char **why) {
    _cleanup_free_ char *xml = c->lv->virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);

    if (!xml && c->lv->virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        return refuse(why, -ENOENT, "there is no such guest any more");
    if (!xml)
        return refuse(why, -EIO, "its definition cannot be read: %s", c->lv->virGetLastErrorMessage());
    int r = guest_state_read(xml, ret);
    return r < 0 ? refuse(why, r, "its definition cannot be understood") : 0;
}

/* The caller disconnects and frees what there is, also after a failure. */
static int open_guest(const struct sysroot *root, const char *uuid, bool start, struct domain_conn *c, virDomainPtr *ret,
                      char **why) {
    int r = connect_guests(root, start, c, why);

    if (r < 0)
        return r;
    *ret = c->lv->virDomainLookupByUUIDString(c->conn, uuid);
    if (*ret)
        return 0;
    if (c->lv->virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        return refuse(why, -ENOENT, "there is no such guest any more");
    return refuse(why, -EIO, "libvirt: %s", c->lv->virGetLastErrorMessage());
}

/* 1: it is one of those; *RET is filled in. */
static int look_at(const struct domain_conn *c, virDomainPtr dom, enum extension extension, struct actor_guest *ret,
                   char **why) {
    _cleanup_domain_info_ struct domain_info info = {};
    struct actor_guest g = {};
    int r = domain_read(c, dom, extension, &info, why);

    if (r < 0)
        return r;
    if (!info.persistent || info.refused || guest_exposed(&info) == TRISTATE_NO)
        return 0;
    if ((r = guest_state(c, dom, &g.state, why)) < 0)
        return r;
    g.uuid = TAKE_PTR(info.uuid);
    g.name = TAKE_PTR(info.name);
    g.running = info.running;
    *ret = g;
    return 1;
}

int actor_guests_exposed(const struct sysroot *root, enum extension extension, struct actor_guest **ret, size_t *ret_n,
                         char **ret_why) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    struct actor_guest *guests = NULL;
    virDomainPtr *doms = NULL;
    size_t n_guests = 0;
    int n = 0, r = extension == EXTENSION_NONE ? -ENOPKG : connect_guests(root, true, &c, ret_why);

    *ret = NULL;
    *ret_n = 0;
    if (r == -ENOPKG) {
        if (ret_why)
            *ret_why = (free(*ret_why), NULL);
        return 0;
    }
    if (r >= 0 && (n = c.lv->virConnectListAllDomains(c.conn, &doms, VIR_CONNECT_LIST_DOMAINS_PERSISTENT)) < 0)
        r = refuse(ret_why, -EIO, "libvirt: %s", c.lv->virGetLastErrorMessage());
    if (r >= 0 && !(guests = calloc(n > 0 ? (size_t)n : 1, sizeof(*guests))))
        r = -ENOMEM;
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *why = NULL;
        int q = r < 0 ? 0 : look_at(&c, doms[i], extension, &guests[n_guests], &why);

        n_guests += q > 0;
        if (q < 0 && q != -ENOENT)
            r = refuse(ret_why, q, "guest %s: %s", c.lv->virDomainGetName(doms[i]), why ? why : strerror(-q));
        c.lv->virDomainFree(doms[i]);
    }
    free(doms);
    if (r < 0) {
        actor_guests_free(guests, n_guests);
        return r;
    }
    *ret = guests;
    *ret_n = n_guests;
    return 0;
}

int actor_guest_state(const struct sysroot *root, const char *uuid, bool start, char **ret_state, char **ret_why) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_vir_domain_ virDomainPtr dom = NULL;
    int r = open_guest(root, uuid, start, &c, &dom, ret_why);

    return r < 0 ? r : guest_state(&c, dom, ret_state, ret_why);
}

static int set(const struct domain_conn *c, virDomainPtr dom, const char *before, const char *after, char **why) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_free_ char *now = NULL;
    struct guest_state state;
    int r = guest_state(c, dom, &now, why);

    if (r < 0)
        return r;
    if (streq(now, after))
        return 0;
    if (!streq(now, before))
        return refuse(why, -ESTALE, "somebody else has changed it meanwhile (it is \"%s\")", now);
    if (guest_state_parse(after, &state) < 0)
        return refuse(why, -EBADMSG, "\"%s\" is no state of a guest", after);
    return domain_rewrite(c, dom, &state.wish, false, &change, why);
}

/* What sets anew what others changed at the same moment. */
static int set_firmly(const struct domain_conn *c, virDomainPtr dom, const char *before, const char *after, char **why) {
    int r;

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        if (why)
            *why = (free(*why), NULL);
        if ((r = set(c, dom, before, after, why)) != -EAGAIN)
            break;
    }
    return r;
}

int actor_guest_set(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                    char **ret_why) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_vir_domain_ virDomainPtr dom = NULL;
    int r = open_guest(root, uuid, start, &c, &dom, ret_why);

    return r < 0 ? r : set_firmly(&c, dom, before, after, ret_why);
}

/* libvirt has come past all that it was asked to define before. 1: the guest is in STATE then. */
static int stays(const struct domain_conn *c, virDomainPtr dom, const char *state, char **why) {
    _cleanup_free_ char *now = NULL, *refusal = NULL;
    int r = domain_define_again(c, dom, &refusal);

    /* A definition that libvirt refuses by now, and refused the other one for the same, is where it was. */
    if (r == -ETIMEDOUT || r == -ENOMEM || c->lv->virConnectIsAlive(c->conn) <= 0)
        return refuse(why, r < 0 ? r : -EIO, "%s", refusal ? refusal : "the connection to libvirt broke");
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_MSEC * 1000000L}, NULL);
    r = guest_state(c, dom, &now, why);
    return r < 0 ? r : streq(now, state);
}

int actor_guest_restore(const struct sysroot *root, const char *uuid, const char *before, const char *after, bool start,
                        char **ret_why) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_vir_domain_ virDomainPtr dom = NULL;
    int r = open_guest(root, uuid, start, &c, &dom, ret_why);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < ATTEMPTS; i++)
        if ((r = set_firmly(&c, dom, after, before, ret_why)) < 0 || (r = stays(&c, dom, before, ret_why)) != 0)
            return r < 0 ? r : 0;
    return refuse(ret_why, -EAGAIN, "somebody else changes it again and again; try again when they are done");
}
