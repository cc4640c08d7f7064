/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single facts, each from the few files that tell it. Whole hosts are in test-hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "diagnose.h"
#include "tests/unit/support-root.h"
#include "text.h"

#define KERNEL "6.1.0-test"
#define MODULES "/lib/modules/" KERNEL

static int setup(void **state) {
    *state = temp_root_new();
    temp_root_puts(*state, "/proc/sys/kernel/osrelease", KERNEL "\n");
    return 0;
}

static int teardown(void **state) {
    temp_root_free(*state);
    return 0;
}

static void put_cpu(const char *dir, const char *vendor, const char *flags, const char *vmx_flags) {
    _cleanup_free_ char *text = text_format("processor\t: 0\nvendor_id\t: %s\ncpu family\t: 6\nflags\t\t: fpu %s\n%s%s\n",
                                            vendor, flags, vmx_flags ? "vmx flags\t: " : "", strempty(vmx_flags));
    temp_root_puts(dir, "/proc/cpuinfo", text);
}

static struct host_facts *probe(const char *dir) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    struct host_facts *f = NULL;

    assert_int_equal(sysroot_open(dir, &root), 0);
    assert_int_equal(probe_host(root, &f), 0);
    return f;
}

/* The reason's message, or NULL. *V belongs to the caller. */
static const char *reason(const struct host_facts *f, struct verdict **v, const char *code) {
    if (!*v)
        assert_int_equal(diagnose_host(f, NULL, false, v), 0);
    for (size_t i = 0; i < (*v)->n_reasons; i++)
        if (streq((*v)->reasons[i].code, code))
            return (*v)->reasons[i].message;
    return NULL;
}
#define _cleanup_verdict_ _cleanup_(verdict_freep)

