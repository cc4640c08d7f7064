/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/macros.h"
#include "log.h"
#include "polkit.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
enum { CHECK_NONE = 0, CHECK_ALLOW_USER_INTERACTION = 1 };

/* A person types a password: as long as the agent's dialogue stays. polkit itself ends it when the caller goes. */
#define INTERACTIVE_TIMEOUT_USEC (5 * 60 * UINT64_C(1000000))

struct question {
    struct question *next;
    sd_bus_slot *slot;
    authorized_t done;
    void *userdata;
    char *action;
    bool interactive;
};

static struct question *questions; /* that polkit has not answered */

static void question_free(struct question *q) {
    for (struct question **p = &questions; *p; p = &(*p)->next)
        if (*p == q) {
            *p = q->next;
            break;
        }
    sd_bus_slot_unref(q->slot);
    free(q->action);
    free(q);
}

static void deny(const struct question *q, const char *name, const char *why) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

    sd_bus_error_setf(&error, name, "%s: not authorised; %s", q->action, why);
    q->done(&error, q->userdata);
}

void authorize_end(void) {
    while (questions) {
        deny(questions, SD_BUS_ERROR_ACCESS_DENIED, "nestd is stopping");
        question_free(questions);
    }
}

/* Not installed, not running and nobody to start it, masked. */
static bool is_not_there(const sd_bus_error *e) {
    static const char *const names[] = {
        SD_BUS_ERROR_SERVICE_UNKNOWN,
        SD_BUS_ERROR_NAME_HAS_NO_OWNER,
        "org.freedesktop.systemd1.NoSuchUnit",
        "org.freedesktop.systemd1.UnitMasked",
    };

    FOREACH_ARRAY(n, names, ELEMENTSOF(names))
        if (sd_bus_error_has_name(e, *n))
            return true;
    return false;
}

static void take_answer(const struct question *q, sd_bus_message *reply) {
    const sd_bus_error *e = sd_bus_message_get_error(reply);
    int authorized, challenge, r;

    if (e && is_not_there(e)) {
        deny(q, SD_BUS_ERROR_ACCESS_DENIED, "polkit is not there to ask, so only root may");
        return;
    }
    if (e) {
        log_warning("polkit cannot say whether %s is allowed: %s", q->action, strempty(e->message));
        deny(q, SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer (see the journal)");
        return;
    }
    r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
    if (r >= 0)
        r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
    if (r < 0) {
        log_warning_errno(r, "polkit's answer cannot be read: %m");
        deny(q, SD_BUS_ERROR_ACCESS_DENIED, "polkit's answer cannot be read");
    } else if (authorized)
        q->done(NULL, q->userdata);
    else if (challenge && !q->interactive)
        deny(q, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
             "it takes a password, and the call did not allow to ask for one");
    else
        deny(q, SD_BUS_ERROR_ACCESS_DENIED, "polkit refuses it");
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
    take_answer(userdata, reply);
    question_free(userdata);
    return 0;
}

static int append_details(sd_bus_message *call, const char *const *details) {
    int r = sd_bus_message_open_container(call, 'a', "{ss}");

    for (; r >= 0 && details && details[0]; details += 2)
        r = sd_bus_message_append(call, "{ss}", details[0], strempty(details[1]));
    return r < 0 ? r : sd_bus_message_close_container(call);
}


int authorize(sd_bus_message *message, const char *action, const char *const *details, authorized_t done,
              void *userdata) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
    _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
    sd_bus *bus = sd_bus_message_get_bus(message);
    struct question *q;
    uid_t uid;
    int r;

    if ((r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds)) < 0 ||
        (r = sd_bus_creds_get_euid(creds, &uid)) < 0)
        return r;
    if (uid == 0) {
        done(NULL, userdata);
        return 0;
    }

    q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->done = done;
    q->userdata = userdata;
    q->interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
    q->action = strdup(action);
    if (!q->action)
        r = -ENOMEM;
    else if ((r = sd_bus_message_new_method_call(bus, &call, POLKIT_NAME, "/org/freedesktop/PolicyKit1/Authority",
                                                 "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization")) >= 0 &&
             (r = sd_bus_message_append(call, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                        sd_bus_message_get_sender(message), action)) >= 0 &&
             (r = append_details(call, details)) >= 0 &&
             (r = sd_bus_message_append(call, "us", q->interactive ? CHECK_ALLOW_USER_INTERACTION : CHECK_NONE, "")) >= 0)
        r = sd_bus_call_async(bus, &q->slot, call, on_answer, q, q->interactive ? INTERACTIVE_TIMEOUT_USEC : 0);
    if (r < 0) {
        question_free(q);
        return r;
    }
    q->next = questions;
    questions = q;
    return 0;
}
