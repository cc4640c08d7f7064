/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestctl guest: vmx or svm for chosen guests. */
#include "facts.h"
#include "guest-mark.h"
#include "guest.h"

int guest_fail(int error, const char *thing, const char *why) {
    static const struct {
        int error;
        enum exit_code code;
    } codes[] = {
        {-EINVAL, EXIT_USAGE},
        {-EOPNOTSUPP, EXIT_CANNOT},
        {-EPERM, EXIT_NOT_AUTHORISED},
        {-EACCES, EXIT_NOT_AUTHORISED},
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

int verb_guest(const struct options *options, int argc, char *argv[]) {
    static const char *const words[] = {"list", "show", "expose", "hide", "undo", "diff"};
    size_t i = 0;

    while (i < ELEMENTSOF(words) && !streq(argv[0], words[i]))
        i++;
    if (i == ELEMENTSOF(words))
        return fail(EXIT_USAGE, argv[0], "see 'nestctl guest --help'", "'guest' cannot do that");
    if (options->file) {
        if (argc > 1)
            return fail(EXIT_USAGE, argv[1], "name a guest or give a file", "--file is instead of a guest");
        return guest_file(options, argv[0]);
    }
    return fail(EXIT_FAILED, argv[0], "use --file", "not done");
}
