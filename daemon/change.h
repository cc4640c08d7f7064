/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a method call to a job: parse, validate, plan, authorise, act, emit, reply. */
#pragma once

#include "manager.h"

/* A method handler's body: reads the options of MESSAGE and answers it later. PLAN_ONLY answers with the plan's JSON
 * and needs no privilege. */
/* The polkit action; a change that reloads the module takes the stronger one, which implies the other. */
const char *change_action(enum change_kind kind, bool reloads);

int change_begin(struct manager *m, sd_bus_message *message, enum change_kind kind, bool plan_only, sd_bus_error *error);
