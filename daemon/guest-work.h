/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What workers do with guests; libvirt is loaded there and gone with them. Each is a task_func_t whose argument is a struct
 * guest_order. On failure the result is { "why": TEXT, "name" }, and r: -ENOENT no such guest, -EINVAL the wish makes no sense,
 * -EOPNOTSUPP this guest or host cannot do it, -EAGAIN somebody else changed it at that moment. */
#pragma once

#include "common/domain.h"
#include "task.h"

struct guest_order {
    const char *root_path;
    const char *name; /* a name, UUID or id; NULL: */
    const char *uuid;
    struct guest_wish wish;
};

/* VIEW: { "facts": domain_info_to_json(), "exposed": "no|configured|live" }, as libvirt's read-only socket tells. */
/* { "guests": [VIEW] } */
struct json_object *guest_view_new(const struct domain_info *info, enum extension extension); /* guest-view.c */
/* The view of one guest over C, as the read-only socket tells it. Errors, with *ret_why: those of domain_read(). */
int guest_view(const struct domain_conn *c, virDomainPtr dom, enum extension extension, struct json_object **ret,
               char **ret_why);
int work_list_guests(struct worker *w, const void *order, struct json_object **ret);
/* { "guest": VIEW } */
int work_read_guest(struct worker *w, const void *order, struct json_object **ret);
/* { "guest": VIEW }, and fails as the change would; changes nothing. */
int work_plan_guest(struct worker *w, const void *order, struct json_object **ret);
/* { "before": VIEW, "guest": VIEW, "text": domain_change_to_json() } */
int work_change_guest(struct worker *w, const void *order, struct json_object **ret);
/* { "text": guest_audit() }; the argument is a struct order */
int work_audit(struct worker *w, const void *order, struct json_object **ret);
