/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nestctl.h"

enum { WORD_MAX_LEN = 32 };

/* Optimal string alignment distance: insertions, deletions, substitutions, swapped neighbours. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m) {
    unsigned rows[3][WORD_MAX_LEN + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            unsigned d = last[j - 1] + (a[i - 1] != b[j - 1]);

            if (last[j] + 1 < d)
                d = last[j] + 1;
            if (row[j - 1] + 1 < d)
                d = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < d)
                d = before[j - 2] + 1;
            row[j] = d;
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[m];
}

const char *suggest(const char *word, const char *const *candidates, size_t n) {
    size_t length = strlen(word);
    const char *best = NULL;
    unsigned least = UINT32_MAX;

    if (length == 0 || length > WORD_MAX_LEN)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(candidates[i]);
        unsigned d;

        if (m > WORD_MAX_LEN)
            continue;
        /* What was begun right counts as near, however much is missing: "stat", "dry". */
        d = length >= 3 && strncmp(candidates[i], word, length) == 0 ? 1 : distance(word, length, candidates[i], m);
        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    /* Further than a third of what was typed is a guess, not a typing error. */
    return least <= 1 + length / 3 && least < length ? best : NULL;
}
