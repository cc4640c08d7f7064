/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of verbs and the table of options: help, completions and nestctl(1) follow them. */
#include "nestctl.h"

#define FIELD(name) offsetof(struct options, name)

const struct option_row option_table[_OPTION_MAX] = {
    [OPTION_JSON] = {"json", 0, NULL, FIELD(json), "JSON instead of tables"},
    [OPTION_QUIET] = {"quiet", 'q', NULL, FIELD(quiet), "only errors and what was asked for; no notes, no progress"},
    [OPTION_NO_PAGER] = {"no-pager", 0, NULL, FIELD(no_pager), "never start a pager"},
    [OPTION_HOST] = {"host", 'H', "[USER@]HOST", FIELD(host), "ask nestd on another host, over ssh"},
    [OPTION_DIRECT] = {"direct", 0, NULL, FIELD(direct), "do it in this process, without nestd"},
    [OPTION_HELP] = {"help", 'h', NULL, FIELD(help), "this"},
    [OPTION_VERSION] = {"version", 0, NULL, FIELD(version), "the version"},
    [OPTION_ROOT] = {"root", 0, "DIR", FIELD(root), "the host whose files are in DIR (a dump of 'collect', an image)"},
    [OPTION_DRY_RUN] = {"dry-run", 'n', NULL, FIELD(dry_run), "say what would be done and why; change nothing"},
    [OPTION_YES] = {"yes", 'y', NULL, FIELD(yes), "do not ask"},
    [OPTION_WHEN_IDLE] = {"when-idle", 0, NULL, FIELD(when_idle), "if the module is in use, nestd does it when it is idle"},
    [OPTION_RUNTIME] = {"runtime", 0, NULL, FIELD(runtime), "until the next boot: write nothing below /etc"},
    [OPTION_PERSISTENT] = {"persistent", 0, NULL, FIELD(persistent), "write it down even if it is the kernel's default"},
    [OPTION_LIST] = {"list", 'l', NULL, FIELD(list), "list what can be undone"},
    [OPTION_FILE] = {"file", 'f', "XML", FIELD(file), "work on this definition, '-' for standard input; needs no libvirt"},
    [OPTION_EXTENSION] = {"extension", 0, "vmx|svm", FIELD(extension), "of the host it is for; default: this host, or --root"},
    [OPTION_MODE] = {"mode", 0, "MODE", FIELD(mode), "the guest's CPU: host-passthrough, host-model or custom; default: its own"},
    [OPTION_MODEL] = {"model", 0, "NAME", FIELD(model), "with --mode=custom, the CPU model; default: its own"},
    [OPTION_PROFILE] = {"profile", 0, "NAME", FIELD(profile), "what the hypervisor in the guest needs: kvm, xen, esxi, ...; kvm+viommu+locked"},
    [OPTION_NOW] = {"now", 0, NULL, FIELD(now), "say how a running guest gets the change now; nothing is restarted"},
    [OPTION_GUESTS] = {"guests", 0, NULL, FIELD(guests), "hide every guest that can nest, too"},
};

#define EVERYWHERE                                                                                           \
    (OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_QUIET) | OPTION_BIT(OPTION_NO_PAGER) |                      \
     OPTION_BIT(OPTION_HOST) | OPTION_BIT(OPTION_DIRECT) | OPTION_BIT(OPTION_HELP) | OPTION_BIT(OPTION_VERSION))
#define CHANGE (OPTION_BIT(OPTION_ROOT) | OPTION_BIT(OPTION_DRY_RUN) | OPTION_BIT(OPTION_YES))

const uint64_t options_everywhere = EVERYWHERE;

const struct verb verb_table[] = {
    {"status", "", "what this host is, can do, does, and why (the default)",
     "A row of the table is a feature of the CPU that matters to nested guests. CURRENT is the module's parameter now,\n"
     "WANTED what nestd.conf says, CHANGE BY what a change of it takes.",
     OPTION_BIT(OPTION_ROOT), 0, 0, verb_status, .pages = true},
    {"check", "", "pass/warn/fail list with a hint each; the exit code says the verdict",
     "Exits with 7 if a check failed.", OPTION_BIT(OPTION_ROOT), 0, 0, verb_check, .pages = true},
    {"enable", "[FEATURE[=on|off]...]", "nested on, or these features, now and after the next boot",
     "Without an argument: nested=on. The features are those of the table of 'status'. A plan is shown before it is\n"
     "carried out; every change can be undone. Exits with 4, naming the users, if the module is in use.",
     CHANGE | OPTION_BIT(OPTION_WHEN_IDLE) | OPTION_BIT(OPTION_RUNTIME) | OPTION_BIT(OPTION_PERSISTENT), 0, -1,
     verb_enable},
    {"disable", "", "nested off, now and after the next boot", NULL,
     CHANGE | OPTION_BIT(OPTION_GUESTS) | OPTION_BIT(OPTION_WHEN_IDLE) | OPTION_BIT(OPTION_RUNTIME) | OPTION_BIT(OPTION_PERSISTENT), 0, 0,
     verb_disable},
    {"undo", "[ID]", "put back exactly what the last change (or ID) changed", NULL, CHANGE | OPTION_BIT(OPTION_LIST), 0,
     1, verb_undo},
    {"monitor", "", "follow changes of the host, and nestd's jobs",
     "A line for each change; with --json an object on each line. Ctrl-C ends.", 0, 0, 0, verb_monitor},
    {"collect", "[FILE.tar|-]", "a sysroot dump for a bug report; no secrets in it",
     "Without a name, nestd-HOST-TIME.tar in this directory; '-' is standard output.", OPTION_BIT(OPTION_ROOT), 0, 1,
     verb_collect},
    {"audit", "", "which guests can nest, which do, and who chose them",
     "Exits with 7 if a guest is exposed that nobody chose, with 'nestctl guest expose' or in nestd.conf.",
     OPTION_BIT(OPTION_EXTENSION), 0, 0, verb_audit},
    {"guest", "list|show|expose|hide|undo|diff [GUEST...]", "give vmx or svm to chosen guests, and to no others",
     "  list             every guest: can it nest, does it\n"
     "  show GUEST...    one guest in detail\n"
     "  expose GUEST...  give it the extension\n"
     "  hide GUEST...    take it away, whatever gave it\n"
     "  undo GUEST...    put its definition back as it was\n"
     "  diff GUEST...    what expose would change\n"
     "GUEST is a libvirt name, UUID or id. With --file, the definition is read from a file and the new one is written to\n"
     "standard output. Outside <cpu>, what the profile lists and one element of nestd's in <metadata>, it comes out byte\n"
     "for byte as it went in.",
     CHANGE | OPTION_BIT(OPTION_FILE) | OPTION_BIT(OPTION_EXTENSION) | OPTION_BIT(OPTION_MODE) |
         OPTION_BIT(OPTION_MODEL) | OPTION_BIT(OPTION_PROFILE) | OPTION_BIT(OPTION_NOW),
     1, -1, verb_guest},
};
const size_t n_verbs = ELEMENTSOF(verb_table);

const struct verb *verb_by_name(const char *name) {
    for (size_t i = 0; i < n_verbs; i++)
        if (streq(verb_table[i].name, name))
            return &verb_table[i];
    return NULL;
}
