/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changed between two texts, as a unified diff with three lines of context. */
#pragma once

#include "macros.h"

/* *ret is "" when both are the same. The caller frees. Errors: -ENOMEM. */
int line_diff(const char *before, size_t before_len, const char *after, size_t after_len, char **ret);
