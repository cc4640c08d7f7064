/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include "bus-client.h"
#include "change.h"
#include "common/actor.h"
#include "host.h"
#include "job.h"
#include "progress.h"

static volatile sig_atomic_t interrupted;

/* The way to do it: nestd's bus, or the engine with what it read. */
struct way {
    sd_bus *bus;
    struct host host;
    struct plan *plan;
    bool nothing_to_undo;
};

static void way_done(struct way *way) {
    plan_free(way->plan);
    host_done(&way->host);
    sd_bus_flush_close_unref(way->bus);
}

/* The a{sv} of Enable, Disable and Undo. */
static int append_arguments(sd_bus_message *m, const struct request *request) {
    const struct {
        const char *key;
        bool set;
    } flags[] = {
        {NESTD_KEY_RUNTIME, request->wish.runtime_only},
        {NESTD_KEY_PERSISTENT, request->wish.persistent},
        {NESTD_KEY_WHEN_IDLE, request->wish.when_idle},
        {NESTD_KEY_GUESTS, request->wish.guests},
    };
    uint32_t told = 0;
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    /* Both vendors' names of a feature are rows: one of them is enough, nestd knows either. */
    for (size_t i = 0; i < n_features && r >= 0; i++) {
        enum feature_id id = features[i].id;

        if (request->wish.features[id] == WANTED_KEEP || told & FEATURE_BIT(id))
            continue;
        told |= FEATURE_BIT(id);
        r = sd_bus_message_append(m, "{sv}", features[i].name, "b", request->wish.features[id] == WANTED_ON);
    }
    for (size_t i = 0; i < ELEMENTSOF(flags) && r >= 0; i++)
        if (flags[i].set)
            r = sd_bus_message_append(m, "{sv}", flags[i].key, "b", true);
    if (r >= 0 && request->id)
        r = sd_bus_message_append(m, "{sv}", NESTD_KEY_ID, "s", request->id);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int new_call(sd_bus *bus, const char *method, const struct request *request, sd_bus_message **ret) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(bus, &m, NESTD_BUS_NAME, NESTD_BUS_PATH, NESTD_BUS_HOST, method);

    if (r >= 0)
        r = sd_bus_message_set_allow_interactive_authorization(m, true);
    if (r >= 0 && streq(method, "Plan"))
        r = sd_bus_message_append(m, "s", request->verb);
    if (r >= 0)
        r = append_arguments(m, request);
    if (r >= 0)
        *ret = TAKE_PTR(m);
    return r;
}

/* An unknown ID is an error; that nothing is left to undo is a plan without steps. */
static int no_such_change(struct way *way, const char *id, struct json_object **ret) {
    struct plan nothing = {.verdict = PLAN_NOTHING, .message = (char *)"nothing is left to undo"};

    if (id)
        return fail(EXIT_USAGE, id, "'nestctl undo --list' shows what can be undone", "no such change, or it is undone already");
    way->nothing_to_undo = true;
    return plan_to_json(&nothing, ret) < 0 ? fail_errno(-ENOMEM, "undo", NULL) : EXIT_DONE;
}

static int plan_by_bus(struct way *way, const struct options *options, const struct request *request,
                       struct json_object **ret) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
    const char *text;
    int r;

    r = new_call(way->bus, "Plan", request, &call);
    if (r >= 0)
        r = sd_bus_call(way->bus, call, 0, &error, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "s", &text);
    if (r >= 0)
        r = json_parse(text, ret);
    if (r < 0 && streq(request->verb, "undo") && sd_bus_error_has_name(&error, NESTD_ERROR_INVALID))
        return no_such_change(way, request->id, ret);
    return r < 0 ? bus_fail(options, "Plan", &error, r) : EXIT_DONE;
}

static int plan_directly(struct way *way, const struct options *options, const struct request *request,
                         struct json_object **ret) {
    const struct host *host = &way->host;
    struct wish wish = request->wish;
    _cleanup_free_ char *why = NULL;
    int r = host_read(options, &way->host);

    if (r != EXIT_DONE)
        return r;
    if (request->defaults)
        wish_enable_defaults(host->facts, &wish);
    if (streq(request->verb, "undo"))
        r = undo_plan(host->root, host->facts, request->id, &way->plan);
    else
        r = plan_host(host->facts, &wish, &way->plan);
    if (r == -ENOENT && streq(request->verb, "undo"))
        return no_such_change(way, request->id, ret);
    if (r >= 0 && (r = plan_add_guests(host->root, host->facts, way->plan, &why)) < 0 && why)
        return fail(r == -EACCES ? EXIT_NOT_AUTHORISED : EXIT_FAILED, request->verb, NULL, "%s", why);
    if (r >= 0)
        r = plan_name_blockers(host->root, host->facts, way->plan);
    if (r >= 0)
        r = plan_to_json(way->plan, ret);
    return r < 0 ? fail_errno(r, request->verb, NULL) : EXIT_DONE;
}

