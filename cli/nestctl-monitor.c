/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows changes: what the kernel and the configuration do, seen with one's own eyes (nestd sleeps when it has nothing
 * to do), and what nestd says of its jobs and guests. Of another host, only what its nestd says. */
#include <linux/netlink.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include "bus-client.h"
#include "diff.h"
#include "host.h"

enum { SETTLE_USEC = 200000 }; /* a reload is several events */

static const char *const directories[] = {"/etc/modprobe.d", "/run/modprobe.d", NESTD_SYSCONFDIR,
                                          NESTD_SYSCONFDIR "/nestd.conf.d", NESTD_STATEDIR};

struct monitor {
    const struct options *options;
    sd_event *event;
    sd_event_source *settle;
    sd_event_source *files[ELEMENTSOF(directories)]; /* systemd 252 never frees a floating inotify source */
    sd_bus *bus; /* NULL: none */
    int uevents;
    struct json_object *status;
};

static void monitor_done(struct monitor *m) {
    if (m->bus)
        (void)sd_bus_detach_event(m->bus); /* each holds the other */
    sd_event_source_unref(m->settle);
    for (size_t i = 0; i < ELEMENTSOF(m->files); i++)
        sd_event_source_unref(m->files[i]);
    sd_event_unref(m->event);
    sd_bus_flush_close_unref(m->bus);
    closep(&m->uevents);
    json_object_put(m->status);
}

/* Of a reason, what it says. */
static const char *text_of(struct json_object *value) {
    const char *message = member_string(value, "message");

    return *message ? message : json_object_get_string(value);
}

/* One line, or with --json one object on a line. VALUES may be NULL: JSON's null. */
static void put_change(const struct monitor *m, const char *what, struct json_object *before, struct json_object *after) {
    _cleanup_json_ struct json_object *line = NULL;
    struct timespec now;
    struct tm tm;
    char when[32] = "";

    clock_gettime(CLOCK_REALTIME, &now);
    if (m->options->json) {
        line = json_object_new_object();
        json_object_object_add(line, "realtime_usec", json_object_new_int64(now.tv_sec * 1000000LL + now.tv_nsec / 1000));
        json_object_object_add(line, "what", json_object_new_string(what));
        json_object_object_add(line, "before", json_object_get(before));
        json_object_object_add(line, "after", json_object_get(after));
        puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    } else {
        if (localtime_r(&now.tv_sec, &tm))
            strftime(when, sizeof(when), "%H:%M:%S ", &tm);
        fputs(when, stdout);
        put_safe(what);
        fputs(": ", stdout);
        if (before) {
            put_safe(text_of(before));
            fputs(" -> ", stdout);
        }
        put_safe(after ? text_of(after) : "gone");
        putchar('\n');
    }
    fflush(stdout);
    if (ferror(stdout))
        (void)sd_event_exit(m->event, EXIT_FAILED);
}

static void on_difference(const char *path, struct json_object *before, struct json_object *after, void *userdata) {
    put_change(userdata, path, before, after);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
    struct monitor *m = userdata;
    struct json_object *status;
    int r = host_describe(m->options, &status);

    if (r != EXIT_DONE)
        return sd_event_exit(m->event, r);
    json_diff(m->status, status, on_difference, m);
    json_object_put(m->status);
    m->status = status;
    return 0;
}

/* Something happened: look when it has come to rest. */
static void look_soon(struct monitor *m) {
    (void)sd_event_source_set_time_relative(m->settle, SETTLE_USEC);
    (void)sd_event_source_set_enabled(m->settle, SD_EVENT_ONESHOT);
}

/* A variant's value as JSON; NULL for what is not a plain value. */
static struct json_object *read_value(sd_bus_message *message) {
    const char *contents;
    char type;
    union {
        int b;
        int32_t i;
        uint32_t u;
        double d;
        const char *s;
    } value;

    if (sd_bus_message_peek_type(message, &type, &contents) <= 0 || type != 'v')
        return NULL;
    if (strlen(contents) != 1 || !strchr("biudso", contents[0])) {
        (void)sd_bus_message_skip(message, "v");
        return NULL;
    }
    if (sd_bus_message_read(message, "v", contents, &value) < 0)
        return NULL;
    switch (contents[0]) {
    case 'b':
        return json_object_new_boolean(value.b);
    case 'i':
        return json_object_new_int(value.i);
    case 'u':
        return json_object_new_int64(value.u);
    case 'd':
        return json_object_new_double(value.d);
    default:
        return json_object_new_string(value.s);
    }
}

