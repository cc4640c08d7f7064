/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-audit.h"
#include "guest-libvirt.h"

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

/* The change is in the definition; a running QEMU keeps its CPU. */
static void tell_restart(const struct options *options, const char *name, const struct guest_wish *wish) {
    say(options, "%s runs and keeps the CPU it was started with: a restart is needed (a reboot inside the guest is not enough)",
        name);
    if (options->now)
        say(options, "to have it %s now: virsh shutdown %s, wait until 'virsh domstate %s' says shut off, virsh start %s",
            wish->action == GUEST_HIDE ? "off" : "in force", name, name, name);
}

void guest_tell_change(const struct options *options, const struct guest_wish *wish, struct json_object *result) {
    const char *name = member_string(result, "name");
    struct json_object *notes = NULL;

    if (options->json) {
        put_json(result);
        return;
    }
    json_object_object_get_ex(result, "notes", &notes);
    for (size_t i = 0; notes && i < json_object_array_length(notes); i++)
        say(options, "%s: %s", name, json_object_get_string(json_object_array_get_idx(notes, i)));
    /* What a profile changes is shown also when it is done. */
    if (!member_bool(result, "done") || (wish->profile && !options->quiet))
        fputs(member_string(result, "diff"), stdout);
    if (member_bool(result, "done") && member_bool(result, "needs_restart"))
        tell_restart(options, name, wish);
}

int guest_change(const struct options *options, const struct domain_conn *c, virDomainPtr dom,
                 const struct guest_wish *wish, bool diff_only) {
    _cleanup_domain_change_ struct domain_change change = {};
    _cleanup_json_ struct json_object *result = NULL;
    _cleanup_free_ char *why = NULL;
    const char *name = c->lv->virDomainGetName(dom);
    bool dry = diff_only || options->dry_run;

    int r = domain_rewrite(c, dom, wish, dry, &change, &why);
    if (r < 0)
        return guest_fail(r, name, why);
    if ((r = domain_change_to_json(&change, name, !dry, &result)) < 0)
        return fail_errno(r, name, NULL);
    guest_tell_change(options, wish, result);
    return EXIT_DONE;
}
