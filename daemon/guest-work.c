/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions about guests, asked in a worker: libvirt is loaded there and gone with it. */
#include "common/guest-audit.h"
#include "guest-keeper.h"

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
