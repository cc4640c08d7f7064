/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain-caps.h"

#define CAPS(hyperv) "<domainCapabilities>\n  <features>\n    <sev supported='no'/>\n" hyperv "  </features>\n</domainCapabilities>\n"
#define VALUES(v) CAPS("<hyperv supported='yes'><enum name='other'><value>evmcs</value></enum><enum name='features'>" v "</enum></hyperv>")
#define COMMON "<value>relaxed</value><value>vapic</value><value>spinlocks</value><value>vpindex</value><value>synic</value>"

static void test_without(void **state) {
    static const struct {
        const char *caps, *profile;
        enum extension extension;
        const char *without;
    } cases[] = {
        {VALUES(COMMON "<value>stimer</value><value>evmcs</value>"), "hyperv", EXTENSION_VMX, NULL},
        {VALUES(COMMON "<value>stimer</value>"), "hyperv+locked", EXTENSION_VMX, "evmcs"},
        {VALUES(COMMON "<value>stimer</value>"), "hyperv", EXTENSION_SVM, NULL},
        {VALUES(COMMON), "hyperv", EXTENSION_VMX, "stimer,evmcs"},
        {VALUES(COMMON), "kvm", EXTENSION_VMX, NULL},
        {VALUES(COMMON), NULL, EXTENSION_VMX, NULL},
        {VALUES(COMMON), "nonsense", EXTENSION_VMX, NULL},
        /* libvirt does not tell */
        {CAPS("<hyperv supported='no'/>"), "hyperv", EXTENSION_VMX, NULL},
        {CAPS(""), "hyperv", EXTENSION_VMX, NULL},
        {"nonsense", "hyperv", EXTENSION_VMX, NULL},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        struct guest_wish w = {GUEST_EXPOSE, c->extension, .profile = c->profile};
        _cleanup_free_ char *without = NULL;
        assert_int_equal(domain_caps_parse_without(c->caps, &w, &without), 0);
        if (!streq_ptr(without, c->without))
            fail_msg("%s: %s instead of %s", c->caps, without, c->without);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_without)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
