/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine made of files: a temporary directory to open as a sysroot. */
#pragma once

#include "sysroot.h"

/* Makes a directory below $TMPDIR; the caller frees what it returns with temp_root_free(), which removes it all. */
char *temp_root_new(void);
void temp_root_free(char *dir);
/* Writes a file, and its parents. Mode 0644. */
void temp_root_write(const char *dir, const char *path, const void *data, size_t size);
void temp_root_puts(const char *dir, const char *path, const char *text);
void temp_root_link(const char *dir, const char *target, const char *path);