/* The lines of a configuration file that are no comments. */
static void put_lines(FILE *out, const char *mark, const char *text) {
    while (*text) {
        size_t n = strcspn(text, "\n");
        _cleanup_free_ char *line = strndup(text, n);

        if (line && n > 0 && *line != '#') {
            fprintf(out, "      %s ", mark);
            put_safe_to(out, line);
            fputc('\n', out);
        }
        text += n + (text[n] == '\n');
    }
}

static void put_step(FILE *out, struct json_object *step, size_t number) {
    const char *kind = member_string(step, "kind");

    fprintf(out, "%2zu. ", number);
    put_safe_to(out, kind);
    fputc(' ', out);
    put_safe_to(out, member_string(step, "target"));
    fputs(": ", out);
    put_safe_to(out, member_string(step, "why"));
    fputc('\n', out);
    if (streq(kind, step_kind_to_string(STEP_WRITE_OPTIONS)))
        put_lines(out, "-", member_string(step, "before"));
    if (streq(kind, step_kind_to_string(STEP_WRITE_OPTIONS)) || streq(kind, step_kind_to_string(STEP_LOAD_MODULE)))
        put_lines(out, "+", member_string(step, "after"));
}

/* A line for each step, and what stands in the way. */
static void put_plan(struct json_object *plan, FILE *out) {
    static const char *const lists[] = {"notes", "blockers"}, *const prefixes[] = {"note: ", "in use by "};
    struct json_object *steps = member(plan, "steps", json_type_array);

    for (size_t i = 0; steps && i < json_object_array_length(steps); i++)
        put_step(out, json_object_array_get_idx(steps, i), i + 1);
    for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
        struct json_object *list = member(plan, lists[i], json_type_array);

        for (size_t j = 0; list && j < json_object_array_length(list); j++) {
            fputs(prefixes[i], out);
            put_safe_to(out, strempty(json_object_get_string(json_object_array_get_idx(list, j))));
            fputc('\n', out);
        }
    }
}

/* ": guest web1 (running), ...": who is in the way, unless MESSAGE says it already. */
static void put_blockers(FILE *out, struct json_object *o, const char *message) {
    struct json_object *list = member(o, "blockers", json_type_array);

    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *blocker = strempty(json_object_get_string(json_object_array_get_idx(list, i)));

        if (strstr(message, blocker))
            continue;
        fputs(i == 0 ? ": " : ", ", out);
        put_safe_to(out, blocker);
    }
}

/* MESSAGE and HINT of a plan or an outcome: an error goes to stderr, success to stdout unless --json or --quiet. */
static void put_result(const struct options *options, struct json_object *o, int code) {
    const char *message = member_string(o, "message"), *hint = member_string(o, "hint");
    const char *cmdline = member_string(o, "cmdline");
    FILE *out = code == EXIT_DONE ? stdout : stderr;

    if (code == EXIT_DONE && (options->json || options->quiet))
        return;
    fflush(stdout);
    if (*message) {
        fputs(code == EXIT_DONE ? "" : "nestctl: ", out);
        put_safe_to(out, message);
        put_blockers(out, o, message);
        fputs(*hint ? "; " : "", out);
        put_safe_to(out, hint);
        fputc('\n', out);
    }
    if (*cmdline) {
        fputs("Kernel command line: ", out);
        put_safe_to(out, cmdline);
        fputc('\n', out);
    }
}

static bool has_step(struct json_object *plan, enum step_kind kind) {
    struct json_object *steps = member(plan, "steps", json_type_array);

    for (size_t i = 0; steps && i < json_object_array_length(steps); i++)
        if (streq(member_string(json_object_array_get_idx(steps, i), "kind"), step_kind_to_string(kind)))
            return true;
    return false;
}

/* Only the reload of a module is asked about: nothing else can be felt by a guest. */
static bool confirmed(const struct options *options, struct json_object *plan) {
    char answer[8];

    if (options->yes || !isatty(STDIN_FILENO) || !has_step(plan, STEP_UNLOAD_MODULE))
        return true;
    fputs("The module is unloaded and loaded again; no guest can start meanwhile. Go on? [y/N] ", stderr);
    fflush(stderr);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void on_interrupt(int number) {
    interrupted = 1;
}

static bool on_progress(double fraction, const struct step *step, void *userdata) {
    progress_show(userdata, fraction, step ? step->why : NULL);
    return !interrupted;
}

static int fail_busy(const char *verb) {
    return fail(EXIT_BLOCKED, verb, "try again when it is done", "another nestd or nestctl is changing this host");
}

static int apply_directly(struct way *way, const struct options *options, const struct request *request,
                          struct json_object **ret) {
    struct outcome outcome = {};
    int r;

    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_interrupt, .sa_flags = SA_RESTART}, NULL);
    if (streq(request->verb, "undo"))
        r = undo_apply(way->host.root, request->id, way->plan, on_progress, (void *)options, &outcome);
    else
        r = apply_plan(way->host.root, way->plan, request->verb, on_progress, (void *)options, &outcome);
    progress_clear();
    if (r == -EBUSY)
        return fail_busy(request->verb);
    if (r < 0)
        return fail_errno(r, request->verb, NULL);
    r = outcome_to_json(&outcome, ret);
    if (r >= 0)
        r = outcome.exit_code;
    else
        r = fail_errno(r, request->verb, NULL);
    outcome_done(&outcome);
    return r;
}

