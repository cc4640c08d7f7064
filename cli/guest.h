/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest verbs share. All functions that return int return an exit code and have told what went wrong. */
#pragma once

#include "guest-rewrite.h"
#include "nestctl.h"

/* The exit code of an engine error, which is told as "nestctl: THING: WHY". WHY may be NULL. */
int guest_fail(int error, const char *thing, const char *why);
/* --extension, or what this host or --root has. */
int guest_extension(const struct options *options, enum extension *ret);
/* The wish that the options say; its strings are theirs. */
int guest_wish_parse(const struct options *options, enum guest_action action, struct guest_wish *ret);
/* { "extension", "nest", "mode", "model", "wish", "profile" } of a definition, into O. */
void guest_describe_doc(const struct guest_doc *doc, enum extension extension, struct json_object *o);
/* An array of strings. */
struct json_object *guest_notes_json(char *const *notes);

/* "key: value" lines. */
void guest_put_members(struct json_object *o);

/* --file */
int guest_file(const struct options *options, const char *what);