/* Kernels before 6.6 show svm although VM_CR.SVMDIS is set; a module that is loaded proves it on. */
static void test_svm_disabled(void **state) {
    _cleanup_verdict_ struct verdict *v = NULL;

    put_cpu(*state, "AuthenticAMD", "svm npt", NULL);
    temp_root_puts(*state, MODULES "/kernel/arch/x86/kvm/kvm-amd.ko", "");
    temp_root_puts(*state, MODULES "/nestd.modinfo", "kvm_amd.parmtype=nested:int\n");
    temp_root_puts(*state, "/dev/cpu/0/msr", "0xc0010114 0x18\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->extension, EXTENSION_SVM);
    assert_true(host_feature(f, FEATURE_NESTED)->hardware_masked);
    assert_int_equal(host_feature(f, FEATURE_EPT)->settable, SETTABLE_NO);
    assert_non_null(reason(f, &v, "bios-disabled"));
    assert_false(v->capable);

    temp_root_puts(*state, "/sys/module/kvm_amd/initstate", "live\n");
    temp_root_puts(*state, "/sys/module/kvm_amd/parameters/nested", "1\n");
    _cleanup_host_facts_ struct host_facts *loaded = probe(*state);
    assert_int_equal(host_feature(loaded, FEATURE_NESTED)->hardware, TRISTATE_YES);
}

/* No CPUID in the dump, no flag: the capability registers are the CPU's only word. */
static void test_masked_by_registers(void **state) {
    put_cpu(*state, "GenuineIntel", "", NULL);
    temp_root_puts(*state, "/dev/cpu/0/msr", "0x3a 0x1\n0x480 0xd8100000000001\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->masked_extension, EXTENSION_VMX);
    assert_string_equal(f->vendor_module.name, "kvm_intel");

    temp_root_puts(*state, "/dev/cpu/0/msr", "0x3a 0x1\n0x480 0x0\n");
    _cleanup_host_facts_ struct host_facts *zero = probe(*state);
    assert_int_equal(zero->masked_extension, EXTENSION_NONE);
    assert_null(zero->vendor_module.name);
}

static void test_registers_tell(void **state) {
    put_cpu(*state, "GenuineIntel", "vmx ept", NULL);
    temp_root_puts(*state, "/dev/cpu/0/msr", /* shadow VMCS and EPT; EPT A/D; no posted interrupts; no tertiary controls */
                   "0x480 0xd8100000000001\n0x481 0x3f00000016\n0x48b 0x0000400200000000\n0x48c 0x0000000000200000\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(host_feature(f, FEATURE_SHADOW_VMCS)->hardware, TRISTATE_YES);
    assert_int_equal(host_feature(f, FEATURE_EPT_AD)->hardware, TRISTATE_YES);
    assert_int_equal(host_feature(f, FEATURE_PML)->hardware, TRISTATE_NO);
    assert_int_equal(host_feature(f, FEATURE_APICV)->hardware, TRISTATE_NO);
    assert_int_equal(host_feature(f, FEATURE_IPIV)->hardware, TRISTATE_NO);
    assert_int_equal(f->msr.error, 0);
}

/* What neither flags nor registers tell the loaded module does. */
static void test_module_tells(void **state) {
    put_cpu(*state, "GenuineIntel", "vmx ept", NULL);
    temp_root_puts(*state, "/sys/module/kvm_intel/initstate", "live\n");
    temp_root_puts(*state, "/sys/module/kvm_intel/parameters/nested", "N\n");
    temp_root_puts(*state, "/sys/module/kvm_intel/parameters/pml", "Y\n");
    temp_root_puts(*state, "/sys/module/kvm_intel/parameters/eptad", "N\n");
    temp_root_puts(*state, "/sys/module/kvm_intel/parameters/enable_shadow_vmcs", "Y\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->msr.error, -ENOENT);
    assert_int_equal(host_feature(f, FEATURE_PML)->hardware, TRISTATE_YES);
    assert_int_equal(host_feature(f, FEATURE_EPT_AD)->hardware, TRISTATE_UNKNOWN);
    assert_int_equal(host_feature(f, FEATURE_SHADOW_VMCS)->hardware, TRISTATE_UNKNOWN);
    temp_root_puts(*state, "/sys/module/kvm_intel/parameters/nested", "Y\n");
    _cleanup_host_facts_ struct host_facts *nested = probe(*state);
    assert_int_equal(host_feature(nested, FEATURE_SHADOW_VMCS)->hardware, TRISTATE_YES);
}

/* The least that can be: a hypervisor shows its guest one level only, with these exceptions. */
static void test_level(void **state) {
    static const struct {
        const char *flags, *cpuid, *xen, *vendor, *hypervisor;
        int level;
    } cases[] = {
        {"svm", "", NULL, NULL, NULL, 0},
        {"svm", "", NULL, "QEMU", NULL, 0}, /* somebody's SMBIOS tables alone do not make a guest */
        {"svm hypervisor", "0x40000000 0x40000001 0x4b4d564b 0x564b4d56 0x4d\n", NULL, "QEMU", "kvm", 1},
        {"hypervisor", "0x40000000 0x4000000c 0x7263694d 0x666f736f 0x76482074\n0x40000004 0x60e14 0 0 0\n", NULL, NULL,
         "microsoft", 1},
        {"hypervisor", "0x40000000 0x4000000c 0x7263694d 0x666f736f 0x76482074\n0x40000004 0x61e14 0 0 0\n", NULL, NULL,
         "microsoft", 2},
        {"hypervisor", "0x40000000 0x4000000c 0x4b4d564b 0x564b4d56 0x4d\n0x40000004 0x61e14 0 0 0\n", NULL, NULL, "kvm", 1},
        {"hypervisor", "", "control_d\n", "Dell Inc.", "xen", 1},
        {"hypervisor", "", "control_d\n", "Microsoft Corporation", "xen", 1},
        {"hypervisor", "", "control_d\n", "QEMU", "xen", 2},
        {"hypervisor", "", "\n", "QEMU", "xen", 1},
    };
    FOREACH_ARRAY(c, cases, ELEMENTSOF(cases)) {
        char *dir = temp_root_new();
        put_cpu(dir, "AuthenticAMD", c->flags, NULL);
        temp_root_puts(dir, "/dev/cpu/0/cpuid", c->cpuid);
        if (c->xen) {
            temp_root_puts(dir, "/sys/hypervisor/type", "xen\n");
            temp_root_puts(dir, "/proc/xen/capabilities", c->xen);
        }
        if (c->vendor)
            temp_root_puts(dir, "/sys/class/dmi/id/sys_vendor", c->vendor);
        _cleanup_host_facts_ struct host_facts *f = probe(dir);
        assert_true(streq_ptr(f->hypervisor, c->hypervisor));
        assert_int_equal(f->virtualized, c->level > 0);
        assert_int_equal(f->level, c->level);
        temp_root_free(dir);
    }
}

static void test_options_order(void **state) {
    put_cpu(*state, "AuthenticAMD", "svm", NULL);
    temp_root_puts(*state, "/etc/modprobe.d/50-a.conf", "options kvm_amd nested=1\n");
    temp_root_puts(*state, "/lib/modprobe.d/10-b.conf", "options kvm-amd nested=0\n");
    temp_root_puts(*state, "/run/modprobe.d/60-c.conf", "options kvm_amd nested=0\n");
    temp_root_puts(*state, "/usr/lib/modprobe.d/60-c.conf", "options kvm_amd nested=0\n");
    temp_root_puts(*state, "/etc/modprobe.d/60-c.conf", "");
    temp_root_puts(*state, NESTD_MODPROBE_CONF, "# ours\noptions kvm_amd npt=1\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);

    assert_int_equal(f->n_options, 3);
    assert_string_equal(f->options[0].path, "/lib/modprobe.d/10-b.conf");
    assert_false(f->options[0].effective);
    assert_string_equal(f->options[1].path, "/etc/modprobe.d/50-a.conf");
    assert_true(f->options[1].effective);
    assert_false(f->options[1].ours);
    assert_int_equal(f->options[2].line, 2);
    assert_true(f->options[2].ours);
    assert_string_equal(f->own_options, "# ours\noptions kvm_amd npt=1\n");
}

static void test_cmdline(void **state) {
    put_cpu(*state, "AuthenticAMD", "svm", NULL);
    temp_root_puts(*state, "/proc/cmdline", "ro \"kvm-amd.nested=1\" kvm_amd.x=\"a b\" kvm_amd.bare kvm.=1 kvm_amd -- kvm_amd.npt=0\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);

    assert_int_equal(f->n_options, 3);
    assert_string_equal(f->options[0].module, "kvm_amd");
    assert_string_equal(f->options[0].value, "1");
    assert_string_equal(f->options[1].value, "a b");
    assert_null(f->options[2].value);
}

/* Built in without a trace in sysfs; what modprobe.d says is no use then. */
static void test_builtin(void **state) {
    static const char modinfo[] = "kvm.parmtype=ignore_msrs:bool\0kvm_amd.parmtype=nested:int\0kvm_amd.parm=npt:x\0"
                                  "kvm_intel.parmtype=ept:bool";
    _cleanup_verdict_ struct verdict *v = NULL;

    put_cpu(*state, "AuthenticAMD", "svm npt", NULL);
    temp_root_puts(*state, MODULES "/modules.builtin", "kernel/virt/kvm/x.ko\nkernel/arch/x86/kvm/kvm-amd.ko\n");
    temp_root_write(*state, MODULES "/modules.builtin.modinfo", modinfo, sizeof(modinfo));
    temp_root_puts(*state, "/etc/modprobe.d/a.conf", "options kvm_amd nested=0\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->vendor_module.state, MODULE_BUILTIN);
    assert_int_equal(f->vendor_module.n_parameters, 2);
    assert_string_equal(f->vendor_module.parameters[0].type, "int");
    assert_null(f->vendor_module.parameters[1].type);
    assert_false(f->options[0].effective);
    assert_int_equal(host_feature(f, FEATURE_NESTED)->boot, TRISTATE_UNKNOWN);
    assert_int_equal(host_feature(f, FEATURE_NESTED)->settable, SETTABLE_BOOT);
    assert_non_null(strstr(reason(f, &v, "option-overridden"), "built in"));
    assert_true(v->persistent);
    assert_int_equal(f->kvm.state, MODULE_ABSENT);
}

/* Found by modules.dep alone, and compressed: in a dump it stays closed. */
static void test_compressed(void **state) {
    put_cpu(*state, "GenuineIntel", "vmx", "");
    temp_root_puts(*state, MODULES "/modules.dep", "kernel/x.ko: y\nweak/kvm-intel.ko.xz: kernel/kvm.ko\n");
    temp_root_write(*state, MODULES "/weak/kvm-intel.ko.xz", "\xFD" "7zXZ\0", 6);
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->vendor_module.state, MODULE_AVAILABLE);
    assert_int_equal(f->n_warnings, 1);
    assert_non_null(strstr(f->warnings[0], "only an uncompressed module is read"));
    assert_null(host_feature(f, FEATURE_NESTED)->parameter);
}

static void test_directives(void **state) {
    _cleanup_verdict_ struct verdict *v = NULL, *w = NULL;

    put_cpu(*state, "AuthenticAMD", "svm", NULL);
    temp_root_puts(*state, MODULES "/kernel/arch/x86/kvm/kvm-amd.ko", "");
    temp_root_puts(*state, MODULES "/nestd.modinfo", "kvm_amd.parmtype=nested:int\n");
    temp_root_puts(*state, "/etc/modprobe.d/a.conf", "softdep kvm_amd pre: ccp\nblacklist kvm_amd\nremove kvm_amd /bin/x y\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->n_directives, 3);
    assert_int_equal(f->directives[0].kind, DIRECTIVE_SOFTDEP);
    assert_string_equal(f->directives[2].text, "/bin/x y");
    assert_non_null(reason(f, &v, "module-blacklisted"));
    /* Loaded all the same: then it does not matter. */
    temp_root_puts(*state, "/sys/module/kvm_amd/initstate", "live\n");
    _cleanup_host_facts_ struct host_facts *loaded = probe(*state);
    assert_null(reason(loaded, &w, "module-blacklisted"));
}

/* An int takes no letter: the module would not load, which is another thing than off. */
static void test_refused(void **state) {
    _cleanup_verdict_ struct verdict *v = NULL;

    put_cpu(*state, "AuthenticAMD", "svm", NULL);
    temp_root_puts(*state, "/sys/module/kvm_amd/initstate", "live\n");
    temp_root_puts(*state, "/sys/module/kvm_amd/parameters/nested", "0\n");
    temp_root_puts(*state, "/etc/modprobe.d/a.conf", "options kvm_amd nested=Y\r\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_string_equal(f->options[0].value, "Y");
    assert_non_null(reason(f, &v, "option-refused"));
    assert_non_null(strstr(reason(f, &v, "nested-off"), "would not load"));
    assert_null(reason(f, &v, "nested-off-at-boot"));
    assert_false(v->persistent);
}

static void test_kernel_default(void **state) {
    _cleanup_verdict_ struct verdict *v = NULL;

    put_cpu(*state, "GenuineIntel", "vmx", NULL);
    temp_root_puts(*state, "/proc/sys/kernel/osrelease", "4.19.0-27-amd64\n");
    temp_root_puts(*state, "/sys/module/kvm_intel/initstate", "live\n");
    temp_root_puts(*state, "/sys/module/kvm_intel/parameters/nested", "Y\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_non_null(strstr(reason(f, &v, "nested-off-at-boot"), "the default of kernel 4.19"));
    assert_true(v->enabled);
    assert_false(v->persistent);
}

static void test_security(void **state) {
    static const char variable[] = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

    _cleanup_host_facts_ struct host_facts *unknown = probe(*state);
    assert_int_equal(unknown->secure_boot, TRISTATE_UNKNOWN);
    temp_root_write(*state, variable, "\6\0\0\0\1", 5);
    temp_root_puts(*state, "/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
    temp_root_puts(*state, "/etc/initramfs-tools/modules", "# kvm_intel\next4\n");
    _cleanup_host_facts_ struct host_facts *f = probe(*state);
    assert_int_equal(f->secure_boot, TRISTATE_YES);
    assert_string_equal(f->lockdown, "confidentiality");
    assert_false(f->initramfs_has_module);
    temp_root_write(*state, variable, "\6\0\0\0\0", 5);
    temp_root_puts(*state, "/etc/initramfs-tools/modules", "ext4\nkvm_intel\n");
    _cleanup_host_facts_ struct host_facts *off = probe(*state);
    assert_int_equal(off->secure_boot, TRISTATE_NO);
    assert_true(off->initramfs_has_module);
}

static void test_parameter_is_on(void **state) {
    assert_int_equal(parameter_is_on("bool", "Y"), TRISTATE_YES);
    assert_int_equal(parameter_is_on("bool", "off"), TRISTATE_NO);
    assert_int_equal(parameter_is_on("bool", NULL), TRISTATE_YES);
    assert_int_equal(parameter_is_on("int", NULL), TRISTATE_UNKNOWN);
    assert_int_equal(parameter_is_on("int", "0x0"), TRISTATE_NO);
    assert_int_equal(parameter_is_on("int", "-1"), TRISTATE_YES);
    assert_int_equal(parameter_is_on(NULL, ""), TRISTATE_UNKNOWN);
    assert_int_equal(parameter_is_on("bool", "o"), TRISTATE_UNKNOWN);
    assert_int_equal(parameter_is_on("int", "1x"), TRISTATE_UNKNOWN);
    assert_int_equal(parameter_is_on("int", "Y"), TRISTATE_UNKNOWN);
    assert_int_equal(parameter_is_on("bool", "2"), TRISTATE_UNKNOWN);
    assert_int_equal(parameter_is_on(NULL, "2"), TRISTATE_YES);
    assert_int_equal(parameter_is_on(NULL, "N"), TRISTATE_NO);
}

/* This machine: what CPUID and its dump say is the same. */
static void test_live(void **state) {
    _cleanup_host_facts_ struct host_facts *live = probe("/");
    _cleanup_free_ char *cpuid = NULL;
    int r = dump_cpuid(&cpuid);

    assert_true(live->n_cpus > 0);
    if (r == -EOPNOTSUPP)
        return;
    assert_int_equal(r, 0);
    temp_root_puts(*state, "/dev/cpu/0/cpuid", cpuid);
    _cleanup_host_facts_ struct host_facts *dump = probe(*state);
    assert_memory_equal(&live->cpuid, &dump->cpuid, sizeof(live->cpuid));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_svm_disabled), T(test_masked_by_registers), T(test_registers_tell), T(test_module_tells), T(test_level),
        T(test_options_order), T(test_cmdline), T(test_builtin), T(test_compressed), T(test_directives),
        T(test_refused), T(test_kernel_default), T(test_security), T(test_parameter_is_on), T(test_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
