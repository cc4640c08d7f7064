/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "libvirt-call.h"

static struct {
    bool hangs;
    const char *answer;
    char asked[64];
    int refs;
    sem_t go, gone;
} fake;

static char *fake_capabilities(virConnectPtr conn, const char *emulator, const char *arch, const char *machine,
                               const char *type, unsigned flags) {
    snprintf(fake.asked, sizeof(fake.asked), "%s %s %s %s", emulator ? emulator : "-", arch ? arch : "-",
             machine ? machine : "-", type ? type : "-");
    if (fake.hangs)
        sem_wait(&fake.go);
    return fake.answer ? strdup(fake.answer) : NULL;
}

static int fake_ref(virConnectPtr conn) {
    fake.refs++;
    return 0;
}

static int fake_close(virConnectPtr conn) {
    fake.refs--;
    sem_post(&fake.gone);
    return 0;
}

static virDomainPtr fake_define(virConnectPtr conn, const char *xml, unsigned flags) {
    snprintf(fake.asked, sizeof(fake.asked), "%s", xml);
    if (fake.hangs)
        sem_wait(&fake.go);
    return fake.answer ? (virDomainPtr)&fake : NULL;
}

static int fake_free_domain(virDomainPtr dom) {
    return 0;
}

static virError refusal = {.message = (char *)"refused"};

static virErrorPtr fake_save_error(void) {
    return &refusal;
}

static void fake_free_error(virErrorPtr error) {
    assert_ptr_equal(error, &refusal);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *end);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *end) {
    return fake.hangs ? ETIMEDOUT : pthread_cond_wait(cond, lock);
}

/* Also by a thread that was left behind. */
static void assert_given_back(void) {
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 120;
    assert_int_equal(sem_clockwait(&fake.gone, CLOCK_MONOTONIC, &end), 0);
    assert_int_equal(fake.refs, 0);
}

static int setup(void **state) {
    return sem_init(&fake.go, 0, 0) < 0 || sem_init(&fake.gone, 0, 0) < 0;
}

static void test_capabilities(void **state) {
    static const struct {
        bool hangs;
        const char *answer, *emulator, *machine, *asked;
        int result;
    } cases[] = {
        {false, "<caps/>", NULL, NULL, "- x86_64 - kvm", 0},
        {false, "<caps/>", "", "pc", "- x86_64 pc kvm", 0},
        {false, NULL, "/usr/bin/qemu", "q35", "/usr/bin/qemu x86_64 q35 kvm", -EIO},
        {true, "<too-late/>", "/usr/bin/qemu", "q35", NULL, -ETIMEDOUT},
    };
    static const struct libvirt lv = {.virConnectGetDomainCapabilities = fake_capabilities, .virConnectRef = fake_ref,
                                      .virConnectClose = fake_close};
    virConnectPtr conn = (virConnectPtr)&fake;

    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        _cleanup_free_ char *text = NULL;

        fake.hangs = c->hangs;
        fake.answer = c->answer;
        assert_int_equal(libvirt_capabilities(&lv, conn, c->emulator, "x86_64", c->machine, "kvm", &text), c->result);
        if (c->result == 0)
            assert_string_equal(text, c->answer);
        else
            assert_null(text);
        /* Whoever waits for the answer keeps the connection; in the end it is given back. */
        if (c->hangs) {
            assert_int_equal(fake.refs, 1);
            sem_post(&fake.go);
        }
        assert_given_back();
        if (c->asked)
            assert_string_equal(fake.asked, c->asked);
    }
}

static void test_define(void **state) {
    static const struct {
        bool hangs;
        const char *answer;
        int result;
    } cases[] = {{false, "kept", 0}, {false, NULL, -EIO}, {true, "too late", -ETIMEDOUT}, {true, NULL, -ETIMEDOUT}};
    static const struct libvirt lv = {.virDomainDefineXMLFlags = fake_define, .virDomainFree = fake_free_domain,
                                      .virConnectRef = fake_ref, .virConnectClose = fake_close,
                                      .virSaveLastError = fake_save_error, .virFreeError = fake_free_error};

    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        char xml[] = "<domain/>"; /* the caller's, which may be gone when libvirt answers */
        virErrorPtr error = NULL;

        fake.hangs = c->hangs;
        fake.answer = c->answer;
        assert_int_equal(libvirt_define(&lv, (virConnectPtr)&fake, xml, &error), c->result);
        assert_ptr_equal(error, c->result == -EIO ? &refusal : NULL);
        if (c->hangs)
            sem_post(&fake.go);
        assert_given_back();
        assert_string_equal(fake.asked, "<domain/>");
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_capabilities), cmocka_unit_test(test_define)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
