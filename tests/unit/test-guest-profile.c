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
#define MACHINE(type) "  <os><type arch='x86_64' machine='" type "'>hvm</type></os>\n"
#define ACPI "  <features>\n    <acpi/>\n  </features>\n"
#define DISK "  <devices>\n    <disk type='file'><target dev='sda' bus='sata'/></disk>\n  </devices>\n"
#define Q35(features, devices) MACHINE("q35") features devices

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
        {DOMAIN("qemu", ""), "hyperv", -EOPNOTSUPP, "kvm guest"},
        {DOMAIN("kvm", ""), "bochs", -EINVAL, "no such profile"},
        {DOMAIN("kvm", ""), "", -EINVAL, "no such profile"},
        {DOMAIN("kvm", ""), "kvm+", -EINVAL, "no such profile"},
        {DOMAIN("kvm", ""), "kvm+xen", -EINVAL, "leave out xen"},
        {DOMAIN("kvm", ""), "locked", -EINVAL, "kvm+locked"},
        {DOMAIN("kvm", ""), "kvm+locked+locked", -EINVAL, "twice"},
        {DOMAIN("kvm", ""), "kvm+locked=1", -EINVAL, "no value"},
        {DOMAIN("kvm", ""), "kvm+numa", -EINVAL, "numa=0"},
        {DOMAIN("kvm", ""), "kvm+numa=", -EINVAL, "numa=0"},
        {DOMAIN("kvm", ""), "kvm+numa=00", -EINVAL, "numa=0"},
        {DOMAIN("kvm", ""), "kvm+numa=1024", -EINVAL, "numa=0"},
        {DOMAIN("kvm", ""), "kvm+numa=10000000", -EINVAL, "numa=0"},
        {DOMAIN("kvm", ""), "kvm+numa=1'", -EINVAL, "numa=0"},
        {DOMAIN("kvm", ""), "kvm+numa=1023+locked+hugepages", 0, NULL},
        {DOMAIN("kvm", Q35(ACPI, DISK)), "kvm+viommu", 0, NULL},
        {DOMAIN("qemu", Q35(ACPI, DISK)), "kvm+viommu", 0, NULL},
        {DOMAIN("kvm", MACHINE("pc-q35-7.2") ACPI DISK), "kvm+viommu", 0, NULL},
        {DOMAIN("kvm", MACHINE("pc-i440fx-7.2") ACPI DISK), "kvm+viommu", -EOPNOTSUPP, "machine='q35'"},
        {DOMAIN("kvm", ACPI DISK), "kvm+viommu", -EOPNOTSUPP, "machine='q35'"},
        {DOMAIN("kvm", Q35("", DISK)), "kvm+viommu", -EOPNOTSUPP, "<acpi/>"},
        {DOMAIN("kvm", Q35(ACPI, "")), "kvm+viommu", -EOPNOTSUPP, "no devices"},
        {DOMAIN("kvm", Q35(ACPI, "<devices/>")), "kvm+viommu", -EOPNOTSUPP, "no devices"},
        {DOMAIN("kvm", Q35(ACPI, "<devices><iommu model='virtio'/></devices>")), "kvm+viommu", -EOPNOTSUPP, "left in place"},
        {DOMAIN("kvm", Q35(ACPI, "<devices><iommu model='intel'/><iommu model='intel'/></devices>")), "kvm+viommu",
         -EOPNOTSUPP, "left in place"},
        {DOMAIN("kvm", "<memoryBacking/><memoryBacking/>"), "kvm+locked", -EOPNOTSUPP, "several"},
        {DOMAIN("kvm", "<memoryBacking><allocation mode='ondemand'/></memoryBacking>"), "kvm+hugepages", -EOPNOTSUPP, "ondemand"},
        {DOMAIN("kvm", "<memoryBacking><source type='anonymous'/></memoryBacking>"), "kvm+hugepages", -EOPNOTSUPP, "anonymous"},
        {DOMAIN("kvm", "<memoryBacking><source type='anonymous'/></memoryBacking>"), "kvm+locked", 0, NULL},
        {DOMAIN("kvm", "<numatune><memory mode='strict' nodeset='0'/></numatune>"), "kvm+numa=0", 0, NULL},
        {DOMAIN("kvm", "<numatune><memory mode='strict' nodeset='0'/></numatune>"), "kvm+numa=1", -EOPNOTSUPP, "left in place"},
        {DOMAIN("kvm", "<numatune><memory mode='preferred' nodeset='0'/></numatune>"), "kvm+numa=0", -EOPNOTSUPP, "left in place"},
        {DOMAIN("kvm", "<numatune><memory placement='auto'/></numatune>"), "kvm+numa=0", -EOPNOTSUPP, "left in place"},
        {DOMAIN("kvm", "<numatune><memory nodeset='0'/><memnode cellid='0' nodeset='1'/></numatune>"), "kvm+numa=0",
         -EOPNOTSUPP, "left in place"},
        {DOMAIN("kvm", "<vcpu placement='auto'>2</vcpu>"), "kvm+numa=0", -EOPNOTSUPP, "placement='static'"},
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

