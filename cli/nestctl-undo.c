/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts back exactly what the last change, or ID, changed. */
#include <time.h>
#include "bus-client.h"
#include "change.h"
#include "host.h"
#include "table.h"

static const struct column columns[] = {
    {"ID", "id"},
    {"WHEN", "when"},
    {"VERB", "verb"},
    {"UNDONE", "undone"},
    {"SUMMARY", "summary", .truncate = true},
};

static int list_directly(const struct options *options, struct json_object **ret) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    struct change *changes = NULL;
    size_t n = 0;
    int r;

    r = sysroot_open(options->root, &root);
    if (r >= 0)
        r = undo_list(root, &changes, &n);
    if (r >= 0)
        r = changes_to_json(changes, n, ret);
    changes_free(changes, n);
    return r < 0 ? fail_errno(r, "list of changes", r == -EACCES ? "run it as root" : NULL) : EXIT_DONE;
}

/* The journal is root's to read: others ask nestd, if there is one. */
static int read_changes(const struct options *options, struct json_object **ret) {
    _cleanup_bus_ sd_bus *bus = NULL;
    int r;

    if (!options->host && geteuid() != 0) {
        r = bus_try(options, &bus);
        if (r != EXIT_DONE)
            return r;
    }
    return options->host || bus ? bus_ask(options, "ListChanges", ret) : list_directly(options, ret);
}

/* The table's WHEN, beside the microseconds of --json. */
static void add_when(struct json_object *changes) {
    for (size_t i = 0; i < json_object_array_length(changes); i++) {
        struct json_object *change = json_object_array_get_idx(changes, i);
        struct json_object *usec = member(change, "realtime_usec", json_type_int);
        time_t seconds = usec ? json_object_get_int64(usec) / 1000000 : 0;
        char when[64] = "-";
        struct tm tm;

        if (seconds > 0 && localtime_r(&seconds, &tm))
            strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
        json_object_object_add(change, "when", json_object_new_string(when));
    }
}

static int list(const struct options *options) {
    _cleanup_json_ struct json_object *document = NULL;
    struct json_object *changes;
    int r;

    r = read_changes(options, &document);
    if (r != EXIT_DONE)
        return r;
    if (options->json) {
        put_json(document);
        return EXIT_DONE;
    }
    changes = member(document, "changes", json_type_array);
    if (!changes || json_object_array_length(changes) == 0) {
        say(options, "Nothing was changed here.");
        return EXIT_DONE;
    }
    add_when(changes);
    r = put_table(changes, columns, ELEMENTSOF(columns));
    return r < 0 ? fail_errno(r, "list of changes", NULL) : EXIT_DONE;
}

int verb_undo(const struct options *options, int argc, char *argv[]) {
    struct request request = {.verb = "undo", .method = "Undo", .id = argc > 0 ? argv[0] : NULL};

    if (options->list && argc > 0)
        return fail(EXIT_USAGE, argv[0], "see 'nestctl undo --help'", "--list takes no ID");
    return options->list ? list(options) : change_run(options, &request);
}
