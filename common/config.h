/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Included before every source file (-include). Paths are inside the sysroot. */
#pragma once

#define NESTD_SYSCONFDIR   "/etc/nestd"
#define NESTD_LIBDIR       "/usr/lib/nestd"
#define NESTD_STATEDIR     "/var/lib/nestd"
#define NESTD_RUNDIR       "/run/nestd"
#define NESTD_MODPROBE_CONF "/etc/modprobe.d/nestd.conf"
