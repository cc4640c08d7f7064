/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-caps.h"
#include "domain-live.h"
#include "guest-profile.h"
#include "libvirt-call.h"

/* An error of libvirt's as ours, its message in *why. */
static int translate(int code, const char *message, const char *what, char **why) {
    switch (code) {
    case VIR_ERR_NO_DOMAIN:
        return refuse(why, -ENOENT, "there is no such guest any more");
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_OPERATION_DENIED:
        return refuse(why, -EACCES, "libvirt does not allow it: %s", message);
    }
    return refuse(why, -EIO, "%s: %s", what, message);
}

static int libvirt_error(const struct domain_conn *c, const char *what, char **why) {
    return translate(c->lv->virGetLastErrorCode(), c->lv->virGetLastErrorMessage(), what, why);
}

int domain_connect(const char *uri, bool readonly, struct domain_conn *ret, char **why) {
    struct domain_conn c = {.readonly = readonly};
    virErrorPtr error = NULL;
    int r = libvirt_load(&c.lv);
    if (r < 0)
        return refuse(why, r, "libvirt's client library cannot be loaded: install the package libvirt0");
    if (!uri)
        uri = "qemu:///system";
    r = libvirt_open(c.lv, uri, readonly, &c.conn, &error);
    if (r == -ETIMEDOUT)
        return refuse(why, r, "its daemon takes the call but has not answered for %i s: restart it (running guests are not touched)",
                      LIBVIRT_PATIENCE_SEC);
    if (r < 0) {
        r = error ? translate(error->code, error->message, "libvirt", why) : refuse(why, r, "libvirt: %s", strerror(-r));
        if (error)
            c.lv->virFreeError(error);
        return r == -EIO ? -ECONNREFUSED : r;
    }
    *ret = c;
    return 0;
}

void domain_disconnect(struct domain_conn *c) {
    if (c->conn)
        c->lv->virConnectClose(c->conn);
    *c = (struct domain_conn){};
}

/* Not so when the connection broke: that must not be lost in the next lookup's error. */
static bool is_unknown(const struct domain_conn *c) {
    int code = c->lv->virGetLastErrorCode();

    return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_INVALID_ARG;
}

int domain_find(const struct domain_conn *c, const char *guest, virDomainPtr *ret, char **why) {
    char *end;
    virDomainPtr dom = c->lv->virDomainLookupByName(c->conn, guest);
    if (!dom && is_unknown(c))
        dom = c->lv->virDomainLookupByUUIDString(c->conn, guest);
    errno = 0;
    long id = strtol(guest, &end, 10);
    if (!dom && is_unknown(c) && *guest >= '0' && *guest <= '9' && !*end && !errno && id <= INT32_MAX)
        dom = c->lv->virDomainLookupByID(c->conn, (int)id);
    if (!dom && is_unknown(c))
        return refuse(why, -ENOENT, "no such guest; 'nestctl guest list' names them all");
    if (!dom)
        return libvirt_error(c, "libvirt", why);
    *ret = dom;
    return 0;
}

static char *get_xml(const struct domain_conn *c, virDomainPtr dom, bool inactive) {
    unsigned flags = (inactive ? VIR_DOMAIN_XML_INACTIVE : 0) | (c->readonly ? 0 : VIR_DOMAIN_XML_SECURE);
    return c->lv->virDomainGetXMLDesc(dom, flags);
}

static int read_definition(const struct guest_doc *d, enum extension extension, struct domain_info *info) {
    _cleanup_guest_mark_ struct guest_mark mark = {};
    int r = guest_mark_read(d, &mark);
    if (r == -ENOMEM)
        return r;
    info->marked = r >= 0;
    info->lacking = guest_profile_lacks(d, &mark.wish);
    info->mark = mark;
    mark = (struct guest_mark){};
    info->nest = guest_doc_nest(d, extension);
    info->mode = d->mode;
    if (d->model && !(info->model = strdup(d->model)))
        return -ENOMEM;
    return 0;
}

/* Does the definition promise what the running guest has not, or the other way round? */
static bool differs(enum nest nest, enum guest_live live) {
    return (live == LIVE_YES && nest == NEST_NO) || (live == LIVE_NO && nest == NEST_CONFIGURED);
}

