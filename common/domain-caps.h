/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt and its QEMU offer guests on this host, as far as a profile has to know. */
#pragma once

#include "domain.h"
#include "guest-doc.h"

/*
 * The Hyper-V enlightenments of WISH's profile that libvirt's domain capabilities do not list for a guest like DOC:
 * "evmcs,stimer", as in guest_wish.without, or NULL. Where libvirt tells of none at all (before 9.0, or QEMU before
 * 6.1), nothing is left out. -ENOMEM.
 */
int domain_caps_without(const struct domain_conn *c, const struct guest_doc *doc, const struct guest_wish *wish, char **ret);
/* The same from the text of domain capabilities. */
int domain_caps_parse_without(const char *caps, const struct guest_wish *wish, char **ret);
