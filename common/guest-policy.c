/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fnmatch.h>
#include <strings.h>

#include "guest-policy.h"

/* libvirt allows ':' in a name, so a profile is what follows the last one and has none of a pattern's characters. */
static bool matches(const char *word, const char *name, const char *uuid, const char **ret_profile) {
    char pattern[256];
    const char *colon = strrchr(word, ':');
    size_t n = colon ? (size_t)(colon - word) : strlen(word);

    if (fnmatch(word, name, 0) == 0 || strcasecmp(word, uuid) == 0) {
        *ret_profile = NULL;
        return true;
    }
    if (!colon || n >= sizeof(pattern))
        return false;
    memcpy(pattern, word, n);
    pattern[n] = 0;
    *ret_profile = colon + 1;
    return fnmatch(pattern, name, 0) == 0 || strcasecmp(pattern, uuid) == 0;
}

enum guest_policy guest_policy(const struct conf *conf, const char *name, const char *uuid, const char **ret_profile) {
    const char *profile = NULL;
    for (char **w = conf->expose; w && *w; w++)
        if (matches(*w, name, uuid, &profile)) {
            if (ret_profile)
                *ret_profile = profile;
            return GUEST_POLICY_EXPOSE;
        }
    for (char **w = conf->hide; w && *w; w++)
        if (matches(*w, name, uuid, &profile))
            return GUEST_POLICY_HIDE;
    return GUEST_POLICY_NONE;
}

/* Does what was chosen include what Expose= says of the profile? */
static bool has_profile(const struct domain_info *info, const char *profile) {
    const struct guest_wish *had = &info->mark.wish;
    return profile ? streq_ptr(had->profile, profile) && !info->lacking : !had->profile || !had->by_conf;
}

bool guest_policy_wish(const struct conf *conf, const struct domain_info *info, enum extension extension,
                       struct guest_wish *ret) {
    const struct guest_wish *had = &info->mark.wish;
    const char *profile = NULL;
    enum guest_policy policy = guest_policy(conf, info->name, info->uuid, &profile);
    struct guest_wish w = {.action = policy == GUEST_POLICY_HIDE ? GUEST_HIDE : GUEST_EXPOSE, .extension = extension};

    if (policy == GUEST_POLICY_NONE || (policy == GUEST_POLICY_HIDE && info->nest == NEST_NO))
        return false;
    if (policy == GUEST_POLICY_EXPOSE) {
        bool chosen = info->marked && had->action == GUEST_EXPOSE;
        /* A transient guest cannot be given our mark. */
        if (info->nest == NEST_CONFIGURED && (chosen ? has_profile(info, profile) : !info->persistent && !profile))
            return false;
        bool kept = chosen && !profile && had->profile && !had->by_conf;
        w.mode = chosen ? had->mode : CPU_KEEP;
        w.model = chosen ? had->model : NULL;
        w.profile = kept ? had->profile : profile;
        w.by_conf = !kept;
    }
    *ret = w;
    return true;
}

bool guest_policy_any(const struct conf *conf) {
    return (conf->expose && *conf->expose) || (conf->hide && *conf->hide);
}
