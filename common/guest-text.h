/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A document's bytes seen as UTF-8, without losing where each character came from: what is edited as UTF-8 is spliced
 * into the original bytes, so that byte order mark, encoding and everything not edited survive.
 */
#pragma once

#include "macros.h"

/* libvirt's own limit on a string sent to it (REMOTE_STRING_MAX, src/remote/remote_protocol.x). */
#define GUEST_TEXT_MAX (4U * 1024 * 1024)

enum text_encoding { TEXT_UTF8, TEXT_UTF16LE, TEXT_UTF16BE, TEXT_SINGLE_BYTE };

struct guest_text {
    const char *raw; /* the caller's bytes, not copied */
    size_t raw_len;
    enum text_encoding encoding;
    char *charset;      /* as the XML declaration names it, or NULL */
    uint32_t *table;    /* TEXT_SINGLE_BYTE: Unicode of each of the 256 bytes, or UINT32_MAX */
    size_t bom;         /* bytes of byte order mark in raw */
    const char *utf8;   /* NUL-terminated; points into raw_copy or converted */
    size_t len;
    char *converted;    /* owned */
    uint32_t *map;      /* raw offset of each UTF-8 offset (len + 1 entries), or NULL: the same plus bom */
};

/* Replace LEN bytes of the UTF-8 text at AT by TEXT. Splices are sorted and do not overlap. */
struct text_splice {
    size_t at, len;
    char *text; /* owned, UTF-8 */
};

/*
 * RAW must outlive the result. Accepts UTF-8, UTF-16 with or without byte order mark, and every single-byte superset
 * of ASCII that iconv(3) knows. Errors: -E2BIG over GUEST_TEXT_MAX, -EILSEQ not valid in its encoding (or holds NUL),
 * -ENOTSUP an encoding of another kind, -ENOMEM.
 */
int guest_text_open(const char *raw, size_t raw_len, struct guest_text *ret);
void guest_text_done(struct guest_text *text);

/* The original bytes with the splices made. Errors: -EILSEQ when the encoding cannot express a splice, -ENOMEM. */
int guest_text_splice(const struct guest_text *text, const struct text_splice *splices, size_t n, char **ret,
                      size_t *ret_len);

void text_splices_free(struct text_splice *splices, size_t n);

#define _cleanup_guest_text_ _cleanup_(guest_text_done)
