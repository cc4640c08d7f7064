/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A change with "when-idle" waits for the last user of the module: here, asleep, until the kernel says that one went. */
#pragma once

#include "manager.h"

void pending_changed(struct manager *m); /* the host was looked at again */
void pending_poke(struct manager *m);    /* a user of KVM may have gone */
void pending_free(struct pending *p);
