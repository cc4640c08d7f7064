/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "line-diff.h"

#define CONTEXT 3
/* The middle that differs is compared line by line in a table up to this size; beyond it is one replacement. */
#define TABLE_MAX (4U * 1024 * 1024)

struct lines {
    struct line {
        const char *s;
        size_t len; /* with the newline */
    } *line;
    size_t n;
};

static int split(const char *s, size_t len, struct lines *ret) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += s[i] == '\n' || i + 1 == len;
    struct lines l = {calloc(n + 1, sizeof(*l.line)), n};
    if (!l.line)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *nl = memchr(s, '\n', len);
        size_t used = nl ? (size_t)(nl - s) + 1 : len;
        l.line[i] = (struct line){s, used};
        s += used;
        len -= used;
    }
    *ret = l;
    return 0;
}

static bool same(const struct line *a, const struct line *b) {
    return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
}

/* Which lines of A and of B have a partner in the other (a longest common subsequence). */
static int match(const struct lines *a, const struct lines *b, bool *a_kept, bool *b_kept) {
    size_t head = 0, tail = 0;
    while (head < a->n && head < b->n && same(&a->line[head], &b->line[head]))
        a_kept[head] = b_kept[head] = true, head++;
    while (tail < a->n - head && tail < b->n - head &&
           same(&a->line[a->n - tail - 1], &b->line[b->n - tail - 1])) {
        a_kept[a->n - tail - 1] = b_kept[b->n - tail - 1] = true;
        tail++;
    }
    size_t n = a->n - head - tail, m = b->n - head - tail, width = m + 1;
    if (n == 0 || m == 0 || (n + 1) > TABLE_MAX / width)
        return 0;
    _cleanup_free_ uint32_t *common = calloc((n + 1) * width, sizeof(*common));
    if (!common)
        return -ENOMEM;
    for (size_t i = n; i-- > 0;)
        for (size_t j = m; j-- > 0;) {
            uint32_t down = common[(i + 1) * width + j], right = common[i * width + j + 1];
            common[i * width + j] = same(&a->line[head + i], &b->line[head + j])
                                        ? common[(i + 1) * width + j + 1] + 1
                                        : down > right ? down : right;
        }
    for (size_t i = 0, j = 0; i < n && j < m;) {
        if (same(&a->line[head + i], &b->line[head + j]))
            a_kept[head + i++] = b_kept[head + j++] = true;
        else if (common[(i + 1) * width + j] >= common[i * width + j + 1])
            i++;
        else
            j++;
    }
    return 0;
}

static void put(FILE *f, char sign, const struct line *l) {
    fprintf(f, "%c%.*s", sign, (int)l->len, l->s);
    if (l->len == 0 || l->s[l->len - 1] != '\n')
        fputs("\n\\ No newline at end of file\n", f);
}

/* One hunk from line I of A and J of B, which stand CONTEXT or fewer lines before a difference; moves both on. */
static void hunk(FILE *f, const struct lines *a, const struct lines *b, const bool *a_kept, const bool *b_kept,
                 size_t *i, size_t *j) {
    size_t ei = *i, ej = *j, quiet = 0;
    while ((ei < a->n || ej < b->n) && quiet <= 2 * CONTEXT) {
        bool pair = ei < a->n && a_kept[ei] && ej < b->n && b_kept[ej];
        quiet = pair ? quiet + 1 : 0;
        if (pair)
            ei++, ej++;
        else if (ei < a->n && !a_kept[ei])
            ei++;
        else
            ej++;
    }
    size_t surplus = quiet > CONTEXT ? quiet - CONTEXT : 0;
    ei -= surplus;
    ej -= surplus;
    fprintf(f, "@@ -%zu,%zu +%zu,%zu @@\n", *i + (ei > *i), ei - *i, *j + (ej > *j), ej - *j);
    while (*i < ei || *j < ej) {
        if (*i < ei && !a_kept[*i])
            put(f, '-', &a->line[(*i)++]);
        else if (*j < ej && !b_kept[*j])
            put(f, '+', &b->line[(*j)++]);
        else {
            put(f, ' ', &a->line[(*i)++]);
            (*j)++;
        }
    }
}

int line_diff(const char *before, size_t before_len, const char *after, size_t after_len, char **ret) {
    struct lines a = {}, b = {};
    _cleanup_free_ bool *a_kept = NULL, *b_kept = NULL;
    _cleanup_free_ char *out = NULL;
    size_t size;
    FILE *f = NULL;

    int r = split(before, before_len, &a);
    if (r >= 0)
        r = split(after, after_len, &b);
    if (r >= 0 && (!(a_kept = calloc(a.n + 1, 1)) || !(b_kept = calloc(b.n + 1, 1)) ||
                   !(f = open_memstream(&out, &size))))
        r = -ENOMEM;
    if (r >= 0)
        r = match(&a, &b, a_kept, b_kept);
    for (size_t i = 0, j = 0; r >= 0 && (i < a.n || j < b.n);) {
        size_t quiet = 0;
        while (i + quiet < a.n && j + quiet < b.n && a_kept[i + quiet] && b_kept[j + quiet])
            quiet++;
        if (i + quiet == a.n && j + quiet == b.n)
            break;
        size_t skip = quiet > CONTEXT ? quiet - CONTEXT : 0;
        i += skip;
        j += skip;
        hunk(f, &a, &b, a_kept, b_kept, &i, &j);
    }
    if (f && fclose(f) != 0 && r >= 0)
        r = -ENOMEM;
    free(a.line);
    free(b.line);
    if (r >= 0)
        *ret = TAKE_PTR(out);
    return r;
}
