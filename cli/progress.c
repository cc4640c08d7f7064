/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

static bool shown;

void progress_show(const struct options *options, double fraction, const char *what) {
    if (options->quiet || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r[%3.0f%%] %.60s\033[K", fraction * 100, strempty(what));
    fflush(stderr);
    shown = true;
}

void progress_clear(void) {
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
