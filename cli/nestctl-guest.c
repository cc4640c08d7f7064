/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestctl guest: vmx or svm for chosen guests. */
#include "bus-client.h"
#include "facts.h"
#include "guest-audit.h"
#include "guest-libvirt.h"
#include "guest-mark.h"
#include "table.h"

int guest_fail(int error, const char *thing, const char *why) {
    static const struct {
        int error;
        enum exit_code code;
    } codes[] = {
        {-EINVAL, EXIT_USAGE},
        {-EOPNOTSUPP, EXIT_CANNOT},
        {-EPERM, EXIT_NOT_AUTHORISED},
        {-EACCES, EXIT_NOT_AUTHORISED},
        {-EAGAIN, EXIT_BLOCKED},
    };
    for (size_t i = 0; why && i < ELEMENTSOF(codes); i++)
        if (codes[i].error == error)
            return fail(codes[i].code, thing, NULL, "%s", why);
    return why ? fail(EXIT_FAILED, thing, NULL, "%s", why) : fail_errno(error, thing, NULL);
}

static int host_extension(const struct options *options, enum extension *ret) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *facts = NULL;

    int r = sysroot_open(options->root, &root);
    if (r >= 0)
        r = probe_host(root, &facts);
    if (r < 0)
        return fail_errno(r, options->root ? options->root : "/", "say --extension=vmx or --extension=svm");
    *ret = facts->extension;
    return EXIT_DONE;
}

int guest_extension(const struct options *options, enum extension *ret) {
    if (!options->extension)
        return host_extension(options, ret);
    for (enum extension e = EXTENSION_VMX; e < _EXTENSION_MAX; e++)
        if (streq(options->extension, extension_to_string(e))) {
            *ret = e;
            return EXIT_DONE;
        }
    return fail(EXIT_USAGE, options->extension, "--extension is vmx (Intel) or svm (AMD, Hygon)", "no such extension");
}

int guest_wish_parse(const struct options *options, enum guest_action action, struct guest_wish *ret) {
    struct guest_wish w = {.action = action, .model = options->model, .profile = options->profile};

    if (action != GUEST_EXPOSE && (options->mode || options->model || options->profile))
        return fail(EXIT_USAGE, options->mode ? "--mode" : options->model ? "--model" : "--profile", NULL,
                    "'%s' takes no such option, 'expose' does", guest_action_to_string(action));
    if (options->mode) {
        int mode = cpu_mode_from_string(options->mode);
        if (mode != CPU_CUSTOM && mode != CPU_HOST_MODEL && mode != CPU_HOST_PASSTHROUGH)
            return fail(EXIT_USAGE, options->mode, "--mode is host-passthrough, host-model or custom",
                        "no such CPU mode");
        w.mode = (enum cpu_mode)mode;
    }
    if (action != GUEST_UNDO) {
        int r = guest_extension(options, &w.extension);
        if (r != EXIT_DONE)
            return r;
    }
    *ret = w;
    return EXIT_DONE;
}

static struct json_object *string_or_null(const char *s) {
    return s ? json_object_new_string(s) : NULL;
}

void guest_describe_doc(const struct guest_doc *d, enum extension extension, struct json_object *o) {
    _cleanup_guest_mark_ struct guest_mark mark = {};
    bool marked = guest_mark_read(d, &mark) >= 0;

    json_object_object_add(o, "extension", json_object_new_string(extension_to_string(extension)));
    json_object_object_add(o, "nest", json_object_new_string(nest_to_string(guest_doc_nest(d, extension))));
    json_object_object_add(o, "mode", json_object_new_string(cpu_mode_to_string(d->mode)));
    json_object_object_add(o, "model", string_or_null(d->model));
    json_object_object_add(o, "wish", string_or_null(marked ? guest_action_to_string(mark.wish.action) : NULL));
    json_object_object_add(o, "profile", string_or_null(mark.wish.profile));
}

struct json_object *guest_notes_json(char *const *notes) {
    struct json_object *a = json_object_new_array();
    for (; notes && *notes; notes++)
        json_object_array_add(a, json_object_new_string(*notes));
    return a;
}

static const struct column columns[] = {
    {"NAME", "name", .truncate = true},
    {"STATE", "state"},
    {"CPU", "cpu"},
    {"CAN NEST", "nest"},
    {"LIVE", "live"},
    {"L2 NOW", "l2_active"},
    {"CHOSEN", "wish"},
};

/* The table's cells beside the members of --json. */
static void add_cells(struct json_object *guests) {
    for (size_t i = 0; i < json_object_array_length(guests); i++) {
        struct json_object *g = json_object_array_get_idx(guests, i);
        const char *model = member_string(g, "model");
        json_object_object_add(g, "state", json_object_new_string(member_bool(g, "running") ? "running" : "shut off"));
        json_object_object_add(g, "cpu", json_object_new_string(*model ? model : member_string(g, "mode")));
    }
}

