/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <iconv.h>

#include "guest-text.h"

#define NOT_A_CHARACTER UINT32_MAX

/* Decodes one UTF-8 character of at most N bytes: its length, or 0 when it is not one (RFC 3629). */
static size_t utf8_decode(const unsigned char *s, size_t n, uint32_t *ret) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    uint32_t c = len == 1 ? s[0] : s[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *ret = c;
    return len;
}

/* Appends C to OUT (room for 4 bytes): the number of bytes. */
static size_t utf8_encode(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00 >> len) | c);
    return len;
}

static size_t utf16_unit(const struct guest_text *t, size_t at) {
    const unsigned char *p = (const unsigned char *)t->raw + at;
    return t->encoding == TEXT_UTF16LE ? p[0] | (size_t)p[1] << 8 : (size_t)p[0] << 8 | p[1];
}

/* One character of the original bytes at AT: its length, or 0. */
static size_t raw_decode(const struct guest_text *t, size_t at, uint32_t *ret) {
    const unsigned char *p = (const unsigned char *)t->raw + at;
    size_t n = t->raw_len - at;

    switch (t->encoding) {
    case TEXT_UTF8:
        return utf8_decode(p, n, ret);
    case TEXT_SINGLE_BYTE:
        *ret = t->table[p[0]];
        return *ret == NOT_A_CHARACTER ? 0 : 1;
    case TEXT_UTF16LE:
    case TEXT_UTF16BE:
        if (n < 2)
            return 0;
        uint32_t unit = utf16_unit(t, at);
        if (unit < 0xd800 || unit >= 0xe000) {
            *ret = unit;
            return 2;
        }
        uint32_t low = n < 4 ? 0 : utf16_unit(t, at + 2);
        if (unit >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
            return 0;
        *ret = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return 4;
    }
    return 0;
}

/* The other way round, into OUT (room for 4 bytes): the number of bytes, or 0 when the encoding lacks C. */
static size_t raw_encode(const struct guest_text *t, uint32_t c, char *out) {
    uint32_t units[2] = {c};
    size_t n = 1;

    switch (t->encoding) {
    case TEXT_UTF8:
        return utf8_encode(c, out);
    case TEXT_SINGLE_BYTE:
        for (size_t i = 0; i < 256; i++)
            if (t->table[i] == c) {
                out[0] = (char)i;
                return 1;
            }
        return 0;
    case TEXT_UTF16LE:
    case TEXT_UTF16BE:
        if (c >= 0x10000) {
            units[0] = 0xd800 + ((c - 0x10000) >> 10);
            units[1] = 0xdc00 + ((c - 0x10000) & 0x3ff);
            n = 2;
        }
        for (size_t i = 0; i < n; i++) {
            bool le = t->encoding == TEXT_UTF16LE;
            out[2 * i + (le ? 0 : 1)] = (char)(units[i] & 0xff);
            out[2 * i + (le ? 1 : 0)] = (char)(units[i] >> 8);
        }
        return 2 * n;
    }
    return 0;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Finds encoding="NAME" in the XML declaration at the start of S (XML 1.0, 4.3.3). */
static bool find_encoding_declaration(const char *s, size_t n, size_t *ret_at, size_t *ret_len, char **ret_name) {
    if (n < 6 || memcmp(s, "<?xml", 5) != 0 || !is_space(s[5]))
        return false;
    const char *end = memmem(s, n < 1024 ? n : 1024, "?>", 2);
    if (!end)
        return false;
    const char *p = memmem(s, end - s, "encoding", 8);
    if (!p || !is_space(p[-1]))
        return false;
    const char *q = p + 8;
    while (q < end && is_space(*q))
        q++;
    if (q == end || *q++ != '=')
        return false;
    while (q < end && is_space(*q))
        q++;
    if (q == end || (*q != '"' && *q != '\''))
        return false;
    const char *close = memchr(q + 1, *q, end - q - 1);
    if (!close || close == q + 1)
        return false;
    for (const char *c = q + 1; c < close; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c))
            return false;
    if (!(*ret_name = strndup(q + 1, close - q - 1)))
        return false;
    *ret_at = p - s;
    *ret_len = close + 1 - p;
    return true;
}

/* Unicode of each byte of a single-byte charset. -ENOTSUP unless it is a superset of ASCII and reversible. */
static int make_table(const char *charset, uint32_t **ret) {
    _cleanup_free_ uint32_t *table = calloc(256, sizeof(*table));
    if (!table)
        return -ENOMEM;
    iconv_t cd = iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1)
        return -ENOTSUP;
    int r = 0;
    for (unsigned i = 0; i < 256 && r == 0; i++) {
        char in = (char)i, out[16], *ip = &in, *op = out;
        size_t in_left = 1, out_left = sizeof(out);
        iconv(cd, NULL, NULL, NULL, NULL);
        table[i] = NOT_A_CHARACTER;
        if (i == 0 || iconv(cd, &ip, &in_left, &op, &out_left) == (size_t)-1)
            continue;
        size_t len = op - out;
        if (len == 0 || utf8_decode((unsigned char *)out, len, &table[i]) != len || (i < 128 && table[i] != i))
            r = -ENOTSUP;
        for (unsigned j = 0; j < i && r == 0; j++)
            if (table[j] == table[i] && table[i] != NOT_A_CHARACTER)
                r = -ENOTSUP;
    }
    iconv_close(cd);
    if (r == 0 && table['<'] != '<')
        r = -ENOTSUP;
    if (r == 0)
        *ret = TAKE_PTR(table);
    return r;
}

