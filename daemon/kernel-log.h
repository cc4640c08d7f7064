/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel said about KVM, from the journal: the unit may not read /dev/kmsg (ProtectKernelLogs=, CAP_SYSLOG),
 * but the journal's files are root's. */
#pragma once

#include "common/macros.h"

/* The last warning or error since REALTIME_USEC that names KVM, one clean line; the caller frees. -ENOENT: none, or no
 * journal. Waits a moment for journald to take it over from the kernel. */
int kernel_log_about_kvm(uint64_t realtime_usec, char **ret);
