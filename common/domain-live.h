/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a running guest has and does: QEMU's own word, through libvirt. */
#pragma once

#include "domain.h"

/*
 * libvirt asks QEMU for the CPU's real features when it starts a guest, and writes them into the live definition, which it then
 * calls check='full' (virCPUx86UpdateLive, src/cpu/cpu_x86.c): what it says there of the extension is QEMU's answer. Where
 * it says nothing, QEMU is asked through its monitor, which needs a connection that is not read-only and which libvirt
 * notes in the guest's log ("custom-monitor").
 */
enum guest_live domain_live(const struct domain_conn *c, virDomainPtr dom, const char *xml, enum extension extension);

/* XML above and here: the live definition, or NULL: not told. Does it lack what DEFINITION's profile sets, or still have what
 * another profile set? */
bool domain_live_outdated(const char *xml, const struct guest_doc *definition);

/* KVM's counters "guest_mode" (this vCPU runs an L2 guest) and "nested_run" (VM entries of L1), which QEMU 7.1 and libvirt 8.9
 * tell. *ret is TRISTATE_UNKNOWN without them. */
void domain_l2(const struct domain_conn *c, virDomainPtr dom, enum tristate *ret, uint64_t *ret_entries);
