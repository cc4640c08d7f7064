/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine tells by itself: kernel events about modules and virtual machines, and changed configuration files. */
#pragma once

#include "manager.h"

int watch_start(struct manager *m);
void watch_free(struct watch *w);
/* PATH inside the sysroot. */
int watch_path(struct manager *m, const char *path, uint32_t mask, sd_event_inotify_handler_t handler,
               sd_event_source **ret);
