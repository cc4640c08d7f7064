/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people, by libsmartcols. */
#pragma once

#include <json-c/json.h>
#include "macros.h"

struct column {
    const char *title;
    const char *key;  /* the member of each row that it shows */
    bool truncate;    /* on a terminal, the one that gives way */
    /* How a value is coloured: returns a libsmartcols colour or NULL. */
    const char *(*colour)(const char *value);
};

/* ROWS: an array of objects. Cells are strings, numbers and booleans; anything else is "-". Negative errno. */
int put_table(struct json_object *rows, const struct column *columns, size_t n_columns);