int domain_read(const struct domain_conn *c, virDomainPtr dom, enum extension extension, struct domain_info *ret,
                char **why) {
    _cleanup_domain_info_ struct domain_info info = {.id = -1, .l2 = TRISTATE_UNKNOWN};
    _cleanup_guest_doc_ struct guest_doc d = {};
    char uuid[VIR_UUID_STRING_BUFLEN];

    info.running = c->lv->virDomainIsActive(dom) > 0;
    info.persistent = c->lv->virDomainIsPersistent(dom) > 0;
    info.id = info.running ? (int)c->lv->virDomainGetID(dom) : -1;
    if (!(info.name = strdup(c->lv->virDomainGetName(dom))) || c->lv->virDomainGetUUIDString(dom, uuid) < 0 ||
        !(info.uuid = strdup(uuid)))
        return -ENOMEM;
    /* A transient guest has only the definition it runs with. */
    if (!(info.definition = get_xml(c, dom, info.persistent)))
        return libvirt_error(c, "its definition cannot be read", why);
    int r = guest_doc_open(info.definition, strlen(info.definition), &d, &info.refused);
    if (r == -EINVAL || r == -EOPNOTSUPP)
        info.live = info.running ? LIVE_UNKNOWN : LIVE_NOT_RUNNING;
    else if (r < 0 || (r = read_definition(&d, extension, &info)) < 0)
        return r;
    else if (info.running) {
        _cleanup_free_ char *live = c->lv->virDomainGetXMLDesc(dom, 0);
        info.live = domain_live(c, dom, live, extension);
        domain_l2(c, dom, &info.l2, &info.l2_entries);
        info.needs_restart = differs(info.nest, info.live) || domain_live_outdated(live, &d);
    }
    if (!info.running)
        info.l2 = TRISTATE_NO;
    *ret = info;
    info = (struct domain_info){};
    return 0;
}

void domain_info_done(struct domain_info *info) {
    free(info->name);
    free(info->uuid);
    free(info->refused);
    free(info->model);
    free(info->definition);
    guest_mark_done(&info->mark);
    *info = (struct domain_info){};
}

/* Is all there that was wished? */
static bool kept_all(const struct guest_doc *d, const struct guest_wish *wish) {
    _cleanup_guest_mark_ struct guest_mark mark = {};

    switch (wish->action) {
    case GUEST_EXPOSE:
        return guest_doc_nest(d, wish->extension) == NEST_CONFIGURED && guest_mark_read(d, &mark) >= 0 &&
               !guest_profile_lacks(d, &mark.wish);
    case GUEST_HIDE:
        return guest_doc_nest(d, wish->extension) == NEST_NO;
    case GUEST_UNDO:
        break;
    }
    return d->mark == XML_NONE;
}

/* Is it the definition that we handed over, whatever libvirt made of it? libvirt keeps metadata as it is. */
static bool is_ours(const struct guest_doc *d, const struct guest_wish *wish) {
    _cleanup_guest_mark_ struct guest_mark mark = {};

    if (wish->action == GUEST_UNDO)
        return d->mark == XML_NONE;
    return guest_mark_read(d, &mark) >= 0 && mark.wish.action == wish->action;
}

