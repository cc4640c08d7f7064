/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon says: to the journal with fields when systemd runs it, else to standard error. */
#pragma once

#include <syslog.h>
#include "macros.h"

/* ERROR 0 or a (negative) errno: sets errno for %m and is returned negative, so that `return log_error_errno(r, ...)`
 * works. FIELD: one more journal field, "NESTD_JOB=3", or NULL. */
int log_internal(int level, int error, const char *field, const char *file, int line, const char *func,
                 const char *format, ...) _printf_(7, 8);

#define log_full(level, error, field, ...)                                                                   \
    log_internal(level, error, field, "CODE_FILE=" __FILE__, __LINE__, __func__, __VA_ARGS__)
#define log_error_errno(error, ...)   log_full(LOG_ERR, error, NULL, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full(LOG_WARNING, error, NULL, __VA_ARGS__)
#define log_error(...)   log_full(LOG_ERR, 0, NULL, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, 0, NULL, __VA_ARGS__)
#define log_notice(...)  log_full(LOG_NOTICE, 0, NULL, __VA_ARGS__)
#define log_info(...)    log_full(LOG_INFO, 0, NULL, __VA_ARGS__)
#define log_oom()        log_error_errno(-ENOMEM, "Out of memory.")
