/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which guests can nest, which do, who chose them, and what that means. */
#pragma once

#include <json-c/json.h>

#include "guest-policy.h"

struct json_object *domain_info_to_json(const struct domain_info *info, enum extension extension);

/* { "schema": 1, "name", "changed", "done", "needs_restart", "notes": [], "diff" }. Errors: -ENOMEM. */
int domain_change_to_json(const struct domain_change *change, const char *name, bool done, struct json_object **ret);

/* Every guest of the connection, bare facts, as a JSON array. Errors, with *ret_why: those of domain_read(). */
int guests_to_json(const struct domain_conn *c, enum extension extension, struct json_object **ret, char **ret_why);

/*
 * { "schema": 1, "extension", "exposed_not_chosen": N, "guests": [ { facts..., "exposed": "yes|maybe|no",
 *   "chosen_by": "guest expose"|"nestd.conf"|null, "verdict": "pass|warn|fail", "migration", "advice" } ] }
 * Errors as above.
 */
int guest_audit(const struct domain_conn *c, enum extension extension, const struct conf *conf, struct json_object **ret,
                unsigned *ret_not_chosen, char **ret_why);

/* May this guest have the extension when it starts next, or has it now? YES, NO, or UNKNOWN: the host decides. */
enum tristate guest_exposed(const struct domain_info *info);
