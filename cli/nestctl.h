/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestctl's frame: one table of verbs, one of options, and what every verb needs to speak to the user.
 * A verb is cli/nestctl-VERB.c, a row in verbs.c, a section in nestctl(1); tests compare the three. */
#pragma once

#include <json-c/json.h>
#include <stdarg.h>
#include "bus.h"

enum exit_code { /* INTERFACES */
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CANNOT = 3,
    EXIT_BLOCKED = 4,
    EXIT_NOT_AUTHORISED = 5,
    EXIT_NO_GUEST = 6,
    EXIT_NEGATIVE = 7,
};

/* What the options of the command line say; filled in by the option table. */
struct options {
    bool json, no_pager, quiet, direct, help, version;
    bool dry_run, yes, when_idle, runtime, persistent, list;
    const char *host, *root;
    const char *file, *extension, *mode, *model, *profile; /* guest */
    bool now, guests;
};

enum option_id { /* order of --help */
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_NO_PAGER,
    OPTION_HOST,
    OPTION_DIRECT,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_ROOT,
    OPTION_DRY_RUN,
    OPTION_YES,
    OPTION_WHEN_IDLE,
    OPTION_RUNTIME,
    OPTION_PERSISTENT,
    OPTION_LIST,
    OPTION_FILE,
    OPTION_EXTENSION,
    OPTION_MODE,
    OPTION_MODEL,
    OPTION_PROFILE,
    OPTION_NOW,
    OPTION_GUESTS,
    _OPTION_MAX,
};
#define OPTION_BIT(id) (UINT64_C(1) << (id))

struct option_row {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* how help calls it; NULL: takes none */
    size_t offset;        /* in struct options, of a bool, or of a const char * when it takes an argument */
    const char *help;
};
extern const struct option_row option_table[_OPTION_MAX];
extern const uint64_t options_everywhere; /* every verb takes these */

struct verb {
    const char *name;
    const char *synopsis; /* the arguments, "[FEATURE=on|off ...]" */
    const char *help;     /* one line */
    const char *more;     /* what `VERB --help` adds; NULL: nothing */
    uint64_t options;     /* OPTION_BIT()s beyond options_everywhere */
    int min_args, max_args; /* max_args -1: any number */
    /* The arguments after the verb. Returns an exit code. */
    int (*run)(const struct options *options, int argc, char *argv[]);
    bool pages; /* its tables may be longer than a screen */
};
extern const struct verb verb_table[];
extern const size_t n_verbs;

const struct verb *verb_by_name(const char *name);

/* options.c: the verb (the first row when none is named), its arguments and options. Returns an exit code; when that
 * is not EXIT_DONE the error was told. */
int parse_command_line(int argc, char *argv[], struct options *ret_options, const struct verb **ret_verb,
                       int *ret_argc, char ***ret_argv);

/* help.c */
void print_help(const struct verb *verb); /* NULL: all */

/* suggest.c: the candidate that a typing error away from WORD, or NULL. */
const char *suggest(const char *word, const char *const *candidates, size_t n);

/* Messages, all to stderr: "nestctl: THING: REASON; REMEDY". REMEDY may be NULL. They return CODE. */
int fail(enum exit_code code, const char *thing, const char *remedy, const char *reason, ...) _printf_(4, 5);
/* R is a negative errno: the reason is its text, the code 5 for EPERM and EACCES, otherwise 1. */
int fail_errno(int r, const char *thing, const char *remedy);
/* Progress and notes for people, to stderr; nothing with --quiet. */
void say(const struct options *options, const char *format, ...) _printf_(2, 3);

/* output.c */
enum colour { COLOUR_NONE, COLOUR_BOLD, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED, COLOUR_GREY, _COLOUR_MAX };
/* Decides once whether stdout takes colour, then starts the pager if PAGES, stdout is a terminal and OPTIONS let it. */
void output_begin(const struct options *options, bool pages);
/* Flushes, waits for the pager; EXIT_FAILED when stdout could not be written, otherwise CODE. */
int output_end(int code);
bool output_is_terminal(void);
const char *colour_on(enum colour c); /* "" without colour */
const char *colour_off(void);
const char *colour_name(enum colour c); /* libsmartcols' name of it, NULL without colour */
/* To stdout without what could steer a terminal. */
void put_safe(const char *s);
void put_safe_to(FILE *out, const char *s);
/* Prints an object for --json: indented, one newline at its end. */
void put_json(struct json_object *o);

/* json.c: reading JSON that may come from another machine: a missing or wrong member is "" or false or 0. */
const char *member_string(struct json_object *o, const char *key); /* owned by O; "" also for null */
bool member_bool(struct json_object *o, const char *key);
int member_int(struct json_object *o, const char *key);
struct json_object *member(struct json_object *o, const char *key, enum json_type type); /* borrowed or NULL */
int json_parse(const char *text, struct json_object **ret); /* -EBADMSG */

static inline void json_putp(struct json_object **o) {
    if (*o)
        json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* The verbs */
int verb_status(const struct options *options, int argc, char *argv[]);
int verb_check(const struct options *options, int argc, char *argv[]);
int verb_enable(const struct options *options, int argc, char *argv[]);
int verb_disable(const struct options *options, int argc, char *argv[]);
int verb_undo(const struct options *options, int argc, char *argv[]);
int verb_collect(const struct options *options, int argc, char *argv[]);
int verb_monitor(const struct options *options, int argc, char *argv[]);
int verb_audit(const struct options *options, int argc, char *argv[]);
int verb_guest(const struct options *options, int argc, char *argv[]);
