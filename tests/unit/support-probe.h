/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold of whatever the probe is given. */
#pragma once

#include "diagnose.h"

#define PROBED_KERNEL "6.1.0-test"

/* Paths that the probe, diagnose and conf read, for a kernel of that name; NULL-terminated. */
extern const char *const probed_paths[];

/* Goes the whole way from the files below DIR to JSON. NULL, or the condition that did not hold. */
const char *study_root(const char *dir);
