/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pass, warn or fail with a hint each; the exit code says the verdict. */
#include "host.h"
#include "nestctl.h"
#include "table.h"

static const char *result_colour(const char *result) {
    static const struct {
        const char *result;
        enum colour colour;
    } results[] = {
        {"pass", COLOUR_GREEN},
        {"warn", COLOUR_YELLOW},
        {"fail", COLOUR_RED},
        {"skip", COLOUR_GREY},
    };

    for (size_t i = 0; i < ELEMENTSOF(results); i++)
        if (streq(results[i].result, result))
            return colour_name(results[i].colour);
    return NULL;
}

static const struct column columns[] = {
    {"RESULT", "result", .colour = result_colour},
    {"CHECK", "code"},
    {"WHAT", "title"},
    {"FOUND", "detail"},
};

static unsigned count(struct json_object *checks, const char *result) {
    unsigned n = 0;

    for (size_t i = 0; i < json_object_array_length(checks); i++)
        n += streq(member_string(json_object_array_get_idx(checks, i), "result"), result);
    return n;
}

static void put_hints(struct json_object *checks) {
    bool first = true;

    for (size_t i = 0; i < json_object_array_length(checks); i++) {
        struct json_object *check = json_object_array_get_idx(checks, i);
        const char *hint = member_string(check, "hint");

        if (!*hint)
            continue;
        fputs(first ? "\n" : "", stdout);
        first = false;
        put_safe(member_string(check, "code"));
        fputs(": ", stdout);
        put_safe(hint);
        putchar('\n');
    }
}

int verb_check(const struct options *options, int argc, char *argv[]) {
    _cleanup_json_ struct json_object *document = NULL;
    struct json_object *checks;
    unsigned n_fail;
    int r;

    r = host_check(options, &document);
    if (r != EXIT_DONE)
        return r;
    checks = member(document, "checks", json_type_array);
    if (!checks)
        return fail(EXIT_FAILED, "check", "is nestd there as old as nestctl here?", "the answer has no checks");
    n_fail = count(checks, "fail");
    if (options->json) {
        put_json(document);
    } else if (!options->quiet) {
        r = put_table(checks, columns, ELEMENTSOF(columns));
        if (r < 0)
            return fail_errno(r, "check", NULL);
        put_hints(checks);
        printf("\n%u passed, %u warned, %u failed, %u skipped.\n", count(checks, "pass"), count(checks, "warn"), n_fail,
               count(checks, "skip"));
    }
    return n_fail > 0 ? EXIT_NEGATIVE : EXIT_DONE;
}
