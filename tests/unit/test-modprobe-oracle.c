/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* modprobe.d as libkmod itself reads it: on random directories both find the same options in the same order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libkmod.h>

#include "facts.h"
#include "tests/unit/support-root.h"
#include "text.h"

static const char *const dirs[] = { "/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/lib/modprobe.d" };
static const char *const names[] = { "a.conf", "b.conf", "10-x.conf", "kvm.conf", "z.alias", "README", "conf", ".hidden.conf" };
static const char *const lines[] = {
    "options kvm_amd nested=%d\n",
    "options kvm-amd npt=%d  vgif=1\n",
    "options\tkvm_amd\tavic=%d\n",
    "  options kvm_amd nested=%d\n",
    "options kvm_amd nested=%d \\\n  vls=1\n",
    "# options kvm_amd nested=%d\n",
    "#options kvm_amd x=%d \\\noptions kvm_amd continued=1\n",
    "options kvm_amd %d\n",
    "options kvm_amdx nested=%d\n",
    "options kvm nested=%d\n",
    "options kvm_amd # nested=%d\n",
    "blacklist kvm_amd\n",
    "softdep kvm_amd pre: ccp%d\n",
    "install kvm_amd /bin/true nested=%d\n",
    "alias foo%d kvm_amd\n",
    "nonsense kvm_amd %d\n",
    "options kvm_amd\n",
    "options\n",
    "\n",
    "options kvm_amd last=%d", /* no newline */
};

static void make_config(const char *root, unsigned *seed) {
    FOREACH_ARRAY(dir, dirs, ELEMENTSOF(dirs))
        FOREACH_ARRAY(name, names, ELEMENTSOF(names)) {
            _cleanup_free_ char *path = text_format("%s/%s", *dir, *name);
            char text[2000];
            size_t n = 0;

            if (rand_r(seed) % 3 == 0)
                continue;
            if (rand_r(seed) % 12 == 0) {
                temp_root_link(root, "/dev/null", path);
                continue;
            }
            for (int i = rand_r(seed) % 8; i > 0; i--)
                n += sprintf(text + n, lines[rand_r(seed) % ELEMENTSOF(lines)], rand_r(seed) % 3);
            temp_root_write(root, path, text, n);
        }
}

/* Words of both, divided by one blank; ours without what the kernel command line adds. */
static char *ours(const char *dir) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *f = NULL;
    char *text = strdup("");

    assert_int_equal(sysroot_open(dir, &root), 0);
    assert_int_equal(probe_host(root, &f), 0);
    FOREACH_ARRAY(o, f->options, f->n_options)
        if (streq(o->module, "kvm_amd")) {
            char *longer = text_format("%s%s%s%s ", text, o->parameter, o->value ? "=" : "", strempty(o->value));
            free(text);
            text = longer;
        }
    return text;
}

static char *libkmods(const char *root) {
    char *paths[ELEMENTSOF(dirs) + 1] = { };
    char *text = strdup("");
    struct kmod_module *mod;
    const char *options, *word;
    size_t n;

    for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
        paths[i] = text_format("%s%s", root, dirs[i]);
    struct kmod_ctx *ctx = kmod_new(root, (const char *const *)paths);
    assert_non_null(ctx);
    assert_int_equal(kmod_module_new_from_name(ctx, "kvm_amd", &mod), 0);
    options = kmod_module_get_options(mod);
    while (options && (n = text_word(&options, " \t", &word)) > 0) {
        char *longer = text_format("%s%.*s ", text, (int)n, word);
        free(text);
        text = longer;
    }
    kmod_module_unref(mod);
    kmod_unref(ctx);
    for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
        free(paths[i]);
    return text;
}

static void test_same(void **state) {
    size_t found = 0;

    for (unsigned round = 1; round <= 150; round++) {
        unsigned seed = round;
        char *root = temp_root_new();

        make_config(root, &seed);
        _cleanup_free_ char *a = ours(root), *b = libkmods(root);
        if (!streq(a, b))
            fail_msg("round %u, kept in %s\n ours     %s\n libkmod's %s", round, root, a, b);
        found += strlen(a) > 0;
        temp_root_free(root);
    }
    assert_true(found > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_same) };

    setenv("KMOD_LOG", "0", 1); /* wrong lines are meant */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
