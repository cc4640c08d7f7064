/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text.h"

static void clean(const char *in, size_t max, const char *expected) {
    _cleanup_free_ char *out = text_clean(in, SIZE_MAX, max);

    assert_non_null(out);
    assert_string_equal(out, expected);
}

static void test_clean(void **state) {
    clean("plain", 10, "plain");
    clean("plain", 3, "pla");
    clean("na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80", 100, "na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80");
    clean("a\tb\nc\x1B[31m\x7F", 100, "a b?c?[31m?");
    clean("\xC2\x9B" "31m", 100, "?31m");              /* C1 CSI */
    clean("\xC0\xAF \xED\xA0\x80 \xF5 \xFF", 100, "?? ??? ? ?"); /* overlong, surrogate, beyond Unicode */
    clean("\xE0\x80\xAF \xF0\x80\x80\xAF \xF4\x90\x80\x80", 100, "??? ???? ????");
    clean("x\xE2\x82", 100, "x??");
    clean("xx\xE2\x82\xAC", 3, "xx"); /* never a part of a character */
    clean("xx\xE2\x82\xAC", 5, "xx\xE2\x82\xAC");
    _cleanup_free_ char *nul = text_clean("a\0b", 3, 10);
    assert_string_equal(nul, "a?b");
}

static void test_words(void **state) {
    assert_true(text_has_word("fpu vmx ept", " ", "vmx"));
    assert_false(text_has_word("fpu vmxx ept", " ", "vmx"));
    assert_false(text_has_word("", " ", "vmx"));
    assert_false(text_has_word(NULL, " ", "vmx"));
    assert_true(text_same_name("kvm-intel", "kvm_intel"));
    assert_false(text_same_name("kvm_intel", "kvm_inte"));
    assert_false(text_same_name("kvm", "kvm_intel"));
}

static void test_unsigned(void **state) {
    unsigned v = 7;

    assert_int_equal(text_to_unsigned("4294967295", &v), 0);
    assert_int_equal(v, 4294967295U);
    assert_int_equal(text_to_unsigned("4294967296", &v), -ERANGE);
    assert_int_equal(text_to_unsigned("", &v), -EINVAL);
    assert_int_equal(text_to_unsigned("1 ", &v), -EINVAL);
    assert_int_equal(text_to_unsigned("-1", &v), -EINVAL);
}

static void test_list(void **state) {
    char **list = NULL;
    size_t n = 0;

    for (int i = 0; i < 100; i++)
        assert_int_equal(strings_push(&list, &n, text_format("%d", i)), 0);
    assert_int_equal(strings_push(&list, &n, NULL), -ENOMEM);
    assert_int_equal(n, 100);
    assert_string_equal(list[99], "99");
    strings_free(list, n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean), cmocka_unit_test(test_words), cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
