/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-dbus ROUNDS: on the bus of DBUS_SYSTEM_BUS_ADDRESS, reads a property of nestd and one of hostnamed in turns and
 * prints the medians in microseconds: "NESTD HOSTNAMED". */
#include <systemd/sd-bus.h>
#include <time.h>
#include "macros.h"

enum { WARM_UP = 50, ROUNDS_MAX = 100000 };

struct subject {
    const char *name, *path, *interface, *property;
    double *usec;
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double now_usec(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int read_once(sd_bus *bus, const struct subject *s, double *ret) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    double begin = now_usec();
    int r = sd_bus_call_method(bus, s->name, s->path, "org.freedesktop.DBus.Properties", "Get", &error, &reply, "ss",
                               s->interface, s->property);

    *ret = now_usec() - begin;
    if (r < 0)
        fprintf(stderr, "bench-dbus: %s.%s: %s\n", s->interface, s->property, error.message ? error.message : strerror(-r));
    sd_bus_error_free(&error);
    sd_bus_message_unref(reply);
    return r;
}

int main(int argc, char *argv[]) {
    struct subject subjects[] = {
        {"org.nestd1", "/org/nestd1", "org.nestd1.Host", "NestedEnabled"},
        {"org.freedesktop.hostname1", "/org/freedesktop/hostname1", "org.freedesktop.hostname1", "Hostname"},
    };
    int rounds = argc == 2 ? atoi(argv[1]) : 0, r;
    sd_bus *bus = NULL;

    if (rounds < 1 || rounds > ROUNDS_MAX)
        return 2;
    r = sd_bus_open_system(&bus);
    if (r < 0) {
        fprintf(stderr, "bench-dbus: system bus: %s\n", strerror(-r));
        return 1;
    }
    for (size_t i = 0; i < ELEMENTSOF(subjects); i++)
        subjects[i].usec = calloc(rounds, sizeof(double));
    for (int round = -WARM_UP; round < rounds; round++)
        for (size_t i = 0; i < ELEMENTSOF(subjects); i++) {
            double usec;

            if (read_once(bus, &subjects[i], &usec) < 0)
                return 1;
            if (round >= 0)
                subjects[i].usec[round] = usec;
        }
    for (size_t i = 0; i < ELEMENTSOF(subjects); i++) {
        qsort(subjects[i].usec, rounds, sizeof(double), by_value);
        printf("%s%.2f", i > 0 ? " " : "", subjects[i].usec[rounds / 2]);
        free(subjects[i].usec);
    }
    putchar('\n');
    sd_bus_flush_close_unref(bus);
    return 0;
}
