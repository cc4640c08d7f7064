/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judgement over facts: pure functions, no reading. */
#pragma once

#include <json-c/json.h>
#include "conf.h"
#include "facts.h"

enum reason_level { REASON_INFO, REASON_WARNING, REASON_ERROR };
const char *reason_level_to_string(enum reason_level level); /* "info", "warning", "error" */

struct reason {
    const char *code; /* static, stable, "bios-disabled": a table of all codes stands in diagnose.c and in nestctl(1) */
    enum reason_level level;
    char *message, *hint; /* hint may be NULL */
};

struct verdict {
    bool capable;    /* nested guests are possible here */
    bool enabled;    /* the module says nested now */
    bool persistent; /* and will after a reboot */
    bool pending;    /* a change waits for the module to become idle (NESTD_STATEDIR/pending.json) */
    struct reason *reasons; /* most severe first */
    size_t n_reasons;
};

int diagnose_host(const struct host_facts *facts, const struct conf *conf, bool pending, struct verdict **ret);
struct verdict *verdict_free(struct verdict *v);
DEFINE_CLEANUP(struct verdict *, verdict_free)

/* The list `nestctl check` prints: one row a check, in a fixed order. */
enum check_result { CHECK_PASS, CHECK_WARN, CHECK_FAIL, CHECK_SKIP };
struct check {
    const char *code, *title; /* static */
    enum check_result result;
    char *detail, *hint;
};
int check_host(const struct host_facts *facts, const struct verdict *verdict, struct check **ret, size_t *ret_n);
void checks_free(struct check *checks, size_t n);

/* The object of `status --json` and Describe(), as INTERFACES.md says it. The caller puts the reference. */
int describe_host(const struct host_facts *facts, const struct verdict *verdict, const struct conf *conf,
                  struct json_object **ret);
