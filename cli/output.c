/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include "common/text.h"
#include "nestctl.h"

enum { SAFE_MAX = 16384 };

static const struct {
    const char *escape, *name;
} colours[_COLOUR_MAX] = {
    [COLOUR_NONE] = {"", NULL},
    [COLOUR_BOLD] = {"\033[1m", "\033[1m"},
    [COLOUR_GREEN] = {"\033[32m", "green"},
    [COLOUR_YELLOW] = {"\033[33m", "brown"},
    [COLOUR_RED] = {"\033[31m", "red"},
    [COLOUR_GREY] = {"\033[90m", "darkgray"},
};

static bool terminal, coloured;
static pid_t pager;

int fail(enum exit_code code, const char *thing, const char *remedy, const char *reason, ...) {
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "nestctl: %s: ", *thing ? thing : "''");
    va_start(ap, reason);
    vfprintf(stderr, reason, ap);
    va_end(ap);
    if (remedy)
        fprintf(stderr, "; %s", remedy);
    fputc('\n', stderr);
    return code;
}

int fail_errno(int r, const char *thing, const char *remedy) {
    return fail(r == -EPERM || r == -EACCES ? EXIT_NOT_AUTHORISED : EXIT_FAILED, thing, remedy, "%s", strerror(-r));
}

void say(const struct options *options, const char *format, ...) {
    va_list ap;

    if (options->quiet)
        return;
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

/* The pager that the user wants, split at blanks into ARGV (which points into BUFFER). No shell. */
static bool pager_command(char *buffer, size_t size, char **argv, size_t max) {
    const char *wanted = getenv("NESTD_PAGER");
    size_t n = 0;

    if (!wanted)
        wanted = getenv("PAGER");
    if (!wanted)
        wanted = "less";
    if (streq(wanted, "cat") || (size_t)snprintf(buffer, size, "%s", wanted) >= size)
        return false;
    for (char *word = strtok(buffer, " \t"); word && n + 1 < max; word = strtok(NULL, " \t"))
        argv[n++] = word;
    argv[n] = NULL;
    return n > 0;
}

/* Copies standard input: what is shown when there is no such pager. */
static void cat(void) {
    char buffer[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
        if (write(STDOUT_FILENO, buffer, n) != n)
            return;
}

static void start_pager(void) {
    char buffer[256], *argv[16];
    int fd[2];

    if (!pager_command(buffer, sizeof(buffer), argv, ELEMENTSOF(argv)) || pipe(fd) < 0)
        return;
    fflush(stdout);
    pager = fork();
    if (pager == 0) {
        dup2(fd[0], STDIN_FILENO);
        close(fd[0]);
        close(fd[1]);
        setenv("LESS", "FRSXMK", 0);
        setenv("LESSSECURE", "1", 1); /* what is shown must not become a way to run commands under sudo */
        execvp(argv[0], argv);
        cat();
        _exit(EXIT_DONE);
    }
    if (pager > 0) {
        dup2(fd[1], STDOUT_FILENO);
        signal(SIGPIPE, SIG_IGN); /* the user may leave the pager early */
    }
    close(fd[0]);
    close(fd[1]);
}

void output_begin(const struct options *options, bool pages) {
    const char *term = getenv("TERM");

    terminal = isatty(STDOUT_FILENO);
    coloured = terminal && !*strempty(getenv("NO_COLOR")) && !options->json && term && !streq(term, "dumb");
    if (pages && terminal && !options->no_pager && !options->quiet && !options->json)
        start_pager();
}

int output_end(int code) {
    bool failed = fflush(stdout) != 0 || ferror(stdout);

    if (pager > 0) {
        fclose(stdout);
        signal(SIGINT, SIG_IGN); /* belongs to the pager */
        while (waitpid(pager, NULL, 0) < 0 && errno == EINTR)
            ;
        return code;
    }
    if (failed)
        return fail(EXIT_FAILED, "standard output", NULL, "%s", strerror(errno));
    return code;
}

bool output_is_terminal(void) {
    return terminal;
}

const char *colour_on(enum colour c) {
    return coloured ? colours[c].escape : "";
}

const char *colour_off(void) {
    return coloured ? "\033[0m" : "";
}

const char *colour_name(enum colour c) {
    return coloured ? colours[c].name : NULL;
}

void put_safe(const char *s) {
    put_safe_to(stdout, s);
}

void put_safe_to(FILE *out, const char *s) {
    _cleanup_free_ char *clean = text_clean(s, SIZE_MAX, SAFE_MAX);

    fputs(strempty(clean), out);
}

void put_json(struct json_object *o) {
    fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                JSON_C_TO_STRING_NOSLASHESCAPE), stdout);
    putchar('\n');
}
