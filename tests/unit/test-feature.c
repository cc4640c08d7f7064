/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of features is well-formed, and is found by name and by id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feature.h"

static void test_table(void **state) {
    for (size_t i = 0; i < n_features; i++) {
        const struct feature *f = features + i;

        assert_true(f->extension == EXTENSION_VMX || f->extension == EXTENSION_SVM);
        assert_non_null(f->name);
        assert_non_null(f->flag);
        assert_non_null(f->effect);
        if (i > 0 && features[i - 1].extension == f->extension)
            assert_true(features[i - 1].id < f->id);
        assert_ptr_equal(feature_by_id(f->extension, f->id), f);
        assert_ptr_equal(feature_by_name(f->extension, f->name), f);
        /* What is needed exists on this extension, and needs nothing that needs this. */
        assert_false(f->needs & FEATURE_BIT(f->id));
        for (enum feature_id id = 0; id < _FEATURE_MAX; id++)
            if (f->needs & FEATURE_BIT(id)) {
                const struct feature *needed = feature_by_id(f->extension, id);
                assert_non_null(needed);
                assert_false(needed->needs & FEATURE_BIT(f->id));
            }
    }
}

static void test_names(void **state) {
    assert_string_equal(feature_by_name(EXTENSION_SVM, "ept")->name, "npt");
    assert_string_equal(feature_by_name(EXTENSION_VMX, "avic")->parameter, "enable_apicv");
    assert_null(feature_by_name(EXTENSION_SVM, "shadow_vmcs"));
    assert_null(feature_by_name(EXTENSION_NONE, "nested"));
    assert_null(feature_by_name(EXTENSION_VMX, ""));
    assert_null(extension_module(EXTENSION_NONE));
    assert_string_equal(extension_module(EXTENSION_SVM), "kvm_amd");
}

static void test_kernel_default(void **state) {
    const struct feature *nested = feature_by_name(EXTENSION_VMX, "nested");

    assert_int_equal(kernel_version_code("6.1.0-49-amd64"), KERNEL_VERSION_CODE(6, 1));
    assert_int_equal(kernel_version_code("zebra"), 0);
    assert_int_equal(feature_kernel_default(nested, "4.19.0-27-amd64"), TRISTATE_NO);
    assert_int_equal(feature_kernel_default(nested, "4.20.0"), TRISTATE_YES);
    assert_int_equal(feature_kernel_default(nested, NULL), TRISTATE_YES);
    const struct feature *avic = feature_by_name(EXTENSION_SVM, "avic");
    assert_int_equal(feature_kernel_default(avic, "6.1.0"), TRISTATE_NO);
    assert_int_equal(feature_kernel_default(avic, "6.18.2"), TRISTATE_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_names), cmocka_unit_test(test_kernel_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