#define HYPERV_AFTER(evmcs)                                                                                             \
    "  <features>\n    <hyperv>\n      <relaxed state='on'/>\n      <vapic state='on'/>\n"                                \
    "      <spinlocks state='on' retries='4095'/>\n      <vpindex state='on'/>\n      <synic state='on'/>\n"              \
    "      <stimer state='on'>\n        <direct state='on'/>\n      </stimer>\n" evmcs "    </hyperv>\n  </features>"
#define CLOCK_AFTER "  <clock offset='utc'>\n    <timer name='hypervclock' present='yes'/>\n  </clock>"

static bool lacks(const char *text, const struct guest_wish *w) {
    _cleanup_guest_doc_ struct guest_doc d = {};
    assert_int_equal(guest_doc_open(text, strlen(text), &d, NULL), 0);
    return guest_profile_lacks(&d, w);
}

/* What becomes of a document, that it is so at the second time, and that undo gives the original back. */
static void test_settings(void **state) {
    static const struct {
        const char *body, *profile;
        enum extension extension;
        const char *without;
        const char *after[3];
    } cases[] = {
        {"", "hyperv", EXTENSION_SVM, NULL, {HYPERV_AFTER(""), CLOCK_AFTER}},
        {"", "hyperv", EXTENSION_VMX, NULL, {HYPERV_AFTER("      <evmcs state='on'/>\n"), CLOCK_AFTER}},
        {"", "hyperv", EXTENSION_VMX, "ipi,evmcs", {HYPERV_AFTER(""), CLOCK_AFTER}},
        {"", "hyperv", EXTENSION_VMX, "relaxed,vapic,spinlocks,vpindex,synic,stimer",
         {"  <features>\n    <hyperv>\n      <evmcs state='on'/>\n    </hyperv>\n  </features>"}},
        {"  <features>\n    <hyperv>\n      <relaxed state='off'/>\n      <spinlocks state='off'/>\n      <vapic state='on'/>\n"
         "    </hyperv>\n  </features>\n", "hyperv", EXTENSION_VMX, NULL,
         {"      <relaxed state='on'/>\n      <spinlocks retries='4095' state='on'/>\n      <vapic state='on'/>\n"
          "      <vpindex state='on'/>\n", "      <evmcs state='on'/>\n    </hyperv>"}},
        {"  <features><hyperv><spinlocks retries='8191' state='on'/><stimer state='on'/></hyperv></features>\n", "hyperv",
         EXTENSION_SVM, NULL, {"<spinlocks retries='8191' state='on'/><stimer state='on'><direct state='on'/></stimer><relaxed"}},
        {"  <features><acpi/></features>\n", "hyperv", EXTENSION_VMX, NULL, {"<acpi/>"}},
        {"  <clock offset='localtime'>\n    <timer name='hpet' present='no'/>\n    <timer name='hypervclock' present='no'/>\n"
         "  </clock>\n", "hyperv", EXTENSION_SVM, NULL,
         {"  <clock offset='localtime'>\n    <timer name='hpet' present='no'/>\n    <timer name='hypervclock' present='yes'/>\n"
          "  </clock>\n"}},
        {"  <features>\n    <hyperv mode='passthrough'/>\n  </features>\n", "hyperv", EXTENSION_VMX, NULL,
         {"</vcpu>\n  <features>\n    <hyperv mode='passthrough'/>\n  </features>\n  <cpu", "</cpu>\n</domain>"}},
        {Q35(ACPI, DISK), "xen+viommu", EXTENSION_SVM, NULL,
         {"    <acpi/>\n    <ioapic driver='qemu'/>\n  </features>", "<disk type='file'><target dev='sda' bus='sata'/></disk>",
          "    <iommu model='intel'>\n      <driver intremap='on' caching_mode='on'/>\n    </iommu>\n"}},
        {Q35("<features><acpi/><ioapic driver='kvm'/></features>",
             "<devices><iommu model='intel'><driver aw_bits='48' intremap='off'/></iommu></devices>"), "kvm+viommu",
         EXTENSION_VMX, NULL,
         {"<ioapic driver='qemu'/>", "<iommu model='intel'><driver caching_mode='on' aw_bits='48' intremap='on'/></iommu>"}},
        {"  <memoryBacking>\n    <hugepages>\n      <page size='1' unit='GiB'/>\n    </hugepages>\n  </memoryBacking>\n",
         "kvm+locked+hugepages", EXTENSION_VMX, NULL,
         {"  <memoryBacking>\n    <hugepages>\n      <page size='1' unit='GiB'/>\n    </hugepages>\n    <locked/>\n  </memoryBacking>"}},
        {"  <memoryBacking>\n         <discard/>\n  </memoryBacking>\n", "kvm+locked", EXTENSION_VMX, NULL,
         {"\n         <discard/>\n         <locked/>\n  </memoryBacking>"}},
        {"  <memoryBacking/>\n", "kvm+hugepages", EXTENSION_VMX, NULL,
         {"  <memoryBacking>\n    <hugepages/>\n  </memoryBacking>\n"}},
        {"", "kvm+hugepages+numa=12", EXTENSION_VMX, NULL,
         {"  <memoryBacking>\n    <hugepages/>\n  </memoryBacking>\n", "  <numatune>\n    <memory mode='strict' nodeset='12'/>\n  </numatune>\n"}},
        {"  <numatune>\n    <memory nodeset='3'/>\n  </numatune>\n", "kvm+numa=3", EXTENSION_VMX, NULL,
         {"  <numatune>\n    <memory mode='strict' nodeset='3'/>\n  </numatune>\n"}},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        struct guest_wish w = {GUEST_EXPOSE, c->extension, .profile = c->profile, .without = c->without}, undo = {GUEST_UNDO};
        _cleanup_guest_result_ struct guest_result result = {}, again = {}, back = {};
        _cleanup_free_ char *text = NULL, *why = NULL;
        assert_true(asprintf(&text, DOMAIN("kvm", "  <vcpu>2</vcpu>\n%s"), c->body) > 0);
        if (guest_rewrite(text, strlen(text), &w, &result, &why) < 0)
            fail_msg("%s: %s: %s", text, c->profile, why);
        for (size_t i = 0; i < ELEMENTSOF(c->after) && c->after[i]; i++)
            if (!strstr(result.text, c->after[i]))
                fail_msg("expected:\n%s\ngot:\n%s", c->after[i], result.text);
        assert_int_equal(lacks(text, &w), !strstr(c->body, "passthrough"));
        assert_false(lacks(result.text, &w));
        if (strstr(result.text, "vmx-"))
            fail_msg("a vmx-* feature, of which libvirt 9.0 knows none:\n%s", result.text);
        if (c->extension == EXTENSION_SVM && strstr(result.text, "evmcs"))
            fail_msg("evmcs on AMD:\n%s", result.text);
        assert_int_equal(guest_rewrite(result.text, result.len, &w, &again, NULL), 0);
        assert_false(again.changed);
        assert_int_equal(guest_rewrite(result.text, result.len, &undo, &back, NULL), 0);
        assert_string_equal(back.text, text);
    }
}

