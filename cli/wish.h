/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the user of enable and disable wants, from the command line. */
#pragma once

#include "nestctl.h"

/* FEATURE, FEATURE=on, FEATURE=off. Returns an exit code; errors were told. */
int wish_parse(const struct options *options, int argc, char *argv[], struct wish *ret);
