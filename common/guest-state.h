/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's choice as one word or line of text, for a journal: "original", "hide svm", "expose svm MODE MODEL PROFILE" ("-":
 * none), with "nestd.conf" behind it where that asked for it. It can be brought back from that text, as the definition itself keeps what was there before. */
#pragma once

#include "guest-rewrite.h"

#define GUEST_STATE_ORIGINAL "original"

/* What the definition XML says. A choice that somebody has altered since counts as the original. Errors: -ENOMEM, and
 * those of guest_doc_open(). */
int guest_state_read(const char *xml, char **ret);
/* The state after hiding it. */
char *guest_state_hidden(enum extension extension);

/* The wish that leads to a state. */
struct guest_state {
    struct guest_wish wish; /* its strings are these: */
    char model[128], profile[256];
};
int guest_state_parse(const char *text, struct guest_state *ret); /* -EBADMSG */
