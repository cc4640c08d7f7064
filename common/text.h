/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings and string lists. What was read from a machine may be anything; what we hand on is valid, printable UTF-8. */
#pragma once

#include <stdarg.h>
#include "macros.h"

/* A copy of S (SIZE bytes, or SIZE_MAX: up to its NUL) of at most MAX bytes that is valid UTF-8 without control
 * characters: what is neither becomes '?'. Cut only between characters. NULL: -ENOMEM. The caller frees. */
char *text_clean(const char *s, size_t size, size_t max);
#define TEXT_MAX 1024 /* a sensible MAX for one line shown to a person */

/* asprintf that returns NULL on failure. The caller frees. */
char *text_format(const char *format, ...) _printf_(1, 2);
char *text_vformat(const char *format, va_list ap) _printf_(1, 0);

/* The words of S, divided by any of SEPARATORS: returns the next one's length and sets *WORD, or 0 at the end. */
size_t text_word(const char **s, const char *separators, const char **word);
/* Is WORD one of the words of S? */
bool text_has_word(const char *s, const char *separators, const char *word);
/* Module and parameter names are the same with '-' and '_'. */
bool text_same_name(const char *a, const char *b);
/* A decimal number that fits and nothing behind it, or -EINVAL / -ERANGE. */
int text_to_unsigned(const char *s, unsigned *ret);

/* A list that grows by one: *LIST has room for one more element of SIZE bytes after this. -ENOMEM. */
int list_grow(void *list, size_t n, size_t size);
/* Takes S over, also on failure; S NULL: -ENOMEM. */
int strings_push(char ***list, size_t *n, char *s);
void strings_free(char **list, size_t n);