/* A name that another begins with. */
static void test_names(void **state) {
    static const struct guest_setting settings[] = {{REGION_FEATURES, "pv/a", "x", "1", .reason = "r"},
                                                    {REGION_FEATURES, "pvspinlock", "y", "2", .reason = "r"},
                                                    {REGION_FEATURES, "pv", "z", "3", .reason = "r"}};
    static const char text[] = DOMAIN("kvm", "  <features/>\n");
    struct guest_want wants[] = {{&settings[0], "1"}, {&settings[1], "2"}, {&settings[2], "3"}};
    _cleanup_guest_edits_ struct guest_edits e = {};
    _cleanup_guest_doc_ struct guest_doc d = {};
    assert_int_equal(guest_doc_open(text, strlen(text), &d, NULL), 0);
    assert_int_equal(guest_settings_edit(&d, wants, ELEMENTSOF(wants), &e), 0);
    assert_false(e.failed);
    assert_int_equal(e.n_splices, 1);
    assert_string_equal(e.splices[0].text, ">\n    <pv z='3'>\n      <a x='1'/>\n    </pv>\n    <pvspinlock y='2'/>\n  </features>");
    assert_int_equal(e.n_notes, 3);
}

/* What libvirt writes by itself is nobody's change; what is somebody's stays, and the rest goes back. */
static void test_undo_after_others(void **state) {
    static const char text[] = DOMAIN("kvm", Q35(ACPI, DISK));
    struct guest_wish w = {GUEST_EXPOSE, EXTENSION_SVM, .profile = "kvm+viommu+locked"}, undo = {GUEST_UNDO};
    static const struct {
        const char *from, *to, *stays;
    } cases[] = {
        {"caching_mode='on'/>", "caching_mode='on' eim='on'/>", NULL},
        {"caching_mode='on'/>", "caching_mode='on' aw_bits='48'/>", "aw_bits='48'"},
        {"<locked/>", "<locked/><nosharepages/>", "<locked/><nosharepages/>"},
        {"<acpi/>", "<acpi/><apic/>", "<acpi/><apic/>"},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        _cleanup_guest_result_ struct guest_result result = {}, back = {};
        _cleanup_free_ char *changed = NULL;
        assert_int_equal(guest_rewrite(text, strlen(text), &w, &result, NULL), 0);
        char *at = strstr(result.text, c->from);
        assert_non_null(at);
        assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - result.text), result.text, c->to, at + strlen(c->from)) > 0);
        assert_int_equal(guest_rewrite(changed, strlen(changed), &undo, &back, NULL), 0);
        if (c->stays ? !strstr(back.text, c->stays) : strcmp(back.text, text) != 0)
            fail_msg("%s: undo gives\n%s", c->to, back.text);
        assert_null(strstr(back.text, "nestd"));
        assert_null(strstr(back.text, "'svm'"));
        if (c->stays)
            assert_int_equal(!!strstr(back.text, "<ioapic"), !!strstr(c->to, "apic/>"));
    }
}

