/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests by nestd: for users who may not change libvirt's guests but whom polkit lets ask nestd to. */
#include "agent.h"
#include "bus-client.h"
#include "common/bus.h"
#include "guest-libvirt.h"

int guest_try_nestd(const struct options *options, const char *what, sd_bus **ret_bus) {
    const char *uri = getenv("LIBVIRT_DEFAULT_URI");

    *ret_bus = NULL;
    /* nestd knows one libvirt and one CPU, and shows nobody a definition. */
    if (geteuid() == 0 || options->host || options->extension || options->dry_run || (uri && *uri) ||
        streq(what, "show") || streq(what, "diff"))
        return EXIT_DONE;
    return bus_try(options, ret_bus);
}

static int append_options(sd_bus_message *m, const struct guest_wish *wish) {
    const struct {
        const char *key, *value;
    } options[] = {
        {NESTD_KEY_MODE, wish->mode == CPU_KEEP ? NULL : cpu_mode_to_string(wish->mode)},
        {NESTD_KEY_MODEL, wish->model},
        {NESTD_KEY_PROFILE, wish->profile},
    };
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    for (size_t i = 0; i < ELEMENTSOF(options) && r >= 0; i++)
        if (options[i].value)
            r = sd_bus_message_append(m, "{sv}", options[i].key, "s", options[i].value);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

/* polkit may ask for a password: there is no time limit. */
static int call_guest(sd_bus *bus, const char *path, const char *method, const struct guest_wish *wish,
                      sd_bus_error *error, struct json_object **ret) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
    const char *text;
    int r;

    if ((r = sd_bus_message_new_method_call(bus, &call, NESTD_BUS_NAME, path, NESTD_BUS_GUEST, method)) < 0 ||
        (r = sd_bus_message_set_allow_interactive_authorization(call, true)) < 0 ||
        (wish->action != GUEST_UNDO && (r = append_options(call, wish)) < 0) ||
        (r = sd_bus_call(bus, call, UINT64_MAX, error, &reply)) < 0 || (r = sd_bus_message_read(reply, "s", &text)) < 0)
        return r;
    return json_parse(text, ret);
}

int guest_change_by_nestd(const struct options *options, sd_bus *bus, const char *guest, const struct guest_wish *wish) {
    static const char *const methods[] = {[GUEST_EXPOSE] = "Expose", [GUEST_HIDE] = "Hide", [GUEST_UNDO] = "Undo"};
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *found = NULL;
    _cleanup_json_ struct json_object *result = NULL;
    const char *path;
    int r = sd_bus_call_method(bus, NESTD_BUS_NAME, NESTD_BUS_PATH, NESTD_BUS_HOST, "GetGuest", &error, &found, "s", guest);

    if (r >= 0)
        r = sd_bus_message_read(found, "o", &path);
    if (r < 0)
        return bus_fail(options, "GetGuest", &error, r);
    agent_start(options);
    r = call_guest(bus, path, methods[wish->action], wish, &error, &result);
    agent_stop();
    if (r < 0)
        return bus_fail(options, methods[wish->action], &error, r);
    guest_tell_change(options, wish, result);
    return EXIT_DONE;
}
