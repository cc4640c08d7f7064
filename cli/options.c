/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include "nestctl.h"

enum { LONG_BASE = 256 }; /* getopt's value of an option is LONG_BASE + its id, so that no letter is taken for it */

static void store(struct options *options, enum option_id id, const char *argument) {
    char *field = (char *)options + option_table[id].offset;

    if (option_table[id].argument)
        memcpy(field, &argument, sizeof(argument));
    else
        memcpy(field, &(bool){true}, sizeof(bool));
}

static enum option_id by_letter(int letter) {
    for (enum option_id id = 0; id < _OPTION_MAX; id++)
        if (option_table[id].letter && option_table[id].letter == letter)
            return id;
    return _OPTION_MAX;
}

/* WORD: the last that getopt took. What it says of a letter it says in optopt, which may be one of several in a word
 * that it has not taken yet. */
static int bad_option(const char *word, int c) {
    const char *names[_OPTION_MAX], *near = NULL;
    char letter[] = {'-', (char)optopt, '\0'};
    char name[64], remedy[128] = "'nestctl --help' lists them all";
    int known = optopt >= LONG_BASE ? optopt - LONG_BASE : (int)by_letter(optopt);

    if (optopt > 0 && optopt < LONG_BASE)
        word = letter;
    if (known < _OPTION_MAX && optopt) {
        const struct option_row *row = &option_table[known];

        snprintf(remedy, sizeof(remedy), "write --%s%s%s", row->name, row->argument ? "=" : "", strempty(row->argument));
        return fail(EXIT_USAGE, word, remedy, c == ':' ? "wants an argument" : "takes no argument");
    }
    if (word[0] == '-' && word[1] == '-') {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
        for (enum option_id id = 0; id < _OPTION_MAX; id++)
            names[id] = option_table[id].name;
        near = suggest(name, names, _OPTION_MAX);
    }
    if (near)
        snprintf(remedy, sizeof(remedy), "did you mean --%s? 'nestctl --help' lists them all", near);
    return fail(EXIT_USAGE, word, remedy, "no such option");
}

/* "+h..." would stop at the verb; without it options may stand before, between and behind. */
static void getopt_tables(char *letters, struct option *longs) {
    *letters++ = ':';
    for (enum option_id id = 0; id < _OPTION_MAX; id++) {
        const struct option_row *row = &option_table[id];

        longs[id] = (struct option){row->name, row->argument ? required_argument : no_argument, NULL, LONG_BASE + id};
        if (row->letter)
            *letters++ = row->letter;
        if (row->letter && row->argument)
            *letters++ = ':';
    }
    *letters = '\0';
    longs[_OPTION_MAX] = (struct option){};
}

static int find_verb(const char *name, const struct verb **ret) {
    const char *names[64], *near;
    char remedy[128] = "'nestctl --help' lists them all";

    *ret = verb_by_name(name);
    if (*ret)
        return EXIT_DONE;
    for (size_t i = 0; i < n_verbs && i < ELEMENTSOF(names); i++)
        names[i] = verb_table[i].name;
    near = suggest(name, names, n_verbs < ELEMENTSOF(names) ? n_verbs : ELEMENTSOF(names));
    if (near)
        snprintf(remedy, sizeof(remedy), "did you mean '%s'? 'nestctl --help' lists them all", near);
    return fail(EXIT_USAGE, name, remedy, "no such verb");
}

static int check_usage(const struct verb *verb, uint64_t used, int argc, char **argv) {
    char thing[64], remedy[96];
    uint64_t wrong = used & ~(verb->options | options_everywhere);

    snprintf(remedy, sizeof(remedy), "see 'nestctl %s --help'", verb->name);
    for (enum option_id id = 0; id < _OPTION_MAX; id++)
        if (wrong & OPTION_BIT(id)) {
            snprintf(thing, sizeof(thing), "--%s", option_table[id].name);
            return fail(EXIT_USAGE, thing, remedy, "not an option of '%s'", verb->name);
        }
    if (argc < verb->min_args)
        return fail(EXIT_USAGE, verb->name, remedy, "an argument is missing");
    if (verb->max_args >= 0 && argc > verb->max_args)
        return fail(EXIT_USAGE, argv[verb->max_args], remedy, "one argument too many for '%s'", verb->name);
    return EXIT_DONE;
}

int parse_command_line(int argc, char *argv[], struct options *ret_options, const struct verb **ret_verb,
                       int *ret_argc, char ***ret_argv) {
    struct option longs[_OPTION_MAX + 1];
    char letters[2 * _OPTION_MAX + 2];
    struct options options = {};
    const struct verb *verb = &verb_table[0];
    uint64_t used = 0;
    int c, r;

    getopt_tables(letters, longs);
    opterr = 0;
    for (;;) {
        enum option_id id;

        c = getopt_long(argc, argv, letters, longs, NULL);
        if (c < 0)
            break;
        if (c == '?' || c == ':')
            return bad_option(argv[optind - 1], c);
        id = c >= LONG_BASE ? (enum option_id)(c - LONG_BASE) : by_letter(c);
        store(&options, id, optarg);
        used |= OPTION_BIT(id);
    }
    if (optind < argc) {
        r = find_verb(argv[optind++], &verb);
        if (r != EXIT_DONE)
            return r;
    } else if (options.help) {
        verb = NULL;
    }
    /* Who asks for help gets help. */
    if (!options.help && !options.version) {
        r = check_usage(verb, used, argc - optind, argv + optind);
        if (r != EXIT_DONE)
            return r;
    }
    *ret_options = options;
    *ret_verb = verb;
    *ret_argc = argc - optind;
    *ret_argv = argv + optind;
    return EXIT_DONE;
}
