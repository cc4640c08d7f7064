/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-client.h"
#include "host.h"

void host_done(struct host *host) {
    verdict_free(host->verdict);
    conf_free(host->conf);
    host_facts_free(host->facts);
    sysroot_free(host->root);
    *host = (struct host){};
}

static int read_parts(const char *path, struct host *host) {
    struct wish pending;
    int r;

    r = sysroot_open(path, &host->root);
    if (r >= 0)
        r = probe_host(host->root, &host->facts);
    if (r >= 0)
        r = conf_load(host->root, &host->conf);
    if (r >= 0)
        r = diagnose_host(host->facts, host->conf, pending_load(host->root, &pending) >= 0, &host->verdict);
    return r;
}

int host_read(const struct options *options, struct host *ret) {
    _cleanup_host_ struct host host = {};
    int r;

    if (options->root && !*options->root)
        return fail(EXIT_USAGE, "--root=", "name a directory", "empty path");
    r = read_parts(options->root, &host);
    if (r == -ENOMEM)
        return fail_errno(r, "probe", NULL);
    if (r < 0)
        return fail_errno(r, options->root ? options->root : "/", "--root wants a directory that can be read");
    FOREACH_ARRAY(w, host.conf->warnings, host.conf->n_warnings)
        say(options, "%s:%u: %s", w->path, w->line, w->message);
    *ret = host;
    host = (struct host){};
    return EXIT_DONE;
}

int host_describe(const struct options *options, struct json_object **ret) {
    _cleanup_host_ struct host host = {};
    int r;

    if (options->host)
        return bus_ask(options, "Describe", ret);
    r = host_read(options, &host);
    if (r != EXIT_DONE)
        return r;
    r = describe_host(host.facts, host.verdict, host.conf, ret);
    return r < 0 ? fail_errno(r, "status", NULL) : EXIT_DONE;
}

int host_check(const struct options *options, struct json_object **ret) {
    _cleanup_host_ struct host host = {};
    struct check *checks;
    size_t n;
    int r;

    if (options->host)
        return bus_ask(options, "Check", ret);
    r = host_read(options, &host);
    if (r != EXIT_DONE)
        return r;
    r = check_host(host.facts, host.verdict, &checks, &n);
    if (r >= 0) {
        r = checks_to_json(checks, n, ret);
        checks_free(checks, n);
    }
    return r < 0 ? fail_errno(r, "check", NULL) : EXIT_DONE;
}
