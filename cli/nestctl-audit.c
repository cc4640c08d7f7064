/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which guests can nest, which do, and who chose them. */
#include "guest-audit.h"
#include "guest-libvirt.h"
#include "table.h"

static const char *verdict_colour(const char *verdict) {
    return colour_name(streq(verdict, "pass") ? COLOUR_GREEN : streq(verdict, "warn") ? COLOUR_YELLOW : COLOUR_RED);
}

static const struct column columns[] = {
    {"RESULT", "verdict", .colour = verdict_colour},
    {"GUEST", "name", .truncate = true},
    {"EXPOSED", "exposed"},
    {"BY", "nest"},
    {"LIVE", "live"},
    {"L2 NOW", "l2_active"},
    {"CHOSEN BY", "chosen_by"},
    {"MIGRATION", "migration"},
};

static int read_conf(struct conf **ret) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    int r = sysroot_open(NULL, &root);
    if (r >= 0)
        r = conf_load(root, ret);
    return r < 0 ? fail_errno(r, "nestd.conf", NULL) : EXIT_DONE;
}

int verb_audit(const struct options *options, int argc, char *argv[]) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_(conf_freep) struct conf *conf = NULL;
    _cleanup_json_ struct json_object *o = NULL;
    _cleanup_free_ char *why = NULL;
    enum extension extension;
    unsigned bad = 0;

    int r = guest_extension(options, &extension);
    if (r == EXIT_DONE)
        r = read_conf(&conf);
    if (r == EXIT_DONE)
        r = guest_connect(options, geteuid() != 0, &c);
    if (r != EXIT_DONE)
        return r;
    if ((r = guest_audit(&c, extension, conf, &o, &bad, &why)) < 0)
        return guest_fail(r, "audit", why);
    struct json_object *guests = member(o, "guests", json_type_array);
    if (options->json)
        put_json(o);
    else {
        if ((r = put_table(guests, columns, ELEMENTSOF(columns))) < 0)
            return fail_errno(r, "audit", NULL);
        for (size_t i = 0; i < json_object_array_length(guests); i++) {
            struct json_object *g = json_object_array_get_idx(guests, i);
            if (!*member_string(g, "advice"))
                continue;
            put_safe(member_string(g, "name"));
            fputs(": ", stdout);
            put_safe(member_string(g, "advice"));
            putchar('\n');
        }
        printf("%s%u exposed that nobody chose.\n", json_object_array_length(guests) ? "\n" : "", bad);
    }
    return bad > 0 ? EXIT_NEGATIVE : EXIT_DONE;
}
