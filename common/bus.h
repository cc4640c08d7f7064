/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nestd and nestctl say to each other: the names of INTERFACES, the keys of the a{sv} arguments and the JSON that
 * is answered. One place, so that the two sides and the man page cannot drift apart. No D-Bus code. */
#pragma once

#include <json-c/json.h>
#include "apply.h"
#include "diagnose.h"

#define NESTD_BUS_NAME        "org.nestd1"
#define NESTD_BUS_PATH        "/org/nestd1"
#define NESTD_BUS_HOST        "org.nestd1.Host"
#define NESTD_BUS_GUEST       "org.nestd1.Guest"
#define NESTD_BUS_JOB         "org.nestd1.Job"
#define NESTD_BUS_GUEST_PATH  "/org/nestd1/guest"
#define NESTD_BUS_JOB_PATH    "/org/nestd1/job"

/* Errors, and the exit code each means. A refused authorisation is org.freedesktop.DBus.Error.AccessDenied or
 * .InteractiveAuthorizationRequired, as everywhere on the bus. A method that refuses (NotSupported, Blocked, Invalid)
 * refuses before there is a job; the message is "THING: REASON; REMEDY". */
#define NESTD_ERROR_NOT_SUPPORTED "org.nestd1.Error.NotSupported" /* 3 */
#define NESTD_ERROR_BLOCKED       "org.nestd1.Error.Blocked"      /* 4 */
#define NESTD_ERROR_NO_SUCH_GUEST "org.nestd1.Error.NoSuchGuest"  /* 6 */
#define NESTD_ERROR_INVALID       "org.nestd1.Error.Invalid"      /* 2 */
#define NESTD_ERROR_FAILED        "org.nestd1.Error.Failed"       /* 1 */

/* Keys of Enable(a{sv}) and Disable(a{sv}): the name of a feature, type b (true: on); without any, Enable means nested
 * on and Disable nested off; and: */
#define NESTD_KEY_RUNTIME    "runtime"    /* b: nothing is written to /etc */
#define NESTD_KEY_PERSISTENT "persistent" /* b: write even if the kernel's default is already right */
#define NESTD_KEY_WHEN_IDLE  "when-idle"  /* b: in use is not an error: stays pending */
#define NESTD_KEY_GUESTS     "guests"     /* b, Disable only: every guest is hidden too */
/* Undo(a{sv}): */
#define NESTD_KEY_ID         "id"         /* s: an id of the list; without it the last change */
/* Guest.Expose(a{sv}): */
#define NESTD_KEY_MODE       "mode"       /* s: "custom", "host-model" or "host-passthrough"; without it the guest's own */
#define NESTD_KEY_MODEL      "model"      /* s: the CPU model, in custom mode */
#define NESTD_KEY_PROFILE    "profile"    /* s: of guest-profile.h */

/* Beside the methods of INTERFACES, all without privilege:
 *   Host.Check() -> s                  checks_to_json()
 *   Host.ListChanges() -> s            changes_to_json()
 *   Host.Plan(s verb, a{sv}) -> s      plan_to_json() of "enable", "disable" or "undo"; changes nothing
 *   Job property Result (s)            outcome_to_json() once State is not "running", "" before; it is emitted with
 *                                      State in one PropertiesChanged, before Finished (whose argument is State) */

int checks_to_json(const struct check *checks, size_t n, struct json_object **ret);
int changes_to_json(const struct change *changes, size_t n, struct json_object **ret);
/* { "schema": 1, "id", "exit_code", "rolled_back", "pending", "message", "hint", "blockers": [] } */
int outcome_to_json(const struct outcome *outcome, struct json_object **ret);