/* What libvirt kept must say what was wished, and must lead back to where it was. */
static int verify(const char *kept, const struct guest_wish *wish, const char *before, bool *ret_exact, char **why) {
    _cleanup_guest_result_ struct guest_result back = {}, original = {};
    _cleanup_guest_doc_ struct guest_doc d = {};
    struct guest_wish undo = {GUEST_UNDO};

    int r = guest_doc_open(kept, strlen(kept), &d, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : refuse(why, -EIO, "libvirt's new definition cannot be understood");
    if (!is_ours(&d, wish))
        return refuse(why, -EAGAIN, "somebody else redefined the guest at this moment; their definition stays, try again");
    if (!kept_all(&d, wish))
        return refuse(why, -EIO, "libvirt accepted the definition but did not keep what was changed");
    if ((r = guest_rewrite(kept, strlen(kept), &undo, &back, why)) < 0 ||
        (r = guest_rewrite(before, strlen(before), &undo, &original, why)) < 0)
        return r;
    *ret_exact = streq(back.text, original.text);
    return 0;
}

/* A daemon that is cut off goes on with what it was asked: the definition may come into force when nobody waits for it any more. */
static int define(const struct domain_conn *c, const char *xml, char **why) {
    virErrorPtr error = NULL;
    int r = libvirt_define(c->lv, c->conn, xml, &error);

    if (r == -ETIMEDOUT)
        refuse(why, r, "libvirt takes the new definition but has not answered for %i s: it may still come into force; "
                       "'nestctl guest show' tells", DEFINE_PATIENCE_SEC);
    else if (r == -EIO && c->lv->virConnectIsAlive(c->conn) == 0)
        r = refuse(why, -ECONNRESET, "the connection to libvirt broke while it took the new definition, which may still come "
                                     "into force; 'nestctl guest show' tells");
    else if (r == -EIO)
        r = translate(error ? error->code : 0, error ? error->message : "no reason given",
                      "libvirt refuses the new definition, the old one stays", why);
    if (error)
        c->lv->virFreeError(error);
    return r;
}

/* Hands the new definition over. On failure the old one is in force, or what somebody else has defined since. */
static int commit(const struct domain_conn *c, virDomainPtr dom, const struct guest_wish *wish,
                  const struct domain_change *change, struct guest_edits *notes, char **why) {
    bool exact = false;
    _cleanup_free_ char *now = get_xml(c, dom, true);
    if (!now)
        return libvirt_error(c, "its definition cannot be read", why);
    if (!streq(now, change->before))
        return refuse(why, -EAGAIN, "somebody else redefined the guest at this moment; nothing was changed, try again");
    int r = define(c, change->after, why);
    if (r < 0)
        return r;
    _cleanup_free_ char *kept = get_xml(c, dom, true);
    r = kept ? verify(kept, wish, change->before, &exact, why)
                 : refuse(why, -EIO, "the new definition cannot be read back");
    if (r == -EAGAIN)
        return r;
    if (r < 0) {
        _cleanup_free_ char *reason = why ? TAKE_PTR(*why) : NULL;
        bool restored = define(c, change->before, NULL) >= 0;
        return refuse(why, r == -ENOMEM ? r : -EIO, "%s; the old definition %s", reason ? reason : "not verified",
                      restored ? "is back" : "could not be put back either: see libvirt's log");
    }
    if (!exact)
        edit_note(notes, "libvirt normalised other parts of the definition as well, as it does with every new definition");
    return 0;
}

int domain_define_again(const struct domain_conn *c, virDomainPtr dom, char **why) {
    _cleanup_free_ char *now = get_xml(c, dom, true);

    return now ? define(c, now, why) : libvirt_error(c, "its definition cannot be read", why);
}

/* The rewriter, told what this host lacks. */
static int rewrite(const struct domain_conn *c, const char *xml, const struct guest_wish *wish, struct guest_result *ret,
                   char **why) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    _cleanup_free_ char *without = NULL;
    struct guest_wish w = *wish;

    int r = guest_doc_open(xml, strlen(xml), &d, why);
    if (r < 0 || (wish->action == GUEST_EXPOSE && (r = domain_caps_without(c, &d, wish, &without)) < 0))
        return r;
    w.without = without;
    return guest_rewrite(xml, strlen(xml), &w, ret, why);
}

/* Has the running guest still to get what the change wants of it? */
static bool needs_restart(const struct domain_conn *c, virDomainPtr dom, const struct guest_wish *wish,
                          const struct domain_change *change) {
    _cleanup_free_ char *xml = c->lv->virDomainGetXMLDesc(dom, 0);
    _cleanup_guest_doc_ struct guest_doc d = {};
    enum guest_live live = wish->action == GUEST_UNDO ? LIVE_UNKNOWN : domain_live(c, dom, xml, wish->extension);

    if (live == LIVE_UNKNOWN)
        return change->changed;
    return (live == LIVE_YES) != (wish->action == GUEST_EXPOSE) ||
           (guest_doc_open(change->after, strlen(change->after), &d, NULL) >= 0 && domain_live_outdated(xml, &d));
}

int domain_rewrite(const struct domain_conn *c, virDomainPtr dom, const struct guest_wish *wish, bool dry_run,
                   struct domain_change *ret, char **why) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_guest_result_ struct guest_result result = {};
    _cleanup_guest_edits_ struct guest_edits notes = {};
    int r;

    if (c->lv->virDomainIsPersistent(dom) <= 0)
        return refuse(why, -EOPNOTSUPP, "the guest is transient, it has no definition to change: change what creates it");
    if (!(change.before = get_xml(c, dom, true)))
        return libvirt_error(c, "its definition cannot be read", why);
    if ((r = rewrite(c, change.before, wish, &result, why)) < 0)
        return r;
    change.changed = result.changed;
    change.after = TAKE_PTR(result.text);
    change.notes = TAKE_PTR(result.notes);
    if (result.changed && !dry_run && (r = commit(c, dom, wish, &change, &notes, why)) < 0)
        return r;
    change.needs_restart = c->lv->virDomainIsActive(dom) > 0 && needs_restart(c, dom, wish, &change);
    if (c->lv->virDomainHasManagedSaveImage(dom, 0) > 0)
        edit_note(&notes, "the guest was saved (virsh managedsave) and will resume with the CPU it was saved with; "
                          "'virsh managedsave-remove' makes it boot afresh");
    r = notes_append(&change.notes, &notes);
    if (r < 0)
        return r;
    *ret = change;
    change = (struct domain_change){};
    return 0;
}

void domain_change_done(struct domain_change *change) {
    free(change->before);
    free(change->after);
    strv_free(change->notes);
    *change = (struct domain_change){};
}
