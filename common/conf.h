/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestd.conf and its drop-ins: /usr/lib/nestd/nestd.conf, /etc/nestd/nestd.conf, then nestd.conf.d/ *.conf of both by
 * name, /etc masking /usr/lib, as systemd does it. A wrong line is told with file and line; the rest holds. */
#pragma once

#include "feature.h"
#include "sysroot.h"

enum wanted { WANTED_KEEP, WANTED_ON, WANTED_OFF };
const char *wanted_to_string(enum wanted w); /* "keep", "on", "off" */

enum drift { DRIFT_VERIFY, DRIFT_APPLY, DRIFT_IGNORE };

struct conf_warning {
    char *path;
    unsigned line;
    char *message;
};

struct conf {
    enum wanted features[_FEATURE_MAX]; /* [Features] nested=on ... */
    enum drift on_drift;                /* [Boot] OnDrift=verify|apply|ignore */
    uint64_t idle_timeout_usec;         /* [Daemon] IdleExitSec= */
    char **expose, **hide;              /* [Guests] Expose= Hide=, kept as written; NULL-terminated or NULL */
    struct conf_warning *warnings;
    size_t n_warnings;
};

/* Only -ENOMEM fails. The caller frees with conf_free(). */
int conf_load(const struct sysroot *root, struct conf **ret);
struct conf *conf_free(struct conf *conf);
DEFINE_CLEANUP(struct conf *, conf_free)
