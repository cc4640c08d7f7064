/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-edit.h"

static void make(const char *text, struct guest_edits *e, const char *expected) {
    _cleanup_guest_text_ struct guest_text t = {};
    _cleanup_free_ char *out = NULL;
    size_t len;
    assert_false(e->failed);
    assert_int_equal(guest_text_open(text, strlen(text), &t), 0);
    edits_sort(e);
    assert_int_equal(guest_text_splice(&t, e->splices, e->n_splices, &out, &len), 0);
    assert_string_equal(out, expected);
}

/* Whatever the order they are asked for in. */
static void test_order(void **state) {
    static const char text[] = "<a b='1' c='2'/>";
    _cleanup_guest_edits_ struct guest_edits e = {}, f = {};
    _cleanup_xml_doc_ struct xml_doc xml = {};
    assert_int_equal(xml_parse(text, strlen(text), &xml, NULL), 0);

    edit_append(&e, &xml, 0, "", "<d/>");
    edit_set_attr(&e, &xml, 0, "c", "3");
    edit_remove_attr(&e, &xml, 0, "b"); /* from where the new ones go */
    edit_set_attr(&e, &xml, 0, "x", "y");
    edit_set_attr(&e, &xml, 0, "z", "0");
    make(text, &e, "<a x='y' z='0' c='3'><d/></a>");

    edit_set_attr(&f, &xml, 0, "x", "y");
    edit_remove_attr(&f, &xml, 0, "b");
    make(text, &f, "<a x='y' c='2'/>");
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
