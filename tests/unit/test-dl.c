/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <link.h>

#include "dl-libvirt.h"
#include "dl-libxml2.h"
#include "dl-load.h"

static int loaded(struct dl_phdr_info *info, size_t size, void *name) {
    return strstr(info->dlpi_name, name) != NULL;
}

/* The point of these tables: a program that does not ask for the library does not have it. */
static void test_not_linked(void **state) {
    assert_false(dl_iterate_phdr(loaded, (void *)"libvirt.so"));
    assert_false(dl_iterate_phdr(loaded, (void *)"libxml2.so"));
}

static void test_libvirt(void **state) {
    const struct libvirt *lv = NULL, *again = NULL;
    assert_int_equal(libvirt_load(&lv), 0);
    assert_int_equal(libvirt_load(&again), 0);
    assert_ptr_equal(lv, again);

    _cleanup_vir_connect_ virConnectPtr conn = lv->virConnectOpen("test:///default");
    assert_non_null(conn);
    _cleanup_vir_domain_ virDomainPtr dom = lv->virDomainLookupByName(conn, "test");
    assert_non_null(dom);
    assert_string_equal(lv->virDomainGetName(dom), "test");
    assert_null(lv->virDomainLookupByName(conn, "no such guest"));
    assert_int_equal(lv->virGetLastErrorCode(), VIR_ERR_NO_DOMAIN);
}

static void test_libvirt_qemu(void **state) {
    const struct libvirt_qemu *lq = NULL;
    assert_int_equal(libvirt_qemu_load(&lq), 0);
    assert_non_null(lq->virDomainQemuMonitorCommand);
}

static void test_libxml2(void **state) {
    const struct libxml2 *lx = NULL;
    assert_int_equal(libxml2_load(&lx), 0);
    assert_non_null(lx->xmlParseDocument);
}

static void test_absent(void **state) {
    static const struct dl_symbol symbols[] = {{"nestd_no_such_symbol", 0}};
    void *table = NULL;
    assert_int_equal(dl_load("libnestd-absent.so.0", symbols, 1, &table), -ENOPKG);
    assert_int_equal(dl_load("libc.so.6", symbols, 1, &table), -ELIBBAD);
    assert_null(table);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_linked), cmocka_unit_test(test_libvirt), cmocka_unit_test(test_libvirt_qemu),
        cmocka_unit_test(test_libxml2),    cmocka_unit_test(test_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
