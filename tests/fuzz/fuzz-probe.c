/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host made of any bytes at all: probe, configuration, verdict and JSON keep their promises (support-probe.c).
 * The input is a list of files, each a byte that chooses the path (probed_paths, from 'A'), its content, and a byte 0xFF.
 */
#include "tests/unit/support-probe.h"
#include "tests/unit/support-root.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char *dir;
static size_t n_paths;

static void clean_up(void) {
    temp_root_free(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    if (!getenv("TMPDIR"))
        setenv("TMPDIR", "/dev/shm", 1); /* files that never see a disk */
    dir = temp_root_new();
    atexit(clean_up);
    temp_root_puts(dir, "/proc/sys/kernel/osrelease", PROBED_KERNEL "\n");
    while (probed_paths[n_paths])
        n_paths++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t written = 0;

    _Static_assert(sizeof(written) * 8 >= 64, "a bit for each path");
    for (const uint8_t *p = data, *end = data + size; p < end;) {
        size_t path = (size_t)(*p++ - 'A') % n_paths;
        const uint8_t *stop = memchr(p, 0xFF, end - p);
        size_t n = stop ? (size_t)(stop - p) : (size_t)(end - p);

        /* The one path that is a directory for others, and would be in their way. */
        if (!streq(probed_paths[path], "/sys/module/vboxdrv") && path < 64) {
            temp_root_write(dir, probed_paths[path], p, n);
            written |= UINT64_C(1) << path;
        }
        p += n + (stop != NULL);
    }
    const char *broken = study_root(dir);
    if (broken) {
        fprintf(stderr, "broken: %s\n", broken);
        abort();
    }
    for (size_t i = 0; i < n_paths; i++)
        if (written & UINT64_C(1) << i) {
            _cleanup_free_ char *full = text_format("%s%s", dir, probed_paths[i]);
            unlink(full);
        }
    return 0;
}
