/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wish.h"

/* Both vendors' names: which of them this host has is for the plan to say. */
static const struct feature *find_feature(const char *name) {
    for (size_t i = 0; i < n_features; i++)
        if (streq(features[i].name, name))
            return &features[i];
    return NULL;
}

static int unknown_feature(const char *argument) {
    const char *names[64], *near;
    _cleanup_free_ char *name = strndup(argument, strcspn(argument, "="));
    char remedy[128] = "the table of 'nestctl status' names them";
    size_t n = 0;

    for (size_t i = 0; i < n_features && n < ELEMENTSOF(names); i++)
        names[n++] = features[i].name;
    near = name ? suggest(name, names, n) : NULL;
    if (near)
        snprintf(remedy, sizeof(remedy), "did you mean '%s'? the table of 'nestctl status' names them all", near);
    return fail(EXIT_USAGE, argument, remedy, "no such feature");
}

static int parse_one(const char *argument, struct wish *wish) {
    const char *value = strchrnul(argument, '=');
    enum wanted wanted = WANTED_ON;
    const struct feature *feature;
    char name[32];

    snprintf(name, sizeof(name), "%.*s", (int)(value - argument), argument);
    feature = find_feature(name);
    if (!feature)
        return unknown_feature(argument);
    if (*value && streq(value, "=off"))
        wanted = WANTED_OFF;
    else if (*value && !streq(value, "=on"))
        return fail(EXIT_USAGE, argument, "write FEATURE=on or FEATURE=off", "'%s' is neither on nor off", value + 1);
    if (wish->features[feature->id] != WANTED_KEEP && wish->features[feature->id] != wanted)
        return fail(EXIT_USAGE, argument, "say it once", "both on and off are wanted");
    wish->features[feature->id] = wanted;
    return EXIT_DONE;
}

int wish_parse(const struct options *options, int argc, char *argv[], struct wish *ret) {
    struct wish wish = {
        .runtime_only = options->runtime,
        .persistent = options->persistent,
        .when_idle = options->when_idle,
    };

    if (options->runtime && options->persistent)
        return fail(EXIT_USAGE, "--runtime", "leave one of the two out", "contradicts --persistent");
    for (int i = 0; i < argc; i++) {
        int r = parse_one(argv[i], &wish);

        if (r != EXIT_DONE)
            return r;
    }
    *ret = wish;
    return EXIT_DONE;
}
