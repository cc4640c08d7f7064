/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What guest and audit share of libvirt. Functions that return int return an exit code. */
#pragma once

#include <systemd/sd-bus.h>

#include "domain.h"
#include "guest.h"

/* This host's libvirt (LIBVIRT_DEFAULT_URI as with virsh), or that of --host. Read-only where that has to do. */
int guest_connect(const struct options *options, bool readonly, struct domain_conn *ret);

/* One wish on one guest: does it, or with --dry-run shows it, and tells what a running guest needs. */
int guest_change(const struct options *options, const struct domain_conn *c, virDomainPtr dom,
                 const struct guest_wish *wish, bool diff_only);

/* Tells what domain_change_to_json() says, as --json or in words. */
void guest_tell_change(const struct options *options, const struct guest_wish *wish, struct json_object *result);

/* Whether nestd is to do it, which may do what the caller may not: *RET_BUS is then its bus. Returns an exit code. */
int guest_try_nestd(const struct options *options, const char *what, sd_bus **ret_bus);
/* The same as guest_change() for one guest, by nestd. */
int guest_change_by_nestd(const struct options *options, sd_bus *bus, const char *guest, const struct guest_wish *wish);
