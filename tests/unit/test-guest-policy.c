/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-audit.h"

#define UUID "8f3c2a10-0000-4000-8000-000000000001"

static void test_policy(void **state) {
    static const struct {
        const char *expose, *hide, *name;
        enum guest_policy policy;
        const char *profile;
    } cases[] = {
        {NULL, NULL, "a", GUEST_POLICY_NONE, NULL},
        {"a", NULL, "a", GUEST_POLICY_EXPOSE, NULL},
        {"a", "*", "a", GUEST_POLICY_EXPOSE, NULL},
        {"a", "*", "b", GUEST_POLICY_HIDE, NULL},
        {"lab-*", NULL, "lab-1", GUEST_POLICY_EXPOSE, NULL},
        {"lab-*:esxi", NULL, "lab-1", GUEST_POLICY_EXPOSE, "esxi"},
        {"lab-*:kvm+locked+numa=0", NULL, "lab-1", GUEST_POLICY_EXPOSE, "kvm+locked+numa=0"},
        {"lab-*:esxi", NULL, "lab", GUEST_POLICY_NONE, NULL},
        {UUID, NULL, "x", GUEST_POLICY_EXPOSE, NULL},
        {"8F3C2A10-0000-4000-8000-000000000001:xen", NULL, "x", GUEST_POLICY_EXPOSE, "xen"},
        {"a:b", NULL, "a:b", GUEST_POLICY_EXPOSE, NULL},
        {"a:b", NULL, "a", GUEST_POLICY_EXPOSE, "b"},
        {"[", NULL, "x", GUEST_POLICY_NONE, NULL},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        char *expose[] = {(char *)c->expose, NULL}, *hide[] = {(char *)c->hide, NULL};
        struct conf conf = {.expose = c->expose ? expose : NULL, .hide = c->hide ? hide : NULL};
        const char *profile = NULL;
        assert_int_equal(guest_policy(&conf, c->name, UUID, &profile), c->policy);
        assert_true(streq_ptr(profile, c->profile));
        assert_int_equal(guest_policy_any(&conf), c->expose || c->hide);
    }
}

#define CHOSEN {.action = GUEST_EXPOSE, .mode = CPU_HOST_MODEL, .profile = (char *)"xen"}
#define BY_CONF {.action = GUEST_EXPOSE, .profile = (char *)"xen", .by_conf = true}

/* What is left to do for nestd.conf, of a guest that was given WISH before. */
static void test_wish(void **state) {
    static const struct {
        const char *expose, *hide;
        bool unmarked, lacking, transient;
        struct guest_wish wish;
        enum nest nest;
        int action; /* -1: nothing is to be done */
        const char *profile;
        enum cpu_mode mode;
        bool by_conf;
    } cases[] = {
        {NULL, NULL, .wish = CHOSEN, .nest = NEST_NO, .action = -1},
        {"a", NULL, .unmarked = true, .nest = NEST_NO, .action = GUEST_EXPOSE, .by_conf = true},
        {"a", NULL, .unmarked = true, .nest = NEST_CONFIGURED, .action = GUEST_EXPOSE, .by_conf = true},
        {"a:xen", NULL, .unmarked = true, .nest = NEST_MODEL, .action = GUEST_EXPOSE, .profile = "xen", .by_conf = true},
        {"a", NULL, .unmarked = true, .transient = true, .nest = NEST_CONFIGURED, .action = -1},
        {"a", NULL, .unmarked = true, .transient = true, .nest = NEST_NO, .action = GUEST_EXPOSE, .by_conf = true},
        {"a:xen", NULL, .wish = BY_CONF, .nest = NEST_CONFIGURED, .action = -1},
        {"a:xen", NULL, .wish = CHOSEN, .nest = NEST_CONFIGURED, .action = -1},
        /* another profile, with the CPU mode that somebody chose */
        {"a:kvm+locked", NULL, .wish = BY_CONF, .nest = NEST_CONFIGURED, .action = GUEST_EXPOSE, .profile = "kvm+locked",
         .by_conf = true},
        {"a:kvm", NULL, .wish = CHOSEN, .nest = NEST_CONFIGURED, .action = GUEST_EXPOSE, .profile = "kvm",
         .mode = CPU_HOST_MODEL, .by_conf = true},
        {"a:xen", NULL, .wish = BY_CONF, .lacking = true, .nest = NEST_CONFIGURED, .action = GUEST_EXPOSE, .profile = "xen",
         .by_conf = true},
        /* none any more: what nestd.conf named goes, what a person named stays */
        {"a", NULL, .wish = BY_CONF, .nest = NEST_CONFIGURED, .action = GUEST_EXPOSE, .by_conf = true},
        {"a", NULL, .wish = CHOSEN, .lacking = true, .nest = NEST_CONFIGURED, .action = -1},
        {"a", NULL, .wish = CHOSEN, .nest = NEST_NO, .action = GUEST_EXPOSE, .profile = "xen", .mode = CPU_HOST_MODEL},
        {NULL, "*", .wish = CHOSEN, .nest = NEST_CONFIGURED, .action = GUEST_HIDE},
        {NULL, "*", .wish = {.action = GUEST_HIDE}, .nest = NEST_NO, .action = -1},
        {"a", NULL, .wish = {.action = GUEST_HIDE}, .nest = NEST_NO, .action = GUEST_EXPOSE, .by_conf = true},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        char *expose[] = {(char *)c->expose, NULL}, *hide[] = {(char *)c->hide, NULL};
        struct conf conf = {.expose = c->expose ? expose : NULL, .hide = c->hide ? hide : NULL};
        struct domain_info info = {.name = (char *)"a", .uuid = (char *)UUID, .persistent = !c->transient, .nest = c->nest,
                                   .marked = !c->unmarked, .mark.wish = c->wish, .lacking = c->lacking};
        struct guest_wish w = {.action = GUEST_UNDO};
        assert_int_equal(guest_policy_wish(&conf, &info, EXTENSION_SVM, &w), c->action >= 0);
        if (c->action < 0) {
            assert_int_equal(w.action, GUEST_UNDO);
            continue;
        }
        assert_int_equal(w.action, c->action);
        assert_true(streq_ptr(w.profile, c->profile));
        assert_int_equal(w.mode, c->mode);
        assert_int_equal(w.by_conf, c->by_conf);
        assert_int_equal(w.extension, EXTENSION_SVM);
    }
}

static void test_exposed(void **state) {
    static const struct {
        enum nest nest;
        enum guest_live live;
        enum tristate exposed;
    } cases[] = {
        {NEST_NO, LIVE_NOT_RUNNING, TRISTATE_NO},
        {NEST_NO, LIVE_YES, TRISTATE_YES},
        {NEST_CONFIGURED, LIVE_NO, TRISTATE_YES},
        {NEST_MODEL, LIVE_NOT_RUNNING, TRISTATE_YES},
        {NEST_PASSTHROUGH, LIVE_NOT_RUNNING, TRISTATE_UNKNOWN},
        {NEST_PASSTHROUGH, LIVE_UNKNOWN, TRISTATE_UNKNOWN},
        {NEST_PASSTHROUGH, LIVE_YES, TRISTATE_YES},
        {NEST_HOST_MODEL, LIVE_NO, TRISTATE_NO},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        struct domain_info info = {.nest = c->nest, .live = c->live};
        assert_int_equal(guest_exposed(&info), c->exposed);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_policy), cmocka_unit_test(test_wish),
                                              cmocka_unit_test(test_exposed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
