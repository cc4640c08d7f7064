/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdarg.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include "log.h"

/* systemd sets JOURNAL_STREAM when it connected our standard error to the journal: then fields get through. */
static bool journal_is_there(void) {
    static int cached = -1;

    if (cached < 0)
        cached = getenv("JOURNAL_STREAM") != NULL;
    return cached;
}

static void log_to_journal(int level, const char *message, const char *field, const char *file, int line,
                           const char *func) {
    char priority[sizeof("PRIORITY=") + 12], code_line[sizeof("CODE_LINE=") + 12];
    _cleanup_free_ char *text = NULL, *code_func = NULL;

    if (asprintf(&text, "MESSAGE=%s", message) < 0 || asprintf(&code_func, "CODE_FUNC=%s", func) < 0)
        return;
    snprintf(priority, sizeof(priority), "PRIORITY=%i", level);
    snprintf(code_line, sizeof(code_line), "CODE_LINE=%i", line);

    const char *fields[] = { text, priority, file, code_line, code_func, "SYSLOG_IDENTIFIER=nestd", field };
    struct iovec iov[ELEMENTSOF(fields)];
    size_t n = 0;

    FOREACH_ARRAY(f, fields, ELEMENTSOF(fields))
        if (*f)
            iov[n++] = (struct iovec){ (void *)*f, strlen(*f) };
    (void)sd_journal_sendv(iov, n);
}

int log_internal(int level, int error, const char *field, const char *file, int line, const char *func,
                 const char *format, ...) {
    _cleanup_free_ char *message = NULL;
    va_list ap;

    error = abs(error);
    va_start(ap, format);
    errno = error; /* for %m */
    if (vasprintf(&message, format, ap) < 0)
        message = NULL;
    va_end(ap);
    if (!message)
        return -error;

    if (journal_is_there())
        log_to_journal(level, message, field, file, line, func);
    else
        fprintf(stderr, "nestd: %s\n", message);
    return -error;
}
