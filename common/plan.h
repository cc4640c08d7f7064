/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan: (facts, wanted) -> ordered steps with reasons. Pure: reads nothing, changes nothing. --dry-run prints it. */
#pragma once

#include <json-c/json.h>
#include "conf.h"
#include "facts.h"

struct wish {
    enum wanted features[_FEATURE_MAX];
    bool runtime_only; /* --runtime: nothing is written to /etc */
    bool persistent;   /* write even if the kernel's default is already right */
    bool when_idle;    /* blocked is not an error: leave it pending and let nestd finish */
    bool guests;       /* plan_add_guests(): hide every guest that can nest, too */
};

/* What "enable" without a feature means: nested on, and on with it whatever nested guests profit from that every CPU
 * has, that is off now and that no options file or kernel command line switched off on purpose. */
void wish_enable_defaults(const struct host_facts *facts, struct wish *wish);

enum step_kind {
    STEP_WRITE_OPTIONS,  /* /etc/modprobe.d/nestd.conf gets NEW (or is removed: NEW NULL) */
    STEP_SET_PARAMETER,  /* write a sysfs parameter that is writable while loaded */
    STEP_UNLOAD_MODULE,
    STEP_LOAD_MODULE,    /* NEW: the option string, with every other live parameter preserved */
    STEP_SETTLE,         /* udev done, /dev/kvm back with the mode and owner it had (OLD) */
    STEP_REFRESH_LIBVIRT,
    STEP_VERIFY,
    STEP_CHANGE_GUEST,   /* libvirt's guest TARGET ("UUID NAME") gets another state: see guest-state.h */
    _STEP_KIND_MAX,
};
const char *step_kind_to_string(enum step_kind k);

struct step {
    enum step_kind kind;
    char *target;       /* path, module or parameter */
    char *before, *after; /* content or value; NULL: does not exist */
    char *why;          /* one sentence for a person */
};

enum plan_verdict {
    PLAN_NOTHING,     /* already so: exit 0 */
    PLAN_READY,
    PLAN_BLOCKED,     /* in use: exit 4, users in BLOCKERS; the persistent part may still be done */
    PLAN_REBOOT,      /* built-in module: the kernel command line needed is in CMDLINE; exit 3 */
    PLAN_UNSUPPORTED, /* exit 3; MESSAGE says why */
};

struct plan {
    enum plan_verdict verdict;
    struct wish wish;       /* what the plan was made for */
    char *message, *hint;   /* one line each; NULL where there is nothing to say */
    char *summary;          /* "nested=on npt=off": what the journal calls the change */
    char *cmdline;          /* "kvm_intel.nested=1" */
    char **blockers;        /* "guest web1 (running)", "process qemu-system-x86 (pid 123)", "module vhost" */
    size_t n_blockers;
    char **notes;           /* conflicts with other people's modprobe.d files and what modprobe makes of them */
    size_t n_notes;
    struct step *steps;
    size_t n_steps;
};

int plan_host(const struct host_facts *facts, const struct wish *wish, struct plan **ret);
struct plan *plan_free(struct plan *plan);
DEFINE_CLEANUP(struct plan *, plan_free)
int plan_to_json(const struct plan *plan, struct json_object **ret);

/* Says who uses the module of a PLAN_BLOCKED plan: fills in BLOCKERS by looking at /proc and asking libvirt. apply_plan()
 * does so by itself; this is for those who only show the plan. Only -ENOMEM fails. */
int plan_name_blockers(const struct sysroot *root, const struct host_facts *facts, struct plan *plan);

/* If the plan's wish says so: steps that hide every guest that can nest, before all others; undone with them. Only where the
 * host's own part can be done, or is done. Errors, with *ret_why (one line, to be freed): those of actor_guests_exposed(). */
int plan_add_guests(const struct sysroot *root, const struct host_facts *facts, struct plan *plan, char **ret_why);

/* What exit code a verdict means (INTERFACES.md). */
int plan_exit_code(const struct plan *plan);
