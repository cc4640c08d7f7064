/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a wish makes of <cpu>. The facts are libvirt 9.0's (src/conf/cpu_conf.c, src/qemu/qemu_domain.c). */
#pragma once

#include "guest-rewrite.h"

/* Adds the edits and the notes for them. Errors with *ret_why: -EINVAL, -EOPNOTSUPP. */
int guest_cpu_edit(const struct guest_doc *doc, const struct guest_wish *wish, struct guest_edits *e,
                   char **ret_why);

/* Takes back our own part of a <cpu> that somebody has changed since: DOC's feature gets the policy it had in
 * ORIGINAL, unless it is no longer the one that WISH gave it. */
void guest_cpu_revert(const struct guest_doc *doc, const struct guest_doc *original, const struct guest_wish *wish,
                      struct guest_edits *e);
