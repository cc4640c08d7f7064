/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must not leave the machine is taken out of a text, in place. SIZE is updated; the texts stay NUL-terminated. */
#pragma once

#include "macros.h"

typedef void (*scrub_t)(char *text, size_t *size);

/* Kernel command line: only what matters to KVM stays (a list of what is known to be harmless, not of secrets). */
void scrub_cmdline(char *text, size_t *size);
/* modprobe.d and the like: a line that does not speak of KVM keeps its first two words; comments become "#". So line
 * numbers stay. */
void scrub_config(char *text, size_t *size);
/* Lines, or NUL-terminated records, that do not speak of KVM are dropped. */
void scrub_lines(char *text, size_t *size);
void scrub_records(char *text, size_t *size);
