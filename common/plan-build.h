/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the files that make a plan: what was asked for, resolved against this host. */
#pragma once

#include "plan.h"

struct target {
    const struct feature_facts *facts;
    bool on;
    bool live; /* the running module says otherwise */
    bool file; /* the next load would make it otherwise */
};

struct build {
    const struct host_facts *facts;
    const struct wish *wish;
    struct target targets[_FEATURE_MAX];
    size_t n_targets;
    struct plan *plan;
};

const struct target *build_target(const struct build *b, enum feature_id id); /* NULL: not asked for */
const char *on_off(bool on);

/* plan-options.c */
/* The contributor that decides PARAMETER at the next load, NULL: none does. */
const struct module_option *option_effective(const struct host_facts *facts, const char *module, const char *parameter);
bool option_is_later(const struct module_option *o); /* is it read after /etc/modprobe.d/nestd.conf? */
/* Is something that F depends on switched in the running module? */
bool needs_changed(const struct build *b, const struct feature *f);
/* The new /etc/modprobe.d/nestd.conf. */
int plan_options_file(const struct build *b, char **ret);
/* What to give the module when it is loaded, and what must be read back then. */
int plan_load_options(const struct build *b, char **ret_options, char **ret_expected);
/* The option string that makes the module again what it is now. */
int plan_current_options(const struct host_facts *facts, char **ret);

/* plan-steps.c */
int plan_add_step(struct plan *plan, enum step_kind kind, const char *target, const char *before, const char *after,
                  char *why);
/* Unload (BEFORE not NULL), load (AFTER not NULL), settle. */
int plan_add_reload(struct plan *plan, const struct host_facts *facts, const char *before, const char *after,
                    const char *why);
int plan_add_refresh(struct plan *plan, bool parameters);
int plan_add_verify(struct plan *plan, const char *module, const char *before, const char *expected);
/* Verdict BLOCKED if the module is in use. */
int plan_check_idle(struct plan *plan, const struct host_facts *facts);
