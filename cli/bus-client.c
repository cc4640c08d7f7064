/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-client.h"
#include "common/text.h"

/* Exit codes of errors; the first row whose name is a prefix. */
static const struct {
    const char *name;
    enum exit_code code;
} bus_errors[] = {
    {NESTD_ERROR_NOT_SUPPORTED, EXIT_CANNOT},
    {NESTD_ERROR_BLOCKED, EXIT_BLOCKED},
    {NESTD_ERROR_NO_SUCH_GUEST, EXIT_NO_GUEST},
    {NESTD_ERROR_INVALID, EXIT_USAGE},
    {NESTD_ERROR_FAILED, EXIT_FAILED},
    {SD_BUS_ERROR_ACCESS_DENIED, EXIT_NOT_AUTHORISED},
    {SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EXIT_NOT_AUTHORISED},
};

int bus_fail(const struct options *options, const char *method, const sd_bus_error *error, int r) {
    const char *remedy = options->host ? "does 'ssh HOST busctl status " NESTD_BUS_NAME "' work?"
                                       : "'systemctl status nestd' tells more; --direct does it without nestd";
    _cleanup_free_ char *message = NULL;
    char thing[300];

    snprintf(thing, sizeof(thing), "%s%s%s", method, options->host ? " on " : "", strempty(options->host));
    if (!sd_bus_error_is_set(error))
        return fail(EXIT_FAILED, thing, remedy, "%s", strerror(-r));
    message = text_clean(error->message ? error->message : error->name, SIZE_MAX, TEXT_MAX);
    for (size_t i = 0; i < ELEMENTSOF(bus_errors); i++)
        if (streq(error->name, bus_errors[i].name)) {
            if (startswith(error->name, NESTD_BUS_NAME)) /* a whole sentence already */
                fprintf(stderr, "nestctl: %s\n", strempty(message));
            else
                fail(EXIT_NOT_AUTHORISED, thing, "ask an administrator, or run it as root", "%s", strempty(message));
            return bus_errors[i].code;
        }
    return fail(EXIT_FAILED, thing, remedy, "%s", strempty(message));
}

int bus_open(const struct options *options, sd_bus **ret) {
    _cleanup_bus_ sd_bus *bus = NULL;
    char thing[300];
    int r;

    if (options->host) {
        if (!*options->host || *options->host == '-')
            return fail(EXIT_USAGE, "--host", "write --host=USER@HOST", "not a host name: '%s'", options->host);
        r = sd_bus_open_system_remote(&bus, options->host);
        snprintf(thing, sizeof(thing), "%s", options->host);
        if (r < 0)
            return fail(EXIT_FAILED, thing, "try 'ssh HOST systemd-stdio-bridge'", "%s", strerror(-r));
    } else {
        r = sd_bus_open_system(&bus);
        if (r < 0)
            return fail(EXIT_FAILED, "system bus", "--direct does it without nestd", "%s", strerror(-r));
    }
    (void)sd_bus_set_allow_interactive_authorization(bus, true);
    *ret = TAKE_PTR(bus);
    return EXIT_DONE;
}

/* Is nestd on the bus, or startable? */
static bool have_nestd(sd_bus *bus) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

    return sd_bus_call_method(bus, NESTD_BUS_NAME, NESTD_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", &error, NULL,
                              NULL) >= 0;
}

int bus_try(const struct options *options, sd_bus **ret) {
    _cleanup_bus_ sd_bus *bus = NULL;

    *ret = NULL;
    if (options->host)
        return bus_open(options, ret);
    if (options->direct || options->root || sd_bus_open_system(&bus) < 0)
        return EXIT_DONE;
    (void)sd_bus_set_allow_interactive_authorization(bus, true);
    if (have_nestd(bus))
        *ret = TAKE_PTR(bus);
    return EXIT_DONE;
}

int bus_ask(const struct options *options, const char *method, struct json_object **ret) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_bus_ sd_bus *bus = NULL;
    const char *text;
    int r;

    r = bus_open(options, &bus);
    if (r != EXIT_DONE)
        return r;
    r = sd_bus_call_method(bus, NESTD_BUS_NAME, NESTD_BUS_PATH, NESTD_BUS_HOST, method, &error, &reply, NULL);
    if (r < 0)
        return bus_fail(options, method, &error, r);
    r = sd_bus_message_read(reply, "s", &text);
    if (r >= 0)
        r = json_parse(text, ret);
    return r < 0 ? fail(EXIT_FAILED, "nestd", "are nestctl and nestd of one version?", "%s does not answer JSON", method)
                 : EXIT_DONE;
}
