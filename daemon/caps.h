/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities: the daemon may have only the few that its workers need, and itself uses none. */
#pragma once

/* Gives up all others, for good, and lowers the rest until caps_raise(). */
int caps_drop(void);
int caps_raise(void); /* in a worker: what is still permitted becomes effective */
