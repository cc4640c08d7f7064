/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestctl guest VERB --file: one definition, without libvirt and without a bus. */
#include <fcntl.h>
#include <sys/stat.h>

#include "guest.h"
#include "line-diff.h"

/* The whole of PATH ("-": standard input), at most GUEST_TEXT_MAX + 1 bytes: the rewriter tells what is too large. */
static int read_document(const char *path, char **ret, size_t *ret_len) {
    _cleanup_close_ int opened = -1;
    int fd = STDIN_FILENO;
    if (!streq(path, "-"))
        fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    size_t room = 64 * 1024, len = 0;
    _cleanup_free_ char *text = malloc(room);
    while (text) {
        ssize_t n = read(fd, text + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        len += (size_t)n;
        if (n == 0 || len > GUEST_TEXT_MAX) {
            *ret = TAKE_PTR(text);
            *ret_len = len;
            return 0;
        }
        if (len == room) {
            char *more = realloc(text, room *= 2);
            if (!more)
                return -ENOMEM;
            text = more;
        }
    }
    return -ENOMEM;
}

static int show(const struct options *options, const char *text, size_t len) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    _cleanup_json_ struct json_object *o = json_object_new_object();
    _cleanup_free_ char *why = NULL;
    enum extension extension;

    int r = guest_extension(options, &extension);
    if (r != EXIT_DONE)
        return r;
    if ((r = guest_doc_open(text, len, &d, &why)) < 0)
        return guest_fail(r, options->file, why);
    json_object_object_add(o, "schema", json_object_new_int(1));
    json_object_object_add(o, "name", d.name ? json_object_new_string(d.name) : NULL);
    json_object_object_add(o, "uuid", d.uuid ? json_object_new_string(d.uuid) : NULL);
    guest_describe_doc(&d, extension, o);
    if (options->json)
        put_json(o);
    else
        guest_put_members(o);
    return EXIT_DONE;
}

static int put_diff(const char *before, size_t before_len, const struct guest_result *result) {
    _cleanup_free_ char *diff = NULL;
    int r = line_diff(before, before_len, result->text, result->len, &diff);
    if (r < 0)
        return fail_errno(r, "diff", NULL);
    fputs(diff, stdout);
    return EXIT_DONE;
}

static int put_result_json(const struct guest_result *result, const char *before, size_t before_len) {
    _cleanup_json_ struct json_object *o = json_object_new_object();
    _cleanup_free_ char *diff = NULL;
    int r = line_diff(before, before_len, result->text, result->len, &diff);
    if (r < 0)
        return fail_errno(r, "diff", NULL);
    json_object_object_add(o, "schema", json_object_new_int(1));
    json_object_object_add(o, "changed", json_object_new_boolean(result->changed));
    json_object_object_add(o, "notes", guest_notes_json(result->notes));
    json_object_object_add(o, "diff", json_object_new_string(diff));
    json_object_object_add(o, "document", json_object_new_string_len(result->text, (int)result->len));
    put_json(o);
    return EXIT_DONE;
}

int guest_file(const struct options *options, const char *what) {
    _cleanup_guest_result_ struct guest_result result = {};
    _cleanup_free_ char *text = NULL, *why = NULL;
    bool diff = streq(what, "diff");
    struct guest_wish wish;
    size_t len = 0;

    if (streq(what, "list"))
        return fail(EXIT_USAGE, "--file", "use 'guest show --file'", "a file has one guest: there is nothing to list");
    int r = read_document(options->file, &text, &len);
    if (r < 0)
        return fail_errno(r, options->file, NULL);
    if (streq(what, "show"))
        return show(options, text, len);

    r = guest_wish_parse(options, streq(what, "hide") ? GUEST_HIDE : streq(what, "undo") ? GUEST_UNDO : GUEST_EXPOSE, &wish);
    if (r != EXIT_DONE)
        return r;
    if ((r = guest_rewrite(text, len, &wish, &result, &why)) < 0)
        return guest_fail(r, options->file, why);
    if (options->json)
        return put_result_json(&result, text, len);
    for (char **note = result.notes; note && *note; note++)
        say(options, "%s", *note);
    if (diff || options->dry_run)
        return put_diff(text, len, &result);
    fwrite(result.text, 1, result.len, stdout);
    return EXIT_DONE;
}
