/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and writing below a sysroot: bounds, kinds of file, and no way out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/xattr.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "sysroot.h"
#include "tests/unit/support-root.h"
#include "text.h"

static int setup(void **state) {
    *state = temp_root_new();
    return 0;
}

static int teardown(void **state) {
    temp_root_free(*state);
    return 0;
}

static void test_open(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;

    assert_int_equal(sysroot_open("/nonexistent", &root), -ENOENT);
    temp_root_puts(*state, "/file", "");
    _cleanup_free_ char *file = text_format("%s/file", (char *)*state);
    assert_int_equal(sysroot_open(file, &root), -ENOTDIR);
    assert_null(root);
    assert_int_equal(sysroot_open(NULL, &root), 0);
    assert_true(root->live);
}

static void test_read(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_free_ char *text = NULL, *fifo = text_format("%s/fifo", (char *)*state);
    char big[5000];
    size_t size;

    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_false(root->live);
    temp_root_write(*state, "/d/f", "a\0b\n", 4);
    assert_int_equal(sysroot_read(root, "/d/f", 3, &text, &size), -EFBIG);
    assert_null(text);
    assert_int_equal(sysroot_read(root, "/d/f", 4, &text, &size), 0);
    assert_int_equal(size, 4);
    assert_memory_equal(text, "a\0b\n", 5);
    assert_int_equal(sysroot_read_line(root, "/d/f", &text), -EBADMSG);
    assert_int_equal(sysroot_read(root, "/d", 10, &text, NULL), -EISDIR);
    assert_int_equal(sysroot_read(root, "/none", 10, &text, NULL), -ENOENT);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_int_equal(sysroot_read(root, "/fifo", 10, &text, NULL), -EBADF);

    freep(&text);
    text = NULL;
    temp_root_puts(*state, "/line", "  N \n");
    assert_int_equal(sysroot_read_line(root, "/line", &text), 0);
    assert_string_equal(text, "  N ");
    memset(big, 'x', sizeof(big));
    temp_root_write(*state, "/long", big, 4096);
    freep(&text);
    text = NULL;
    assert_int_equal(sysroot_read_line(root, "/long", &text), -EBADMSG);
    temp_root_write(*state, "/long", big, 4095);
    assert_int_equal(sysroot_read_line(root, "/long", &text), 0);
    assert_int_equal(strlen(text), 4095);
}

/* A procfs file does not say how large it is. */
static void test_read_proc(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size;

    assert_int_equal(sysroot_open("/", &root), 0);
    assert_int_equal(sysroot_read(root, "/proc/cpuinfo", 64 << 20, &text, &size), 0);
    assert_true(size > 0 && strlen(text) == size);
    freep(&text);
    text = NULL;
    assert_int_equal(sysroot_read(root, "/proc/cpuinfo", size - 1, &text, NULL), -EFBIG);
}

static void test_lines(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    static char text[100000];
    struct lines lines;
    char *line;

    /* One line that is longer than the buffer, short ones around it, and no newline at the end. */
    memset(text, 'x', sizeof(text));
    memcpy(text, "first\n\n", 7);
    memcpy(text + 90000, "\nlast", 5);
    temp_root_write(*state, "/f", text, 90005);
    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_int_equal(lines_open(root, "/f", 90004, &lines), -EFBIG);
    assert_int_equal(lines_open(root, "/f", sizeof(text), &lines), 0);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "first");
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "");
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_int_equal(strspn(line, "x"), sizeof(lines.buf) - 1);
    assert_int_equal(lines_next(&lines, &line), 1);
    assert_string_equal(line, "last");
    assert_int_equal(lines_next(&lines, &line), 0);
    lines_close(&lines);
    /* A file that does not tell its size is read up to the limit. */
    sysroot_free(root);
    assert_int_equal(sysroot_open("/", &root), 0);
    assert_int_equal(lines_open(root, "/proc/cpuinfo", 100, &lines), 0);
    while (lines_next(&lines, &line) > 0)
        ;
    assert_int_equal(lines_next(&lines, &line), -EFBIG);
    lines_close(&lines);
}

static void test_links(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_free_ char *text = NULL, *target = NULL;
    struct stat st;

    assert_int_equal(sysroot_open(*state, &root), 0);
    temp_root_puts(*state, "/etc/hostname", "inside\n");
    temp_root_link(*state, "/etc/hostname", "/absolute");
    temp_root_link(*state, "../../../../../../../../etc/hostname", "/up/and/away");
    temp_root_link(*state, "/proc/self/root/etc/hostname", "/magic");
    temp_root_link(*state, "loop", "/loop");
    assert_int_equal(sysroot_read_line(root, "/absolute", &text), 0);
    assert_string_equal(text, "inside");
    freep(&text);
    text = NULL;
    assert_int_equal(sysroot_read_line(root, "/up/and/away", &text), 0);
    assert_string_equal(text, "inside");
    freep(&text);
    text = NULL;
    assert_int_equal(sysroot_read_line(root, "/../../etc/hostname", &text), 0);
    assert_string_equal(text, "inside");
    assert_int_equal(sysroot_stat(root, "/magic", &st), -ENOENT);
    assert_int_equal(sysroot_stat(root, "/loop", &st), -ELOOP);
    assert_int_equal(sysroot_stat(root, "/absolute", &st), 0);
    assert_int_equal(st.st_size, 7);
    assert_int_equal(sysroot_readlink(root, "/absolute", &target), 0);
    assert_string_equal(target, "/etc/hostname");
    assert_int_equal(sysroot_readlink(root, "/etc/hostname", &target), -EINVAL);
}

