/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-libvirt.h"
#include "line-diff.h"

int guest_connect(const struct options *options, bool readonly, struct domain_conn *ret) {
    _cleanup_free_ char *why = NULL, *remote = NULL;
    const char *uri = getenv("LIBVIRT_DEFAULT_URI");

    if (options->host) {
        if (asprintf(&remote, "qemu+ssh://%s/system", options->host) < 0)
            return fail_errno(-ENOMEM, "libvirt", NULL);
        uri = remote;
    }
    /* One's own libvirt asks nobody's leave. */
    if (uri && strstr(uri, ":///session"))
        readonly = false;
    int r = domain_connect(uri && *uri ? uri : NULL, readonly, ret, &why);
    if (r == -EACCES)
        return fail(EXIT_NOT_AUTHORISED, "libvirt", "be root or in the group libvirt", "%s", why);
    if (r < 0)
        return fail(EXIT_FAILED, "libvirt", r == -ECONNREFUSED ? "is libvirtd or virtqemud running?" : NULL, "%s",
                    why ? why : strerror(-r));
    return EXIT_DONE;
}

static void add_string(struct json_object *o, const char *key, const char *value) {
    json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

/* The change is in the definition; a running QEMU keeps its CPU. */
static void tell_restart(const struct options *options, const char *name, const struct guest_wish *wish) {
    say(options, "%s runs and keeps the CPU it was started with: a restart is needed (a reboot inside the guest is not enough)",
        name);
    if (options->now)
        say(options, "to have it %s now: virsh shutdown %s, wait until 'virsh domstate %s' says shut off, virsh start %s",
            wish->action == GUEST_HIDE ? "off" : "in force", name, name, name);
}

int guest_change(const struct options *options, const struct domain_conn *c, virDomainPtr dom,
                 const struct guest_wish *wish, bool diff_only) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_free_ char *why = NULL, *diff = NULL;
    const char *name = c->lv->virDomainGetName(dom);
    bool dry = diff_only || options->dry_run;

    int r = domain_rewrite(c, dom, wish, dry, &change, &why);
    if (r < 0)
        return guest_fail(r, name, why);
    if ((r = line_diff(change.before, strlen(change.before), change.after, strlen(change.after), &diff)) < 0)
        return fail_errno(r, name, NULL);
    if (options->json) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        json_object_object_add(o, "schema", json_object_new_int(1));
        add_string(o, "name", name);
        json_object_object_add(o, "changed", json_object_new_boolean(change.changed));
        json_object_object_add(o, "done", json_object_new_boolean(!dry));
        json_object_object_add(o, "needs_restart", json_object_new_boolean(change.needs_restart));
        json_object_object_add(o, "notes", guest_notes_json(change.notes));
        add_string(o, "diff", diff);
        put_json(o);
        return EXIT_DONE;
    }
    for (char **note = change.notes; note && *note; note++)
        say(options, "%s: %s", name, *note);
    if (dry)
        fputs(diff, stdout);
    else if (change.needs_restart)
        tell_restart(options, name, wish);
    return EXIT_DONE;
}
