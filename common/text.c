/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

/* The length of the well-formed character at S (RFC 3629: no overlong forms, no surrogates), 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t n) {
    static const struct { unsigned char from, to, second_from, second_to, length; } forms[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
        { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
        { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };

    if (s[0] < 0x80)
        return 1;
    FOREACH_ARRAY(f, forms, ELEMENTSOF(forms)) {
        if (s[0] < f->from || s[0] > f->to)
            continue;
        if (n < f->length || s[1] < f->second_from || s[1] > f->second_to)
            return 0;
        for (size_t i = 2; i < f->length; i++)
            if ((s[i] & 0xC0) != 0x80)
                return 0;
        return f->length;
    }
    return 0;
}

/* C0, DEL and C1 controls could steer the reader's terminal. */
static bool is_control(const unsigned char *s) {
    return s[0] < 0x20 || s[0] == 0x7F || (s[0] == 0xC2 && s[1] < 0xA0);
}

char *text_clean(const char *s, size_t size, size_t max) {
    const unsigned char *p = (const unsigned char *)s;
    size_t n = size == SIZE_MAX ? strnlen(s, max + 3) : size, out = 0; /* room for a character begun before MAX */
    char *r = malloc((n < max ? n : max) + 1);

    if (!r)
        return NULL;
    for (size_t i = 0, step; i < n && out < max; i += step) {
        size_t length = utf8_length(p + i, n - i);

        step = length ? length : 1;
        if (!length || is_control(p + i)) {
            r[out++] = p[i] == '\t' ? ' ' : '?';
            continue;
        }
        if (out + length > max)
            break;
        memcpy(r + out, p + i, length);
        out += length;
    }
    r[out] = '\0';
    return r;
}

char *text_vformat(const char *format, va_list ap) {
    char *r;

    return vasprintf(&r, format, ap) < 0 ? NULL : r;
}

char *text_format(const char *format, ...) {
    va_list ap;

    va_start(ap, format);
    char *r = text_vformat(format, ap);
    va_end(ap);
    return r;
}

size_t text_word(const char **s, const char *separators, const char **word) {
    *s += strspn(*s, separators);
    size_t n = strcspn(*s, separators);
    *word = *s;
    *s += n;
    return n;
}

bool text_has_word(const char *s, const char *separators, const char *word) {
    const char *w;
    size_t n, length = strlen(word);

    while (s && (n = text_word(&s, separators, &w)) > 0)
        if (n == length && memcmp(w, word, n) == 0)
            return true;
    return false;
}

bool text_same_name(const char *a, const char *b) {
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

int text_to_unsigned(const char *s, unsigned *ret) {
    unsigned value = 0;

    if (!*s)
        return -EINVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10U, &value) || __builtin_add_overflow(value, (unsigned)(*s - '0'), &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

int list_grow(void *list, size_t n, size_t size) {
    void *grown;

    /* Full exactly at powers of two. */
    if (n & (n - 1))
        return 0;
    if (!(grown = reallocarray(*(void **)list, n ? 2 * n : 1, size)))
        return -ENOMEM;
    *(void **)list = grown;
    return 0;
}

int strings_push(char ***list, size_t *n, char *s) {
    if (!s || list_grow(list, *n, sizeof(char *)) < 0) {
        free(s);
        return -ENOMEM;
    }
    (*list)[(*n)++] = s;
    return 0;
}

void strings_free(char **list, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}