static void test_list(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    char **names;
    size_t n;

    assert_int_equal(sysroot_open(*state, &root), 0);
    temp_root_puts(*state, "/d/b", "");
    temp_root_puts(*state, "/d/a", "");
    temp_root_puts(*state, "/d/.hidden", "");
    assert_int_equal(sysroot_list(root, "/d", 2, &names, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "a");
    strings_free(names, n);
    assert_int_equal(sysroot_list(root, "/d", 1, &names, &n), -E2BIG);
    assert_int_equal(sysroot_list(root, "/d/a", 1, &names, &n), -ENOTDIR);
}

static void test_write(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_free_ char *text = NULL;
    struct stat st;
    char **names;
    size_t n;

    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_int_equal(sysroot_write_atomic(root, "/a/b/c/file", "one", 3, 0644), 0);
    assert_int_equal(sysroot_write_atomic(root, "/a/b/c/file", "other", 5, 0600), 0);
    assert_int_equal(sysroot_read(root, "/a/b/c/file", 10, &text, NULL), 0);
    assert_string_equal(text, "other");
    assert_int_equal(sysroot_stat(root, "/a/b/c/file", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* A directory in the way: an error, and nothing left beside it. */
    assert_int_equal(sysroot_write_atomic(root, "/a/b/c", "x", 1, 0644), -EISDIR);
    assert_int_equal(sysroot_list(root, "/a/b", 10, &names, &n), 0);
    assert_int_equal(n, 1);
    strings_free(names, n);
    _cleanup_free_ char *left = text_format("%s/a/b/.c.%d.tmp", (char *)*state, getpid());
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(sysroot_unlink(root, "/a/b/c/file"), 0);
    assert_int_equal(sysroot_unlink(root, "/a/b/c/file"), -ENOENT);
    assert_int_equal(sysroot_unlink(root, "/x/y"), -ENOENT);
}

/* The kernel gives up on ".." while something is renamed, wherever that is. */
static void test_renames(void **state) {
    _cleanup_free_ char *one = text_format("%s/one", (char *)*state), *two = text_format("%s/two", (char *)*state);
    _cleanup_sysroot_ struct sysroot *root = NULL;
    pid_t child;

    temp_root_puts(*state, "/one", "");
    temp_root_puts(*state, "/a/b/file", "");
    temp_root_link(*state, "../../a/b/../../a/b/../../a/b/../../a/b/../../a/b/../../a/b/file", "/a/b/link");
    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_true((child = fork()) >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (rename(one, two) == 0 && rename(two, one) == 0)
            ;
        _exit(1);
    }
    for (unsigned i = 0; i < 50000; i++) {
        _cleanup_close_ int fd = sysroot_openat(root, "/a/b/link", O_RDONLY, 0);
        assert_true(fd >= 0);
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_attributes(void **state) {
    static const char *const wrong[] = {"7a", "=7a\n", "zz=7a\n", "7a=7a", "7a=7\n", "\n"};
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_attributes_ struct attributes before = {}, after = {};
    _cleanup_free_ char *path = text_format("%s/file", (char *)*state);
    struct attributes a = ATTRIBUTES_NEW(0600);

    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_int_equal(sysroot_write_atomic(root, "/file", "one", 3, 0644), 0);
    (void)setxattr(path, "user.nestd", "", 0, 0);
    assert_int_equal(sysroot_attributes(root, "/file", &before), 0);
    assert_int_equal(sysroot_write_atomic(root, "/file", "two", 3, 0640), 0);
    assert_int_equal(sysroot_attributes(root, "/file", &after), 0);
    assert_string_equal(after.xattrs, before.xattrs);
    assert_int_equal(after.mode, 0640);
    assert_int_equal(after.uid, getuid());
    assert_false(attributes_equal(&before, &after));
    after.mode = before.mode;
    assert_true(attributes_equal(&before, &after));
    FOREACH_ARRAY(text, wrong, ELEMENTSOF(wrong)) {
        a.xattrs = (char *)*text;
        assert_int_equal(sysroot_replace(root, "/file", "three", 5, &a), -EBADMSG);
        assert_false(attributes_equal(&before, &a));
    }
    _cleanup_free_ char *text = NULL;
    assert_int_equal(sysroot_read(root, "/file", 10, &text, NULL), 0);
    assert_string_equal(text, "two");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_open), T(test_read), T(test_read_proc), T(test_lines), T(test_links), T(test_list), T(test_write),
        T(test_renames), T(test_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
