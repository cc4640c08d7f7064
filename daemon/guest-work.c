/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/guest-audit.h"
#include "guest-work.h"
#include "work.h"

DEFINE_CLEANUP(struct json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

int work_audit(struct worker *w, const void *arg, struct json_object **ret) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_(conf_freep) struct conf *conf = NULL;
    _cleanup_free_ char *why = NULL;
    const struct order *order = arg;
    struct json_object *audit = NULL;
    unsigned bad;
    int r;

    if (order->root_path)
        return -EOPNOTSUPP; /* guests run on this machine, not in a directory */
    if ((r = sysroot_open(NULL, &root)) < 0 || (r = conf_load(root, &conf)) < 0 || (r = probe_host(root, &facts)) < 0 ||
        /* Anybody may ask, so QEMU's monitor is left alone. */
        (r = domain_connect(getenv("LIBVIRT_DEFAULT_URI"), true, &c, &why)) < 0 ||
        (r = guest_audit(&c, facts->extension, conf, &audit, &bad, &why)) < 0)
        return r;
    if (!(*ret = json_object_new_object())) {
        json_object_put(audit);
        return -ENOMEM;
    }
    json_object_object_add(*ret, "text",
                           json_object_new_string(json_object_to_json_string_ext(audit, JSON_C_TO_STRING_PLAIN)));
    json_object_put(audit);
    return 0;
}

/* What all workers below need. */
struct view {
    struct domain_conn c;
    virDomainPtr dom;
    enum extension extension;
    char *why;
};

static void view_done(struct view *v) {
    if (v->dom)
        v->c.lv->virDomainFree(v->dom);
    domain_disconnect(&v->c);
    free(v->why);
}
#define _cleanup_view_ _cleanup_(view_done)

/* READONLY: as anybody may ask; QEMU's monitor is left alone. */
static int view_open(const struct guest_order *order, bool readonly, struct view *v) {
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    _cleanup_sysroot_ struct sysroot *root = NULL;
    const char *uri = getenv("LIBVIRT_DEFAULT_URI");
    int r;

    if (order->root_path && !uri)
        return refuse(&v->why, -EOPNOTSUPP, "guests run on this machine, not in %s", order->root_path);
    if ((r = sysroot_open(order->root_path, &root)) < 0 || (r = probe_host(root, &facts)) < 0)
        return refuse(&v->why, r, "this host cannot be looked at: %s", strerror(-r));
    v->extension = facts->extension;
    return domain_connect(uri, readonly, &v->c, &v->why);
}

static int view_find(const struct guest_order *order, struct view *v) {
    if (order->name)
        return domain_find(&v->c, order->name, &v->dom, &v->why);
    /* Not domain_find(): a guest's name may be another one's UUID. */
    v->dom = v->c.lv->virDomainLookupByUUIDString(v->c.conn, order->uuid);
    if (v->dom)
        return 0;
    if (v->c.lv->virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        return refuse(&v->why, -ENOENT, "no such guest; Host.ListGuests() names them all");
    return refuse(&v->why, -EIO, "%s", v->c.lv->virGetLastErrorMessage());
}

static int fail_with(struct view *v, int r, struct json_object **ret) {
    json_object_put(*ret);
    *ret = json_object_new_object();
    if (*ret && v->why)
        json_object_object_add(*ret, "why", json_object_new_string(v->why));
    if (*ret && v->dom)
        json_object_object_add(*ret, "name", json_object_new_string(v->c.lv->virDomainGetName(v->dom)));
    return r;
}

/* Adds KEY to *RET. */
static int add_view(struct view *v, virDomainPtr dom, const char *key, struct json_object **ret) {
    struct json_object *view;
    int r = guest_view(&v->c, dom, v->extension, &view, &v->why);

    if (r < 0)
        return r;
    if (!*ret && !(*ret = json_object_new_object())) {
        json_object_put(view);
        return -ENOMEM;
    }
    json_object_object_add(*ret, key, view);
    return 0;
}

int work_read_guest(struct worker *w, const void *order, struct json_object **ret) {
    _cleanup_view_ struct view v = {};
    int r;

    if ((r = view_open(order, true, &v)) < 0 || (r = view_find(order, &v)) < 0 || (r = add_view(&v, v.dom, "guest", ret)) < 0)
        return fail_with(&v, r, ret);
    return 0;
}

int work_list_guests(struct worker *w, const void *order, struct json_object **ret) {
    _cleanup_view_ struct view v = {};
    struct json_object *guests;
    virDomainPtr *doms = NULL;
    int n, r;

    if ((r = view_open(order, true, &v)) < 0)
        return fail_with(&v, r, ret);
    if ((n = v.c.lv->virConnectListAllDomains(v.c.conn, &doms, 0)) < 0) {
        r = refuse(&v.why, -EIO, "%s", v.c.lv->virGetLastErrorMessage());
        return fail_with(&v, r, ret);
    }
    *ret = json_object_new_object();
    json_object_object_add(*ret, "guests", guests = json_object_new_array());
    for (int i = 0; i < n; i++) {
        _cleanup_domain_info_ struct domain_info info = {};
        _cleanup_free_ char *why = NULL;

        if (r >= 0 && (r = domain_read(&v.c, doms[i], v.extension, &info, &why)) >= 0)
            json_object_array_add(guests, guest_view_new(&info, v.extension));
        if (r == -ENOENT) /* gone meanwhile */
            r = 0;
        if (r < 0 && !v.why)
            v.why = TAKE_PTR(why);
        v.c.lv->virDomainFree(doms[i]);
    }
    free(doms);
    return r < 0 ? fail_with(&v, r, ret) : 0;
}

static int rewrite(struct view *v, const struct guest_order *order, bool dry_run, struct domain_change *ret) {
    struct guest_wish wish = order->wish;

    wish.extension = v->extension;
    if (wish.action != GUEST_UNDO && wish.extension == EXTENSION_NONE)
        return refuse(&v->why, -EOPNOTSUPP, "this host's CPU has neither vmx nor svm");
    return domain_rewrite(&v->c, v->dom, &wish, dry_run, ret, &v->why);
}

int work_plan_guest(struct worker *w, const void *order, struct json_object **ret) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_view_ struct view v = {};
    int r;

    if ((r = view_open(order, true, &v)) < 0 || (r = view_find(order, &v)) < 0 ||
        (r = rewrite(&v, order, true, &change)) < 0 || (r = add_view(&v, v.dom, "guest", ret)) < 0)
        return fail_with(&v, r, ret);
    return 0;
}

int work_change_guest(struct worker *w, const void *order, struct json_object **ret) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_json_ struct json_object *document = NULL;
    _cleanup_view_ struct view v = {};
    int r;

    if ((r = view_open(order, false, &v)) < 0 || (r = view_find(order, &v)) < 0 ||
        (r = add_view(&v, v.dom, "before", ret)) < 0 || (r = rewrite(&v, order, false, &change)) < 0 ||
        (r = domain_change_to_json(&change, v.c.lv->virDomainGetName(v.dom), true, &document)) < 0)
        return fail_with(&v, r, ret);
    json_object_object_add(*ret, "text",
                           json_object_new_string(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN)));
    /* The change is made, whether or not the guest can be read once more. */
    (void)add_view(&v, v.dom, "guest", ret);
    return 0;
}
