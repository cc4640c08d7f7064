/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line on a terminal's stderr that says how far a change is. */
#pragma once

#include "nestctl.h"

void progress_show(const struct options *options, double fraction, const char *what); /* WHAT may be NULL */
void progress_clear(void);