/* PropertiesChanged of a job or a guest: a line for each; of the host: time to look. */
static int on_properties(sd_bus_message *message, void *userdata, sd_bus_error *error) {
    struct monitor *m = userdata;
    const char *interface, *name;

    look_soon(m);
    if (sd_bus_message_read(message, "s", &interface) < 0 || streq(interface, NESTD_BUS_HOST) ||
        sd_bus_message_enter_container(message, 'a', "{sv}") < 0)
        return 0;
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        _cleanup_json_ struct json_object *value = NULL;
        char what[512];

        if (sd_bus_message_read(message, "s", &name) < 0)
            return 0;
        snprintf(what, sizeof(what), "%s %s", strempty(startswith(sd_bus_message_get_path(message), NESTD_BUS_PATH "/")),
                 name);
        value = read_value(message);
        if (value)
            put_change(m, what, NULL, value);
        if (sd_bus_message_exit_container(message) < 0)
            return 0;
    }
    return 0;
}

static int on_uevent(sd_event_source *source, int fd, uint32_t events, void *userdata) {
    char buffer[4096];
    ssize_t n = recv(fd, buffer, sizeof(buffer) - 1, MSG_DONTWAIT);

    if (n < 0) /* -ENOBUFS: some were lost */
        look_soon(userdata);
    if (n <= 0)
        return 0;
    buffer[n] = '\0'; /* "add@/module/kvm_amd" */
    if (strstr(buffer, "@/module/") || strstr(buffer, "misc/kvm"))
        look_soon(userdata);
    return 0;
}

static int on_file(sd_event_source *source, const struct inotify_event *event, void *userdata) {
    look_soon(userdata);
    return 0;
}

static int watch_machine(struct monitor *m) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int r;

    m->uevents = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
    if (m->uevents < 0 || bind(m->uevents, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    r = sd_event_add_io(m->event, NULL, m->uevents, EPOLLIN, on_uevent, m);
    for (size_t i = 0; i < ELEMENTSOF(directories) && r >= 0; i++) {
        r = sd_event_add_inotify(m->event, &m->files[i], directories[i],
                                 IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR, on_file, m);
        if (r == -ENOENT || r == -EACCES)
            r = 0;
    }
    return r;
}

static int watch_nestd(struct monitor *m) {
    int r = sd_bus_add_match(m->bus, NULL,
                             "type='signal',sender='" NESTD_BUS_NAME "',interface='org.freedesktop.DBus.Properties',"
                             "member='PropertiesChanged',path_namespace='" NESTD_BUS_PATH "'",
                             on_properties, m);

    (void)sd_bus_set_exit_on_disconnect(m->bus, m->options->host != NULL);
    return r < 0 ? r : sd_bus_attach_event(m->bus, m->event, 0);
}

static int add_signal(struct monitor *m, int number) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sd_event_add_signal(m->event, NULL, number, NULL, NULL); /* ends the loop with 0 */
}

static int set_up(struct monitor *m) {
    int r = sd_event_new(&m->event);

    if (r >= 0)
        r = add_signal(m, SIGINT);
    if (r >= 0)
        r = add_signal(m, SIGTERM);
    if (r >= 0)
        r = sd_event_add_time(m->event, &m->settle, CLOCK_MONOTONIC, UINT64_MAX, 0, on_settled, m);
    if (r >= 0 && !m->options->host)
        r = watch_machine(m);
    if (r >= 0 && m->bus)
        r = watch_nestd(m);
    return r;
}

int verb_monitor(const struct options *options, int argc, char *argv[]) {
    _cleanup_(monitor_done) struct monitor m = {.options = options, .uevents = -EBADF};
    int r;

    if (options->host) {
        r = bus_open(options, &m.bus);
        if (r != EXIT_DONE)
            return r;
    } else if (!options->direct) {
        (void)sd_bus_open_system(&m.bus); /* without a bus there is no nestd to listen to */
    }
    r = set_up(&m);
    if (r < 0)
        return fail_errno(r, "monitor", NULL);
    r = host_describe(options, &m.status);
    if (r != EXIT_DONE)
        return r;
    say(options, "Following changes; Ctrl-C ends.");
    r = sd_event_loop(m.event);
    return r < 0 ? fail_errno(r, "monitor", NULL) : r;
}