static void detect(struct guest_text *t) {
    const unsigned char *p = (const unsigned char *)t->raw;
    size_t n = t->raw_len;

    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        t->bom = 3;
    else if (n >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) {
        t->bom = 2;
        t->encoding = p[0] == 0xff ? TEXT_UTF16LE : TEXT_UTF16BE;
    } else if (n >= 4 && p[0] == '<' && p[1] == 0)
        t->encoding = TEXT_UTF16LE;
    else if (n >= 4 && p[0] == 0 && p[1] == '<')
        t->encoding = TEXT_UTF16BE;
}

/* Makes the UTF-8 copy and, where offsets differ, the map back. */
static int convert(struct guest_text *t) {
    bool same = t->encoding == TEXT_UTF8;
    size_t room = (t->raw_len - t->bom) * (same ? 1 : t->encoding == TEXT_SINGLE_BYTE ? 3 : 2) + 1, n = 0;

    free(t->converted);
    if (!(t->converted = malloc(room)))
        return -ENOMEM;
    if (!same && !(t->map = malloc((room + 4) * sizeof(*t->map))))
        return -ENOMEM;
    for (size_t at = t->bom; at < t->raw_len;) {
        char out[4];
        uint32_t c;
        size_t used = raw_decode(t, at, &c);
        if (used == 0 || c == 0)
            return -EILSEQ;
        size_t len = utf8_encode(c, out);
        if (n + len >= room)
            return -ENOTSUP;
        memcpy(t->converted + n, out, len);
        for (size_t i = 0; !same && i < len; i++)
            t->map[n + i] = (uint32_t)at;
        n += len;
        at += used;
    }
    t->converted[n] = 0;
    if (!same)
        t->map[n] = (uint32_t)t->raw_len;
    t->utf8 = t->converted;
    t->len = n;
    return 0;
}

int guest_text_open(const char *raw, size_t raw_len, struct guest_text *ret) {
    _cleanup_guest_text_ struct guest_text t = {.raw = raw, .raw_len = raw_len};
    size_t at, len;
    int r;

    if (raw_len > GUEST_TEXT_MAX)
        return -E2BIG;
    detect(&t);
    bool declared = t.encoding == TEXT_UTF8 &&
                    find_encoding_declaration(raw + t.bom, raw_len - t.bom, &at, &len, &t.charset);
    if (declared && strcasecmp(t.charset, "UTF-8") != 0 && strcasecmp(t.charset, "UTF8") != 0) {
        /* A byte order mark says UTF-8 whatever is declared; do not guess which of the two is right. */
        if (t.bom > 0)
            return -ENOTSUP;
        if ((r = make_table(t.charset, &t.table)) < 0)
            return r;
        t.encoding = TEXT_SINGLE_BYTE;
    }
    if ((r = convert(&t)) < 0)
        return r;

    /* The parser gets UTF-8: it must not convert again because of the declaration. Same length, so offsets hold. */
    if (!declared)
        declared = find_encoding_declaration(t.utf8, t.len, &at, &len, &t.charset);
    if (declared)
        memset(t.converted + at, ' ', len);
    *ret = t;
    t = (struct guest_text){};
    return 0;
}

void guest_text_done(struct guest_text *t) {
    free(t->charset);
    free(t->table);
    free(t->converted);
    free(t->map);
    *t = (struct guest_text){};
}

static size_t raw_offset(const struct guest_text *t, size_t at) {
    return t->map ? t->map[at] : at + t->bom;
}

int guest_text_splice(const struct guest_text *t, const struct text_splice *splices, size_t n, char **ret,
                      size_t *ret_len) {
    size_t room = t->raw_len + 1, len = 0, from = 0;

    FOREACH_ARRAY(s, splices, n)
        room += 4 * strlen(s->text);
    _cleanup_free_ char *out = malloc(room);
    if (!out)
        return -ENOMEM;
    FOREACH_ARRAY(s, splices, n) {
        size_t start = raw_offset(t, s->at);
        memcpy(out + len, t->raw + from, start - from);
        len += start - from;
        size_t left = strlen(s->text);
        for (const char *p = s->text; left > 0;) {
            uint32_t c;
            size_t used = utf8_decode((const unsigned char *)p, left, &c);
            size_t made = used == 0 ? 0 : raw_encode(t, c, out + len);
            if (made == 0)
                return -EILSEQ;
            len += made;
            p += used;
            left -= used;
        }
        from = raw_offset(t, s->at + s->len);
    }
    memcpy(out + len, t->raw + from, t->raw_len - from);
    len += t->raw_len - from;
    out[len] = 0;
    *ret = TAKE_PTR(out);
    *ret_len = len;
    return 0;
}

void text_splices_free(struct text_splice *splices, size_t n) {
    FOREACH_ARRAY(s, splices, n)
        free(s->text);
    free(splices);
}
