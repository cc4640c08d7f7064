/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every host below tests/fixtures/hosts is probed, judged and described; what comes out is compared with NAME.json
 * beside it. Run from the top of the tree. NESTD_UPDATE_GOLDEN=1 writes the files anew: look at the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>

#include "tests/unit/support-probe.h"
#include "text.h"

#define HOSTS "tests/fixtures/hosts"
#define _cleanup_conf_ _cleanup_(conf_freep)
#define _cleanup_verdict_ _cleanup_(verdict_freep)

static char *fixtures; /* $(O)/fixtures, beside the directory of this program */

static struct json_object *checks_array(const struct check *checks, size_t n) {
    static const char *const results[] = { "pass", "warn", "fail", "skip" };
    struct json_object *array = json_object_new_array();

    FOREACH_ARRAY(c, checks, n) {
        _cleanup_free_ char *line = text_format("%s %s: %s", results[c->result], c->code, c->detail);
        json_object_array_add(array, json_object_new_string(line));
    }
    return array;
}

static char *study(const char *name) {
    _cleanup_free_ char *dir = text_format("%s/%s", fixtures, name);
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    _cleanup_conf_ struct conf *conf = NULL;
    _cleanup_verdict_ struct verdict *verdict = NULL;
    struct json_object *o = NULL;
    struct check *checks = NULL;
    size_t n = 0;

    assert_null(study_root(dir));
    assert_int_equal(sysroot_open(dir, &root), 0);
    assert_int_equal(probe_host(root, &facts), 0);
    assert_int_equal(conf_load(root, &conf), 0);
    assert_int_equal(diagnose_host(facts, conf, false, &verdict), 0);
    assert_int_equal(describe_host(facts, verdict, conf, &o), 0);
    assert_int_equal(check_host(facts, verdict, &checks, &n), 0);
    json_object_object_add(o, "checks", checks_array(checks, n));
    checks_free(checks, n);
    for (size_t i = 0; i < verdict->n_reasons; i++)
        assert_non_null(verdict->reasons[i].hint);
    char *text = text_format("%s\n", json_object_to_json_string_ext(
        o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    return text;
}

static void test_host(void **state) {
    const char *name = *state;
    _cleanup_free_ char *path = text_format(HOSTS "/%s.json", name), *text = study(name), *golden = NULL;
    _cleanup_sysroot_ struct sysroot *cwd = NULL;

    if (getenv("NESTD_UPDATE_GOLDEN")) {
        _cleanup_fclose_ FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        return;
    }
    assert_int_equal(sysroot_open(".", &cwd), 0);
    assert_int_equal(sysroot_read(cwd, path, 1 << 20, &golden, NULL), 0);
    assert_string_equal(text, golden);
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[256];
    _cleanup_sysroot_ struct sysroot *cwd = NULL;
    char **names = NULL;
    size_t n_names = 0, n = 0;

    fixtures = text_format("%s/../fixtures", dirname(argv[0]));
    if (sysroot_open(".", &cwd) < 0 || sysroot_list(cwd, HOSTS, 1000, &names, &n_names) < 0) {
        fprintf(stderr, "test-hosts: run it from the top of the tree\n");
        return 1;
    }
    for (size_t i = 0; i < n_names && n < ELEMENTSOF(tests); i++) {
        char *dot = strrchr(names[i], '.');

        if (!dot || !streq(dot, ".host"))
            continue;
        *dot = '\0';
        tests[n++] = (struct CMUnitTest){ names[i], test_host, NULL, NULL, names[i] };
    }
    int failed = _cmocka_run_group_tests("hosts", tests, n, NULL, NULL);
    strings_free(names, n_names);
    free(fixtures);
    return failed || n < 20; /* none found is no success */
}
