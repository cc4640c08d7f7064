/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rewriter: document + wish -> document + explanation. Pure: no libvirt, no file, no host.
 *
 * Outside <cpu>, what the wish's profile lists, and one element of ours in <metadata>, the bytes come out as they went
 * in. That element keeps the wish and the original text of everything changed, so that undo gives the original back
 * byte for byte; a later wish starts from the original again, so wishes do not pile up. If somebody else has changed
 * the same part since, undo takes back our own change only and says so.
 */
#pragma once

#include "guest-doc.h"

enum guest_action { GUEST_EXPOSE, GUEST_HIDE, GUEST_UNDO };
const char *guest_action_to_string(enum guest_action a);

struct guest_wish {
    enum guest_action action;
    enum extension extension; /* of the host it is for; not used by undo */
    enum cpu_mode mode;       /* CPU_KEEP: the guest's own */
    const char *model;        /* with CPU_CUSTOM: the CPU model, or NULL: the guest's own */
    const char *profile;      /* see guest-profile.h, or NULL */
    const char *without;      /* settings of it to leave out, as this host lacks them: "evmcs,ipi", or NULL */
    bool by_conf;             /* nestd.conf wants it, not a person */
};

struct guest_result {
    char *text; /* NUL-terminated beyond its length */
    size_t len;
    bool changed;
    char **notes; /* what was done, and why; NULL-terminated, or NULL */
};

/*
 * Errors, with *ret_why (may be NULL) set to one sentence, to be freed: those of guest_doc_open(); -EOPNOTSUPP also where
 * this guest cannot do it; -EINVAL also where the wish makes no sense for it; -EILSEQ when the document's encoding
 * cannot express the change; -ENOTRECOVERABLE when the result is not what was wished (a bug; nothing is returned).
 */
int guest_rewrite(const char *raw, size_t len, const struct guest_wish *wish, struct guest_result *ret,
                  char **ret_why);
void guest_result_done(struct guest_result *result);
#define _cleanup_guest_result_ _cleanup_(guest_result_done)