static int apply_by_bus(struct way *way, const struct options *options, const struct request *request,
                        struct json_object **ret) {
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
    int r = new_call(way->bus, request->method, request, &call);

    return r < 0 ? bus_fail(options, request->method, NULL, r) : job_run(way->bus, call, options, ret);
}

/* In use is no error for who can wait. */
static int plan_code(const struct options *options, struct json_object *plan) {
    if (options->when_idle && streq(member_string(plan, "verdict"), "blocked"))
        return EXIT_DONE;
    return member_int(plan, "exit_code");
}

static int dry_run(const struct options *options, struct json_object *plan) {
    int code = plan_code(options, plan);

    if (options->json)
        put_json(plan);
    else if (!options->quiet)
        put_plan(plan, stdout);
    put_result(options, plan, code);
    if (!options->json && !options->quiet && streq(member_string(plan, "verdict"), "ready"))
        puts("\nNothing was changed; without --dry-run it is done.");
    return code;
}

/* The plan says all there is to say: nothing can be done, or there is nothing to undo. */
static int put_verdict(const struct options *options, struct json_object *plan) {
    struct outcome outcome = {
        .exit_code = member_int(plan, "exit_code"),
        .message = (char *)member_string(plan, "message"),
        .hint = *member_string(plan, "hint") ? (char *)member_string(plan, "hint") : NULL,
    };
    _cleanup_json_ struct json_object *o = NULL;

    if (outcome_to_json(&outcome, &o) < 0)
        return fail_errno(-ENOMEM, "plan", NULL);
    json_object_object_add(o, "blockers", json_object_get(member(plan, "blockers", json_type_array)));
    if (options->json)
        put_json(o);
    put_result(options, plan, outcome.exit_code);
    return outcome.exit_code;
}

/* What a killed run left behind is put right before anything is planned. */
static int recover_first(const struct options *options, const struct request *request) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_free_ char *message = NULL;
    enum recovery recovery;
    int r;

    r = sysroot_open(options->root, &root);
    if (r < 0)
        return fail_errno(r, options->root ? options->root : "/", "--root wants a directory that can be read");
    if (!actor_may_change(root))
        return fail(EXIT_USAGE, "--root", "add --dry-run to see what would be done there",
                    "'%s' changes only the running machine", request->verb);
    if (root->live && geteuid() != 0)
        return fail(EXIT_NOT_AUTHORISED, request->verb, "run it as root, or start nestd",
                    "only root can do it without nestd");
    r = recover(root, false, &recovery, &message);
    if (r == -EBUSY && !message)
        return fail_busy(request->verb);
    if (r < 0 && message)
        return fail(EXIT_FAILED, "recovery of an interrupted change", NULL, "%s", message);
    if (r < 0)
        return fail_errno(r, "recovery of an interrupted change", NULL);
    if (message)
        say(options, "%s", message);
    return EXIT_DONE;
}

int change_run(const struct options *options, const struct request *request) {
    _cleanup_(way_done) struct way way = {};
    _cleanup_json_ struct json_object *plan = NULL, *outcome = NULL;
    int r;

    r = bus_try(options, &way.bus);
    if (r == EXIT_DONE && !way.bus && !options->dry_run)
        r = recover_first(options, request);
    if (r != EXIT_DONE)
        return r;
    r = way.bus ? plan_by_bus(&way, options, request, &plan) : plan_directly(&way, options, request, &plan);
    if (r != EXIT_DONE || !plan)
        return r;
    if (options->dry_run)
        return dry_run(options, plan);
    if (!options->quiet)
        put_plan(plan, stderr);
    if (way.nothing_to_undo || plan_code(options, plan) != EXIT_DONE)
        return put_verdict(options, plan);
    if (!confirmed(options, plan))
        return fail(EXIT_FAILED, request->verb, "answer y, or use --yes", "not confirmed; nothing was changed");
    r = way.bus ? apply_by_bus(&way, options, request, &outcome) : apply_directly(&way, options, request, &outcome);
    if (!outcome)
        return r;
    if (options->json)
        put_json(outcome);
    put_result(options, outcome, r);
    return r;
}
