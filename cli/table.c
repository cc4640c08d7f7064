/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libsmartcols/libsmartcols.h>
#include "nestctl.h"
#include "table.h"

DEFINE_CLEANUP(struct libscols_table *, scols_unref_table)

/* Valid until ROW changes. */
static const char *cell_text(struct json_object *row, const char *key) {
    struct json_object *value;

    if (!json_object_is_type(row, json_type_object) || !json_object_object_get_ex(row, key, &value))
        return "-";
    switch (json_object_get_type(value)) {
    case json_type_string:
    case json_type_int:
        return *json_object_get_string(value) ? json_object_get_string(value) : "-";
    case json_type_boolean:
        return json_object_get_boolean(value) ? "yes" : "no";
    default:
        return "-";
    }
}

static int add_row(struct libscols_table *table, struct json_object *row, const struct column *columns, size_t n) {
    struct libscols_line *line = scols_table_new_line(table, NULL);
    int r = line ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++) {
        const char *text = cell_text(row, columns[i].key);

        r = scols_line_set_data(line, i, text);
        if (r == 0 && columns[i].colour && colour_name(COLOUR_BOLD))
            r = scols_cell_set_color(scols_line_get_cell(line, i), columns[i].colour(text));
    }
    return r;
}

int put_table(struct json_object *rows, const struct column *columns, size_t n_columns) {
    _cleanup_(scols_unref_tablep) struct libscols_table *table = scols_new_table();
    int r = table ? 0 : -ENOMEM;

    for (size_t i = 0; i < n_columns && r == 0; i++)
        if (!scols_table_new_column(table, columns[i].title, 0, columns[i].truncate ? SCOLS_FL_TRUNC : 0))
            r = -ENOMEM;
    for (size_t i = 0; i < json_object_array_length(rows) && r == 0; i++)
        r = add_row(table, json_object_array_get_idx(rows, i), columns, n_columns);
    if (r == 0) {
        scols_table_enable_colors(table, colour_name(COLOUR_BOLD) != NULL);
        r = scols_print_table(table);
    }
    return r > 0 ? -r : r;
}
