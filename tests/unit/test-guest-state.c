/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest's state as a journal keeps it: read, and led back to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "facts.h"
#include "guest-state.h"

#define DOC(cpu) "<domain type='kvm'><name>a</name><memory>1</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>" cpu "</domain>"

static char *rewrite(const char *xml, const struct guest_wish *wish) {
    struct guest_result result = {};

    assert_int_equal(guest_rewrite(xml, strlen(xml), wish, &result, NULL), 0);
    char *text = result.text;
    result.text = NULL;
    guest_result_done(&result);
    return text;
}

static char *state_of(const char *xml) {
    char *state = NULL;

    assert_int_equal(guest_state_read(xml, &state), 0);
    return state;
}

/* From any state to any other and back is the identity. */
static void there_and_back(void **state) {
    static const struct {
        struct guest_wish wish;
        const char *text;
    } states[] = {
        {{GUEST_UNDO}, "original"},
        {{GUEST_HIDE, EXTENSION_SVM}, "hide svm"},
        {{GUEST_EXPOSE, EXTENSION_SVM}, "expose svm keep - -"},
        {{GUEST_EXPOSE, EXTENSION_SVM, CPU_CUSTOM, "EPYC-Rome"}, "expose svm custom EPYC-Rome -"},
        {{GUEST_EXPOSE, EXTENSION_SVM, CPU_HOST_MODEL, NULL, "kvm"}, "expose svm host-model - kvm"},
        {{GUEST_EXPOSE, EXTENSION_SVM, .profile = "kvm+locked", .by_conf = true}, "expose svm keep - kvm+locked nestd.conf"},
    };
    const char *original = DOC("<cpu mode='host-model'/>");

    FOREACH_ARRAY(from, states, ELEMENTSOF(states)) {
        _cleanup_free_ char *before = rewrite(original, &from->wish), *name = state_of(before);

        assert_string_equal(name, from->text);
        FOREACH_ARRAY(to, states, ELEMENTSOF(states)) {
            _cleanup_free_ char *after = rewrite(before, &to->wish), *back = NULL;
            struct guest_state s;

            assert_int_equal(guest_state_parse(name, &s), 0);
            back = rewrite(after, &s.wish);
            assert_string_equal(back, before);
        }
    }
}

static void altered_is_original(void **state) {
    const struct guest_wish expose = {GUEST_EXPOSE, EXTENSION_SVM};
    _cleanup_free_ char *xml = rewrite(DOC("<cpu mode='host-model'/>"), &expose), *name = NULL;
    char *policy = strstr(xml, "require");

    assert_non_null(policy);
    memcpy(policy, "disable", 7);
    name = state_of(xml);
    assert_string_equal(name, "original");
}

static void words_only(void **state) {
    static const char *const bad[] = {"", "hide", "hide avx", "expose svm", "expose svm keep -", "expose svm fast - -",
                                      "steal svm", "original svm", "expose  keep - -", "hide svm keep - -", "expose svm keep - - me"};
    struct guest_state s;

    FOREACH_ARRAY(b, bad, ELEMENTSOF(bad))
        assert_int_equal(guest_state_parse(*b, &s), -EBADMSG);
    assert_int_equal(guest_state_read("<domain", &(char *){NULL}), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(altered_is_original),
        cmocka_unit_test(words_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
