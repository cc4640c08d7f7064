/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nestctl.h"

static void print_options(uint64_t which) {
    for (enum option_id id = 0; id < _OPTION_MAX; id++) {
        const struct option_row *row = &option_table[id];
        char name[40];

        if (!(which & OPTION_BIT(id)))
            continue;
        snprintf(name, sizeof(name), "--%s%s%s", row->name, row->argument ? "=" : "", strempty(row->argument));
        printf("  %c%c %-20s %s\n", row->letter ? '-' : ' ', row->letter ? row->letter : ' ', name, row->help);
    }
}

static void print_verb(const struct verb *verb) {
    printf("nestctl %s%s%s [OPTION...]\n\n%s\n", verb->name, *verb->synopsis ? " " : "", verb->synopsis, verb->help);
    if (verb->more)
        printf("\n%s\n", verb->more);
    if (verb->options) {
        puts("\nOptions:");
        print_options(verb->options);
    }
    puts("\nOptions of every verb:");
    print_options(options_everywhere);
}

void print_help(const struct verb *verb) {
    if (verb) {
        print_verb(verb);
        return;
    }
    puts("nestctl [VERB] [OPTION...]\n\nManages nested virtualization on this host.\n\nVerbs:");
    for (size_t i = 0; i < n_verbs; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s%s%s", verb_table[i].name, *verb_table[i].synopsis ? " " : "",
                 verb_table[i].synopsis);
        printf("  %-31s %s\n", name, verb_table[i].help);
    }
    puts("\nOptions of every verb ('nestctl VERB --help' tells those of one):");
    print_options(options_everywhere);
    puts("\nExit codes: 0 done, 1 failed, 2 usage, 3 this host or guest cannot, 4 blocked for now,\n"
         "5 not authorised, 6 no such guest, 7 verdict negative. See nestctl(1).");
}
