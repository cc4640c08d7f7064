/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guest-profile.h"

#define DOMAIN(type, body) "<domain type='" type "'>\n  <name>a</name>\n" body "</domain>\n"
#define BIG "  <memory unit='GiB'>4</memory>\n  <vcpu>2</vcpu>\n"
#define ESXI_DEVICES(nic, bus) "  <devices><interface type='network'><model type='" nic "'/></interface>"                 \
                               "<disk type='file'><target dev='sda' bus='" bus "'/></disk></devices>\n"

static void test_requirements(void **state) {
    static const struct {
        const char *text, *profile;
        int error;
        const char *reason;
    } cases[] = {
        {DOMAIN("kvm", BIG), "kvm", 0, NULL},
        {DOMAIN("kvm", ""), "xen", 0, NULL},
        {DOMAIN("kvm", BIG), "esxi", 0, NULL},
        {DOMAIN("kvm", BIG ESXI_DEVICES("e1000e", "sata")), "esxi", 0, NULL},
        {DOMAIN("kvm", BIG ESXI_DEVICES("virtio", "sata")), "esxi", -EOPNOTSUPP, "vmxnet3"},
        {DOMAIN("kvm", BIG ESXI_DEVICES("vmxnet3", "virtio")), "esxi", -EOPNOTSUPP, "sata"},
        {DOMAIN("kvm", "<memory unit='GiB'>8</memory><vcpu>1</vcpu>"), "esxi", -EOPNOTSUPP, "vCPUs"},
        {DOMAIN("kvm", "<memory>4194303</memory><vcpu>2</vcpu>"), "esxi", -EOPNOTSUPP, "4 GiB"},
        {DOMAIN("kvm", "<memory>4194304</memory><vcpu>2</vcpu>"), "esxi", 0, NULL},
        {DOMAIN("kvm", "<memory unit='GB'>4</memory><vcpu>2</vcpu>"), "esxi", -EOPNOTSUPP, "4 GiB"},
        {DOMAIN("qemu", ""), "hyperv", -EOPNOTSUPP, "need KVM"},
        {DOMAIN("kvm", ""), "bochs", -EINVAL, "no such profile"},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        struct guest_wish w = {GUEST_EXPOSE, EXTENSION_SVM, .profile = c->profile};
        _cleanup_guest_result_ struct guest_result result = {};
        _cleanup_free_ char *why = NULL;
        int r = guest_rewrite(c->text, strlen(c->text), &w, &result, &why);
        if (r != c->error || (c->reason && (!why || !strstr(why, c->reason))))
            fail_msg("%s: %s: %d (%s)", c->text, c->profile, r, why);
    }
}

static void test_hyperv(void **state) {
    static const struct {
        const char *features;
        enum extension extension;
        const char *after;
    } cases[] = {
        {"", EXTENSION_SVM, "  <features>\n    <hyperv mode='custom'>\n      <relaxed state='on'/>\n      <vapic state='on'/>\n"
                            "      <spinlocks state='on' retries='8191'/>\n      <vpindex state='on'/>\n    </hyperv>\n  </features>"},
        {"  <features>\n    <hyperv>\n      <relaxed state='off'/>\n      <spinlocks state='off'/>\n      <vapic state='on'/>\n"
         "    </hyperv>\n  </features>\n", EXTENSION_VMX,
         "      <relaxed state='on'/>\n      <spinlocks retries='8191' state='on'/>\n      <vapic state='on'/>\n"
         "      <vpindex state='on'/>\n      <evmcs state='on'/>\n    </hyperv>"},
        {"  <features><acpi/></features>\n", EXTENSION_VMX, "<acpi/>"},
        {"  <features>\n    <hyperv mode='passthrough'/>\n  </features>\n", EXTENSION_VMX, "<hyperv mode='passthrough'/>"},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        struct guest_wish w = {GUEST_EXPOSE, c->extension, .profile = "hyperv"}, undo = {GUEST_UNDO};
        _cleanup_guest_result_ struct guest_result result = {}, again = {}, back = {};
        _cleanup_free_ char *text = NULL;
        assert_true(asprintf(&text, DOMAIN("kvm", "%s"), c->features) > 0);
        assert_int_equal(guest_rewrite(text, strlen(text), &w, &result, NULL), 0);
        if (!strstr(result.text, c->after))
            fail_msg("expected:\n%s\ngot:\n%s", c->after, result.text);
        assert_int_equal(guest_rewrite(result.text, result.len, &w, &again, NULL), 0);
        assert_false(again.changed);
        assert_int_equal(guest_rewrite(result.text, result.len, &undo, &back, NULL), 0);
        assert_string_equal(back.text, text);
    }
}

/* Every row says why. */
static void test_table(void **state) {
    for (size_t i = 0; i < n_guest_profiles; i++) {
        const struct guest_profile *p = &guest_profiles[i];
        assert_true(p->name && p->what && p->source);
        for (const struct profile_enlightenment *l = p->enlightenments; l && l->name; l++)
            assert_true(l->reason && *l->reason);
        FOREACH_ARRAY(q, p->requirements, ELEMENTSOF(p->requirements))
            assert_true(!q->check == !q->reason);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_requirements), cmocka_unit_test(test_hyperv),
                                              cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
