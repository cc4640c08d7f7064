/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/guest-audit.h"
#include "guest-work.h"

struct json_object *guest_view_new(const struct domain_info *info, enum extension extension) {
    struct json_object *o = json_object_new_object(), *facts = domain_info_to_json(info, extension);
    const char *exposed = info->live == LIVE_YES ? "live" : guest_exposed(info) == TRISTATE_NO ? "no" : "configured";

    json_object_object_add(facts, "schema", json_object_new_int(1));
    json_object_object_add(o, "facts", facts);
    json_object_object_add(o, "exposed", json_object_new_string(exposed));
    return o;
}

int guest_view(const struct domain_conn *c, virDomainPtr dom, enum extension extension, struct json_object **ret,
               char **ret_why) {
    _cleanup_domain_info_ struct domain_info info = {};
    struct domain_conn public = *c;
    int r;

    public.readonly = true; /* what is told is the same whatever the connection may */
    if ((r = domain_read(&public, dom, extension, &info, ret_why)) < 0)
        return r;
    *ret = guest_view_new(&info, extension);
    return 0;
}
