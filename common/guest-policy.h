/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* [Guests] of nestd.conf: Expose= and Hide= hold names, UUIDs and globs; "lab-*:esxi" adds a profile. Expose= wins. */
#pragma once

#include "conf.h"
#include "domain.h"

enum guest_policy { GUEST_POLICY_NONE, GUEST_POLICY_EXPOSE, GUEST_POLICY_HIDE };

/* *ret_profile (may be NULL) is a part of CONF, or NULL. */
enum guest_policy guest_policy(const struct conf *conf, const char *name, const char *uuid, const char **ret_profile);
/*
 * Is the guest not as nestd.conf wants it? *ret is then what is to be done, its strings CONF's and INFO's. What a person chose
 * beyond that (a CPU mode, or a profile where Expose= names none) stays; a profile that nestd.conf named goes with it.
 */
bool guest_policy_wish(const struct conf *conf, const struct domain_info *info, enum extension extension,
                       struct guest_wish *ret);
/* Does nestd.conf say anything of guests at all? Without it nestd needs no libvirt. */
bool guest_policy_any(const struct conf *conf);