/* Every row says why and who says so, and can be asked for. */
static void test_table(void **state) {
    static const char text[] = DOMAIN("kvm", "");
    struct guest_wish w = {GUEST_EXPOSE, EXTENSION_SVM, .profile = "none"}, viommu = {.profile = "kvm+viommu"};
    _cleanup_guest_result_ struct guest_result result = {};
    _cleanup_free_ char *why = NULL;
    assert_int_equal(guest_rewrite(text, strlen(text), &w, &result, &why), -EINVAL);
    assert_false(lacks(text, &w));
    assert_true(lacks(text, &viommu)); /* it has no devices to have it among */
    for (size_t i = 0; i < n_guest_profiles; i++) {
        const struct guest_profile *p = &guest_profiles[i];
        assert_true(p->name && p->what && p->source);
        assert_non_null(strstr(why, p->name));
        for (const struct guest_setting *s = p->settings; s && s->reason; s++) {
            assert_true(*s->reason && s->source && *s->source);
            assert_true(s->attr || !s->value);
        }
        FOREACH_ARRAY(q, p->requirements, ELEMENTSOF(p->requirements))
            assert_true(!q->check == !q->reason);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_requirements), cmocka_unit_test(test_settings), cmocka_unit_test(test_names),
                                              cmocka_unit_test(test_undo_after_others), cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
