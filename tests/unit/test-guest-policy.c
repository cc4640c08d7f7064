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
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_policy), cmocka_unit_test(test_exposed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
