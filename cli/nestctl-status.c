/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host is, can do, does, and why. Everything shown comes from the object that --json prints, which is also
 * what another host's Describe() answers. */
#include "host.h"
#include "nestctl.h"
#include "table.h"

static void put_field(const char *name, const char *format, ...) _printf_(2, 3);
static void put_field(const char *name, const char *format, ...) {
    _cleanup_free_ char *text = NULL;
    va_list ap;

    printf("%*s: ", 11, name);
    va_start(ap, format);
    if (vasprintf(&text, format, ap) >= 0)
        put_safe(text);
    va_end(ap);
    putchar('\n');
}

static void put_host(struct json_object *host) {
    static const struct {
        const char *extension, *name;
    } extensions[] = {{"vmx", "VMX (Intel VT-x)"}, {"svm", "SVM (AMD-V)"}};
    const char *extension = "none";

    for (size_t i = 0; i < ELEMENTSOF(extensions); i++)
        if (streq(member_string(host, "extension"), extensions[i].extension))
            extension = extensions[i].name;
    put_field("Host", "%s", member_string(host, "name"));
    put_field("Kernel", "%s, %s", member_string(host, "kernel"), member_string(host, "arch"));
    put_field("CPU", "%s (%d)", *member_string(host, "model") ? member_string(host, "model") : "unknown",
              member_int(host, "cpus"));
    put_field("Extension", "%s", extension);
    if (member_bool(host, "virtualized"))
        put_field("Runs on", "%s: this host is a guest, L%d or deeper",
                  *member_string(host, "hypervisor") ? member_string(host, "hypervisor") : "a hypervisor",
                  member_int(host, "level"));
    else
        put_field("Runs on", "bare metal (L0)");
}

static void put_nested(struct json_object *nested) {
    static const struct {
        bool enabled, persistent;
        const char *text;
    } states[] = {
        {true, true, "on, now and after the next boot"},
        {true, false, "on now, not after the next boot"},
        {false, true, "off now, on after the next boot"},
        {false, false, "off"},
    };
    const char *module = member_string(nested, "module"), *text = "";
    bool capable = member_bool(nested, "capable"), enabled = member_bool(nested, "enabled");

    for (size_t i = 0; i < ELEMENTSOF(states); i++)
        if (states[i].enabled == enabled && states[i].persistent == member_bool(nested, "persistent"))
            text = states[i].text;
    if (*module)
        put_field("Module", "%s, %s", module, member_string(nested, "module_state"));
    if (!capable && !enabled)
        text = "not possible here";
    printf("%*s: %s%s%s%s\n", 11, "Nested", colour_on(enabled ? COLOUR_GREEN : capable ? COLOUR_YELLOW : COLOUR_RED), text,
           colour_off(), member_bool(nested, "pending") ? "; a change waits until the module is idle" : "");
}

static void put_reasons(struct json_object *reasons) {
    static const struct {
        const char *level;
        enum colour colour;
    } levels[] = {{"error", COLOUR_RED}, {"warning", COLOUR_YELLOW}, {"info", COLOUR_BOLD}};

    for (size_t i = 0; reasons && i < json_object_array_length(reasons); i++) {
        struct json_object *reason = json_object_array_get_idx(reasons, i);
        const char *level = member_string(reason, "level"), *hint = member_string(reason, "hint");
        enum colour colour = COLOUR_NONE;

        for (size_t j = 0; j < ELEMENTSOF(levels); j++)
            if (streq(levels[j].level, level))
                colour = levels[j].colour;
        fputs(i == 0 ? "\n" : "", stdout);
        fputs(colour_on(colour), stdout);
        put_safe(level);
        fputs(colour == COLOUR_NONE ? ": " : colour_off(), stdout);
        fputs(colour == COLOUR_NONE ? "" : ": ", stdout);
        put_safe(member_string(reason, "message"));
        fputs(" [", stdout);
        put_safe(member_string(reason, "code"));
        fputs("]\n", stdout);
        if (*hint) {
            printf("%*s", (int)strlen(level) + 2, "");
            put_safe(hint);
            putchar('\n');
        }
    }
}

static const struct column columns[] = {
    {"FEATURE", "name"},   {"PARAMETER", "parameter"}, {"HARDWARE", "hardware"}, {"CURRENT", "current"},
    {"WANTED", "wanted"},  {"CHANGE BY", "settable"},  {"EFFECT", "effect", .truncate = true},
};

static int put_features(struct json_object *rows) {
    if (!rows || json_object_array_length(rows) == 0)
        return 0;
    putchar('\n');
    return put_table(rows, columns, ELEMENTSOF(columns));
}

static const char *next_step(struct json_object *nested) {
    bool capable = member_bool(nested, "capable"), enabled = member_bool(nested, "enabled");

    if (member_bool(nested, "pending"))
        return "stop what uses the module and nestd makes the change; 'nestctl undo' takes it back.";
    if (!capable)
        return "what is marked 'error' stands in the way.";
    if (!enabled)
        return "'nestctl enable' switches it on, 'nestctl enable --dry-run' says how.";
    if (!member_bool(nested, "persistent"))
        return "'nestctl enable --persistent' keeps it on after the next boot.";
    return "nothing is left to do on the host.";
}

static int put_status(struct json_object *status) {
    struct json_object *nested = member(status, "nested", json_type_object);
    int r;

    put_host(member(status, "host", json_type_object));
    put_nested(nested);
    put_reasons(member(nested, "reasons", json_type_array));
    r = put_features(member(status, "features", json_type_array));
    if (r < 0)
        return r;
    printf("\nNext: %s\n", next_step(nested));
    return 0;
}

int verb_status(const struct options *options, int argc, char *argv[]) {
    _cleanup_json_ struct json_object *status = NULL;
    int r;

    r = host_describe(options, &status);
    if (r != EXIT_DONE)
        return r;
    if (options->json) {
        put_json(status);
        return EXIT_DONE;
    }
    r = put_status(status);
    return r < 0 ? fail_errno(r, "status", NULL) : EXIT_DONE;
}
