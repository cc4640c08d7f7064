/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nestd.conf: values, drop-ins and their order, and wrong lines told by file and line while the rest holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conf.h"
#include "tests/unit/support-root.h"

static int setup(void **state) {
    *state = temp_root_new();
    return 0;
}

static int teardown(void **state) {
    temp_root_free(*state);
    return 0;
}

static struct conf *load(const char *dir) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    struct conf *conf = NULL;

    assert_int_equal(sysroot_open(dir, &root), 0);
    assert_int_equal(conf_load(root, &conf), 0);
    return conf;
}
#define _cleanup_conf_ _cleanup_(conf_freep)

static void test_defaults(void **state) {
    _cleanup_conf_ struct conf *c = load(*state);

    for (enum feature_id id = 0; id < _FEATURE_MAX; id++)
        assert_int_equal(c->features[id], WANTED_KEEP);
    assert_int_equal(c->on_drift, DRIFT_VERIFY);
    assert_int_equal(c->idle_timeout_usec, 30 * UINT64_C(1000000));
    assert_null(c->expose);
    assert_int_equal(c->n_warnings, 0);
}

static void test_values(void **state) {
    temp_root_puts(*state, "/etc/nestd/nestd.conf",
                   "\xEF\xBB\xBF# comment\n[Features]\nnested = on\n  npt=OFF ; why\nshadow_vmcs=1\r\n"
                   "[Boot] ; comment\nOnDrift=apply\n[Daemon]\nIdleExitSec=infinity\n"
                   "[Guests]\nExpose=a b\nExpose=web-*\nHide=x\nHide=\n");
    _cleanup_conf_ struct conf *c = load(*state);

    assert_int_equal(c->n_warnings, 0);
    assert_int_equal(c->features[FEATURE_NESTED], WANTED_ON);
    assert_int_equal(c->features[FEATURE_EPT], WANTED_OFF);
    assert_int_equal(c->features[FEATURE_SHADOW_VMCS], WANTED_ON);
    assert_int_equal(c->on_drift, DRIFT_APPLY);
    assert_true(c->idle_timeout_usec == UINT64_MAX);
    assert_string_equal(c->expose[2], "web-*");
    assert_null(c->expose[3]);
    assert_null(c->hide);
}

static void test_order(void **state) {
    temp_root_puts(*state, "/usr/lib/nestd/nestd.conf", "[Features]\nnested=off\nvgif=off\n");
    temp_root_puts(*state, "/etc/nestd/nestd.conf", "[Features]\nnested=on\nept=on\n");
    temp_root_puts(*state, "/usr/lib/nestd/nestd.conf.d/20-b.conf", "[Features]\nept=off\n");
    temp_root_puts(*state, "/etc/nestd/nestd.conf.d/10-a.conf", "[Features]\nept=keep\npml=on\n");
    temp_root_puts(*state, "/usr/lib/nestd/nestd.conf.d/30-masked.conf", "[Features]\nnested=off\n");
    temp_root_link(*state, "/dev/null", "/etc/nestd/nestd.conf.d/30-masked.conf");
    temp_root_puts(*state, "/usr/lib/nestd/nestd.conf.d/40-c.conf", "[Features]\npml=off\n");
    temp_root_puts(*state, "/etc/nestd/nestd.conf.d/40-c.conf", "");
    temp_root_puts(*state, "/usr/lib/nestd/nestd.conf.d/60-d.conf", "[Guests]\nExpose=theirs\n");
    temp_root_puts(*state, "/etc/nestd/nestd.conf.d/60-d.conf", "[Guests]\nExpose=ours\n");
    temp_root_puts(*state, "/etc/nestd/nestd.conf.d/50-editor.conf~", "[Features]\nnested=off\n");
    _cleanup_conf_ struct conf *c = load(*state);

    assert_int_equal(c->n_warnings, 0);
    assert_int_equal(c->features[FEATURE_NESTED], WANTED_ON);
    assert_int_equal(c->features[FEATURE_VGIF], WANTED_KEEP);
    assert_int_equal(c->features[FEATURE_EPT], WANTED_OFF);
    assert_int_equal(c->features[FEATURE_PML], WANTED_ON);
    assert_string_equal(c->expose[0], "ours"); /* and once */
    assert_null(c->expose[1]);
}

static void test_wrong_lines(void **state) {
    static const struct { unsigned line; const char *part; } expected[] = {
        { 1, "unknown section []" }, { 3, "nested=maybe: not on, off or keep" }, { 4, "unknown setting \"zap\"" },
        { 5, "not a setting" }, { 6, "longer than" }, { 8, "unknown section [Nowhere]" }, { 9, "not a setting" },
        { 12, "OnDrift=later" }, { 14, "IdleExitSec=-1" },
    };
    char text[1000];

    snprintf(text, sizeof(text),
             "nested=on\n[Features]\nnested=maybe\nzap=on\njust words\nept=%0300d\n[Nowhere]\nx=1\n[broken\n"
             "[Boot]\n\nOnDrift=later\n[Daemon]\nIdleExitSec=-1\n[Features]\npml=off\n", 1);
    temp_root_puts(*state, "/etc/nestd/nestd.conf", text);
    _cleanup_conf_ struct conf *c = load(*state);

    for (size_t i = 0; i < c->n_warnings && i < ELEMENTSOF(expected); i++) {
        assert_int_equal(c->warnings[i].line, expected[i].line);
        assert_string_equal(c->warnings[i].path, "/etc/nestd/nestd.conf");
        assert_non_null(strstr(c->warnings[i].message, expected[i].part));
    }
    assert_int_equal(c->n_warnings, ELEMENTSOF(expected));
    assert_int_equal(c->features[FEATURE_NESTED], WANTED_KEEP);
    assert_int_equal(c->features[FEATURE_PML], WANTED_OFF);
}

static void test_hostile(void **state) {
    static char big[1 << 17];
    size_t n = 0;

    temp_root_write(*state, "/usr/lib/nestd/nestd.conf.d/1.conf", "[Features]\nnested=on\0\n", 22);
    memset(big, '\n', sizeof(big));
    temp_root_write(*state, "/usr/lib/nestd/nestd.conf.d/2.conf", big, sizeof(big));
    for (size_t i = 0; i < 5000; i++)
        n += sprintf(big + n, "\xFF=1\n");
    temp_root_write(*state, "/usr/lib/nestd/nestd.conf.d/3.conf", big, n);
    temp_root_link(*state, "4.conf", "/usr/lib/nestd/nestd.conf.d/4.conf");
    temp_root_puts(*state, "/etc/nestd/nestd.conf/is/a/directory", "");
    _cleanup_conf_ struct conf *c = load(*state);

    assert_int_equal(c->n_warnings, 64);
    assert_non_null(strstr(c->warnings[0].message, "not read"));
    assert_string_equal(c->warnings[1].message, "not read: binary data");
    assert_non_null(strstr(c->warnings[2].message, "not read"));
    assert_string_equal(c->warnings[3].message, "unknown section [], \"?\" ignored");
    assert_int_equal(c->features[FEATURE_NESTED], WANTED_KEEP);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_defaults), T(test_values), T(test_order), T(test_wrong_lines), T(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