static int list(const struct options *options) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_json_ struct json_object *guests = NULL;
    _cleanup_free_ char *why = NULL;
    enum extension extension;

    int r = guest_extension(options, &extension);
    if (r == EXIT_DONE)
        r = guest_connect(options, geteuid() != 0, &c);
    if (r != EXIT_DONE)
        return r;
    if ((r = guests_to_json(&c, extension, &guests, &why)) < 0)
        return guest_fail(r, "list", why);
    if (options->json) {
        _cleanup_json_ struct json_object *o = json_object_new_object();
        json_object_object_add(o, "schema", json_object_new_int(1));
        json_object_object_add(o, "guests", TAKE_PTR(guests));
        put_json(o);
        return EXIT_DONE;
    }
    add_cells(guests);
    r = put_table(guests, columns, ELEMENTSOF(columns));
    return r < 0 ? fail_errno(r, "list", NULL) : EXIT_DONE;
}

static int show_one(const struct options *options, const struct domain_conn *c, virDomainPtr dom) {
    _cleanup_domain_info_ struct domain_info info = {};
    _cleanup_json_ struct json_object *o = NULL;
    _cleanup_free_ char *why = NULL;
    enum extension extension;

    int r = guest_extension(options, &extension);
    if (r != EXIT_DONE)
        return r;
    if ((r = domain_read(c, dom, extension, &info, &why)) < 0)
        return guest_fail(r, c->lv->virDomainGetName(dom), why);
    o = domain_info_to_json(&info, extension);
    if (options->json) {
        json_object_object_add(o, "schema", json_object_new_int(1));
        put_json(o);
    } else
        guest_put_members(o);
    return EXIT_DONE;
}

void guest_put_members(struct json_object *o) {
    json_object_object_foreach(o, key, value) {
        if (streq(key, "schema") || !value)
            continue;
        printf("%14s: ", key);
        put_safe(json_object_get_string(value));
        putchar('\n');
    }
}

/* What a word of the command line does with one guest. */
static int do_one(const struct options *options, const struct domain_conn *c, const char *what, const char *guest,
                  const struct guest_wish *wish) {
    _cleanup_vir_domain_ virDomainPtr dom = NULL;
    _cleanup_free_ char *why = NULL;

    int r = domain_find(c, guest, &dom, &why);
    if (r == -ENOENT)
        return fail(EXIT_NO_GUEST, guest, NULL, "%s", why);
    if (r < 0)
        return guest_fail(r, guest, why);
    if (streq(what, "show"))
        return show_one(options, c, dom);
    return guest_change(options, c, dom, wish, streq(what, "diff"));
}

static enum guest_action action_of(const char *what) {
    return streq(what, "hide") ? GUEST_HIDE : streq(what, "undo") ? GUEST_UNDO : GUEST_EXPOSE;
}

static int with_libvirt(const struct options *options, const char *what, int n, char *guests[]) {
    _cleanup_domain_conn_ struct domain_conn c = {};
    _cleanup_bus_ sd_bus *bus = NULL;
    struct guest_wish wish = {};
    int code = EXIT_DONE;

    if (n == 0)
        return fail(EXIT_USAGE, what, "name a guest, or a definition with --file", "an argument is missing");
    if (options->root)
        return fail(EXIT_USAGE, "--root", "use it with --file", "guests run on this host only");
    if (options->host && !options->extension)
        return fail(EXIT_USAGE, "--host", "say --extension=vmx or --extension=svm", "the other host's CPU is not known");
    int r = streq(what, "show") ? EXIT_DONE : guest_wish_parse(options, action_of(what), &wish);
    if (r == EXIT_DONE)
        r = guest_try_nestd(options, what, &bus);
    if (r == EXIT_DONE && !bus)
        r = guest_connect(options, streq(what, "show") && geteuid() != 0, &c);
    if (r != EXIT_DONE)
        return r;
    /* Each is tried; the first failure is what the exit code says. */
    for (int i = 0; i < n; i++) {
        r = bus ? guest_change_by_nestd(options, bus, guests[i], &wish) : do_one(options, &c, what, guests[i], &wish);
        if (code == EXIT_DONE)
            code = r;
    }
    return code;
}

int verb_guest(const struct options *options, int argc, char *argv[]) {
    static const char *const words[] = {"list", "show", "expose", "hide", "undo", "diff"};
    size_t i = 0;

    while (i < ELEMENTSOF(words) && !streq(argv[0], words[i]))
        i++;
    if (i == ELEMENTSOF(words))
        return fail(EXIT_USAGE, argv[0], "see 'nestctl guest --help'", "'guest' cannot do that");
    if (options->file && argc > 1)
        return fail(EXIT_USAGE, argv[1], "name a guest or give a file", "--file is instead of a guest");
    if (options->file)
        return guest_file(options, argv[0]);
    if (streq(argv[0], "list"))
        return argc > 1 ? fail(EXIT_USAGE, argv[1], "use 'guest show'", "'guest list' takes no guest") : list(options);
    return with_libvirt(options, argv[0], argc - 1, argv + 1);
}
