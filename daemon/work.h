/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What workers do: the engine's calls, and their results as JSON for the daemon. Each is a task_func_t. */
#pragma once

#include "common/plan.h"
#include "task.h"

enum change_kind { CHANGE_ENABLE, CHANGE_DISABLE, CHANGE_UNDO, CHANGE_WHEN_IDLE, _CHANGE_KIND_MAX };
const char *change_kind_to_string(enum change_kind kind); /* Job.Kind: "enable", "disable", "undo", "when-idle" */
int change_kind_from_string(const char *s);               /* -EINVAL */

/* The argument of every worker function; strings are borrowed. */
struct order {
    const char *root_path;
    enum change_kind kind;
    struct wish wish;
    bool default_features; /* none was named */
    const char *id;        /* of the change to undo; NULL: the last one */
    bool may_reload, may_change_guests; /* the caller was authorised for it */
};

/* { "summary": { "vendor", "extension", "module", "capable", "enabled", "persistent", "pending" }, "text": JSON } */
int work_describe(struct worker *w, const void *order, struct json_object **ret);
/* First thing after the start: recovers, checks the boot, then describes: work_describe()'s result and
 * { "recovered": "finished"|"rolled-back", "recovery": TEXT, "drift": [TEXT], "applied": outcome } where there is something. */
int work_start(struct worker *w, const void *order, struct json_object **ret);
/* { "text": checks_to_json() } */
int work_check(struct worker *w, const void *order, struct json_object **ret);
/* { "text": changes_to_json() } */
int work_list_changes(struct worker *w, const void *order, struct json_object **ret);
/* { "verdict": enum plan_verdict, "message", "reloads": bool, "guests": bool, "summary": TEXT, "text": plan_to_json() } */
int work_plan(struct worker *w, const void *order, struct json_object **ret);
/* { "outcome": outcome_to_json(), and work_describe()'s result afterwards } */
int work_change(struct worker *w, const void *order, struct json_object **ret);
