/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxml2's parser, opened when first needed: loading it (ICU) costs more than all of `nestctl status`. */
#pragma once

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "macros.h"

/* Every libxml2 function nestd calls; add a line to use another. */
#define LIBXML2_SYMBOLS(X)                                                                                   \
    X(xmlByteConsumed)                                                                                       \
    X(xmlCreateMemoryParserCtxt)                                                                             \
    X(xmlCtxtGetLastError)                                                                                   \
    X(xmlCtxtUseOptions)                                                                                     \
    X(xmlFreeParserCtxt)                                                                                     \
    X(xmlInitParser)                                                                                         \
    X(xmlParseDocument)                                                                                      \
    X(xmlStopParser)

struct libxml2 {
#define X(symbol) typeof(symbol) *symbol;
    LIBXML2_SYMBOLS(X)
#undef X
};

/* Opens the library at the first call; *ret lives as long as the process. Errors: -ENOPKG, -ELIBBAD (dl_load). */
int libxml2_load(const struct libxml2 **ret);
