/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include "nestctl.h"

int main(int argc, char *argv[]) {
    struct options options;
    const struct verb *verb;
    char **arguments;
    int n_arguments, r;

    setlocale(LC_CTYPE, ""); /* how wide a character is; everything else stays as it is in C */
    r = parse_command_line(argc, argv, &options, &verb, &n_arguments, &arguments);
    if (r != EXIT_DONE)
        return r;
    output_begin(&options, options.help || (verb && verb->pages));
    if (options.help)
        print_help(verb);
    else if (options.version)
        puts("nestctl " NESTD_VERSION);
    else
        r = verb->run(&options, n_arguments, arguments);
    return output_end(r);
}
