/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support-probe.h"

#include "text.h"

const char *const probed_paths[] = {
    "/proc/cpuinfo",
    "/proc/cmdline",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/arch",
    "/proc/xen/capabilities",
    "/dev/kvm",
    "/dev/cpu/0/msr",
    "/dev/cpu/0/cpuid",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/vulnerabilities/l1tf",
    "/sys/hypervisor/type",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/product_name",
    "/sys/kernel/security/lockdown",
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    "/sys/module/kvm/initstate",
    "/sys/module/kvm/refcnt",
    "/sys/module/kvm/parameters/enable_virt_at_load",
    "/sys/module/kvm_intel/initstate",
    "/sys/module/kvm_intel/refcnt",
    "/sys/module/kvm_intel/parameters/nested",
    "/sys/module/kvm_intel/parameters/ept",
    "/sys/module/vboxdrv",
    "/lib/modules/" PROBED_KERNEL "/modules.dep",
    "/lib/modules/" PROBED_KERNEL "/modules.builtin",
    "/lib/modules/" PROBED_KERNEL "/modules.builtin.modinfo",
    "/lib/modules/" PROBED_KERNEL "/nestd.modinfo",
    "/lib/modules/" PROBED_KERNEL "/kernel/arch/x86/kvm/kvm-intel.ko",
    "/lib/modules/" PROBED_KERNEL "/updates/dkms/nestvmx.ko",
    "/etc/modprobe.d/nestd.conf",
    "/etc/modprobe.d/a.conf",
    "/run/modprobe.d/b.conf",
    "/usr/local/lib/modprobe.d/c.conf",
    "/usr/lib/modprobe.d/d.conf",
    "/lib/modprobe.d/e.conf",
    "/etc/initramfs-tools/modules",
    "/etc/dracut.conf",
    "/etc/dracut.conf.d/kvm.conf",
    "/etc/mkinitcpio.conf",
    "/etc/nestd/nestd.conf",
    "/etc/nestd/nestd.conf.d/a.conf",
    "/usr/lib/nestd/nestd.conf.d/b.conf",
    NULL,
};

/* What text_clean() would change is not clean. */
static bool is_clean(const char *text) {
    _cleanup_free_ char *clean = text_clean(text, strlen(text), strlen(text));

    return clean && streq(clean, text);
}

#define REQUIRE(condition)                                                                                   \
    do                                                                                                       \
        if (!(condition))                                                                                    \
            return #condition;                                                                               \
    while (0)

static const char *study_facts(const struct host_facts *f) {
    REQUIRE(f->n_cpus_without_extension <= f->n_cpus);
    REQUIRE(f->x86 || f->extension == EXTENSION_NONE);
    REQUIRE(f->extension == EXTENSION_NONE || f->vendor_module.name);
    REQUIRE(f->n_features <= _FEATURE_MAX);
    for (size_t i = 0; i < f->n_warnings; i++)
        REQUIRE(is_clean(f->warnings[i]));
    for (size_t i = 0; i < f->n_options; i++)
        REQUIRE(is_clean(f->options[i].parameter) && is_clean(strempty(f->options[i].value)));
    for (size_t i = 0; i < f->n_features; i++) {
        const struct feature_facts *ff = f->features + i;
        REQUIRE(ff->parameter || ff->current == TRISTATE_UNKNOWN);
        REQUIRE(ff->parameter || ff->settable == SETTABLE_NO);
        REQUIRE(!ff->hardware_masked || ff->hardware == TRISTATE_NO);
    }
    return NULL;
}

static const char *study_verdict(const struct host_facts *f, const struct verdict *v, const struct conf *conf) {
    struct json_object *o = NULL;
    struct check *checks = NULL;
    bool clean, worst = false, failed = false;
    size_t n;

    REQUIRE(v->capable || (!v->enabled && !v->persistent));
    for (size_t i = 0; i < v->n_reasons; i++) {
        REQUIRE(v->reasons[i].hint && v->reasons[i].message[0]);
        worst |= v->reasons[i].level == REASON_ERROR;
        REQUIRE(i == 0 || v->reasons[i].level <= v->reasons[i - 1].level);
    }
    REQUIRE(v->capable || worst); /* it is said why not */
    REQUIRE(describe_host(f, v, conf, &o) == 0);
    clean = is_clean(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
    REQUIRE(clean);
    REQUIRE(check_host(f, v, &checks, &n) == 0);
    for (size_t i = 0; i < n; i++) {
        clean &= is_clean(checks[i].detail);
        failed |= checks[i].result == CHECK_FAIL;
    }
    checks_free(checks, n);
    REQUIRE(clean);
    REQUIRE(failed == worst);
    return NULL;
}

const char *study_root(const char *dir) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *f = NULL;
    _cleanup_(conf_freep) struct conf *conf = NULL;
    _cleanup_(verdict_freep) struct verdict *v = NULL;
    const char *broken;

    REQUIRE(sysroot_open(dir, &root) == 0);
    REQUIRE(probe_host(root, &f) == 0);
    REQUIRE(conf_load(root, &conf) == 0);
    REQUIRE(diagnose_host(f, conf, false, &v) == 0);
    broken = study_facts(f);
    return broken ? broken : study_verdict(f, v, conf);
}
