/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* keep ROOT: nestd's keeper of guests by itself, for the host and the nestd.conf in ROOT and the libvirt of LIBVIRT_DEFAULT_URI.
 * What it tells nestd goes to standard output. */
#include <signal.h>

#include "daemon/guest-keeper.h"

static volatile sig_atomic_t cancelled;

static void on_sigterm(int sig) {
    cancelled = 1;
}

bool worker_cancelled(struct worker *w) {
    return cancelled;
}

void worker_progress(struct worker *w, double fraction, const char *what) {
    puts(what);
    fflush(stdout);
}

void worker_event(struct worker *w, struct json_object *event) {
    printf("event %s\n", json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct order order = {.root_path = argv[1]};
    struct json_object *result = NULL;
    signal(SIGTERM, on_sigterm);
    int r = work_keep_guests(NULL, &order, &result);
    if (r < 0)
        printf("%s\n", strerror(-r));
    json_object_put(result);
    return r < 0;
}
