/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support-root.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>

#include "text.h"

char *temp_root_new(void) {
    const char *tmp = getenv("TMPDIR");
    char *dir = text_format("%s/nestd-test.XXXXXX", tmp ? tmp : "/tmp");

    assert(dir && mkdtemp(dir));
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

void temp_root_free(char *dir) {
    if (dir)
        assert(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    free(dir);
}

static char *make_parents(const char *dir, const char *path) {
    char *full = text_format("%s%s", dir, path);

    assert(full);
    for (char *slash = full + strlen(dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert(mkdir(full, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    return full;
}

void temp_root_write(const char *dir, const char *path, const void *data, size_t size) {
    _cleanup_free_ char *full = make_parents(dir, path);
    _cleanup_fclose_ FILE *f = fopen(full, "w");

    assert(f && fwrite(data, 1, size, f) == size);
}

void temp_root_puts(const char *dir, const char *path, const char *text) {
    temp_root_write(dir, path, text, strlen(text));
}

void temp_root_link(const char *dir, const char *target, const char *path) {
    _cleanup_free_ char *full = make_parents(dir, path);

    assert(symlink(target, full) == 0);
}
