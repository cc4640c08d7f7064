/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine is: plain facts, as read, with no judgement (that is diagnose.h). Strings are UTF-8-safe printable
 * copies; NULL means "not known". */
#pragma once

#include "feature.h"
#include "sysroot.h"

enum vendor { VENDOR_NONE, VENDOR_INTEL, VENDOR_AMD, VENDOR_HYGON, VENDOR_OTHER, _VENDOR_MAX };
const char *vendor_to_string(enum vendor v);

enum module_state { MODULE_ABSENT, MODULE_AVAILABLE, MODULE_BUILTIN, MODULE_LOADED };
const char *module_state_to_string(enum module_state s);

enum settable { SETTABLE_NO, SETTABLE_RUNTIME, SETTABLE_RELOAD, SETTABLE_BOOT };
const char *settable_to_string(enum settable s);

struct parameter {
    char *name;
    char *type;        /* modinfo's: "bool", "int", ...; NULL: modinfo could not be read */
    char *value;       /* /sys/module/M/parameters/NAME; NULL: not loaded or not readable */
    bool in_modinfo;   /* this kernel's module file (or built-in modinfo) has it */
    mode_t mode;       /* of the sysfs attribute; 0 when not loaded */
};

struct module_facts {
    const char *name; /* static */
    enum module_state state;
    char *initstate; /* "live", "coming", "going" or NULL */
    long refcnt;     /* -1: not known */
    char **holders;  /* modules that use it */
    size_t n_holders;
    struct parameter *parameters;
    size_t n_parameters;
    int parameters_error; /* why those of a module that is not loaded are not known: -ENOPKG libkmod is not installed,
                           * -EPROTONOSUPPORT a compressed file in a dump, ...; 0: they are known */
};

/* That, or why a module could not be loaded or unloaded, as a reason and a remedy (NULL: none is known) in words; static. */
const char *module_error_reason(int error, const char **ret_remedy);

/* One contributor to the options a module gets when loaded, in modprobe's order; the last one of a parameter wins. */
struct module_option {
    char *path;    /* "/etc/modprobe.d/kvm.conf", "/proc/cmdline" */
    unsigned line; /* from 1; 0 for the command line */
    char *module, *parameter, *value; /* value NULL: "options kvm_intel nested" without '=' */
    bool effective; /* no later contributor overrides it */
    bool ours;      /* /etc/modprobe.d/nestd.conf */
};

/* A line that says whether or how a module is loaded at all. */
enum directive_kind { DIRECTIVE_BLACKLIST, DIRECTIVE_INSTALL, DIRECTIVE_REMOVE, DIRECTIVE_SOFTDEP };
struct module_directive {
    enum directive_kind kind;
    char *path; /* as in struct module_option */
    unsigned line;
    char *module, *text; /* TEXT: what follows the module's name; "" for a blacklist line */
};

struct feature_facts {
    const struct feature *feature;
    enum tristate hardware;
    bool hardware_masked;         /* the CPU has it but firmware or hypervisor switched it off (HARDWARE is no) */
    const struct parameter *parameter; /* NULL: this kernel's module has none */
    enum tristate current;        /* UNKNOWN: absent; a module that is not loaded has everything off */
    enum tristate boot;           /* what the options on disk make of it at the next load; UNKNOWN: kernel default */
    enum tristate kernel_default; /* what it is without any option (feature_kernel_default()) */
    enum settable settable;
};

/* CPUID of one CPU. In a dump: /dev/cpu/0/cpuid as text, lines "LEAF EAX EBX ECX EDX" in hexadecimal. */
struct cpuid_facts {
    bool valid;
    enum extension extension; /* what the CPU says of itself; the kernel hides what firmware switched off */
    uint32_t svm_edx;         /* Fn8000_000A_EDX */
    char hypervisor[13];      /* Fn4000_0000, "KVMKVMKVM"; "" on bare metal */
    uint32_t hypervisor_hints; /* Fn4000_0004_EAX, where the hypervisor has that leaf */
};

/* In a dump: /dev/cpu/N/msr as text, lines "MSR VALUE" in hexadecimal. */
enum { MSR_FEATURE_CONTROL, MSR_VMX_BASIC, MSR_VMX_PINBASED, MSR_VMX_PROCBASED, MSR_VMX_PROCBASED2, MSR_VMX_PROCBASED3,
       MSR_VMX_EXIT, MSR_VMX_ENTRY, MSR_VMX_MISC, MSR_VMX_EPT_VPID, MSR_VMX_VMFUNC, MSR_AMD_VM_CR, _MSR_MAX };

struct msr_facts {
    int error; /* 0: /dev/cpu/0/msr was read; otherwise why not (-ENOENT: msr module not loaded, -EACCES, ...) */
    struct {
        bool valid;     /* read on every online CPU that has the node */
        bool disagrees; /* some CPU says otherwise */
        uint64_t value; /* CPU 0's */
    } msr[_MSR_MAX];
};

struct dev_kvm_facts {
    bool exists, is_char;
    mode_t mode; /* permission bits */
    uid_t uid;
    gid_t gid;
};

struct vulnerability {
    char *name;   /* "itlb_multihit", "l1tf" */
    char *status; /* the kernel's line */
};

struct host_facts {
    char *name;    /* host name */
    char *kernel;  /* release, "6.1.0-49-amd64" */
    char *arch;    /* uname's machine, from the dump where there is one; "x86_64" */
    bool x86;      /* /proc/cpuinfo is an x86 one */
    enum vendor vendor;
    char *model;   /* "model name" */
    unsigned n_cpus;         /* listed in /proc/cpuinfo */
    unsigned n_cpus_present; /* /sys/devices/system/cpu/present; 0: not known */
    enum extension extension; /* what every listed CPU has */
    unsigned n_cpus_without_extension; /* more than 0: CPUs disagree */
    enum extension masked_extension; /* EXTENSION is none, but the CPU has this: switched off by firmware or kernel */
    bool virtualized;
    char *hypervisor; /* "kvm", "xen", "microsoft", ...; NULL */
    int level;        /* 0: bare metal; 1: guest, at what depth does not show; 2: guest of a guest, or deeper */
    bool xen_dom0; /* Xen's control domain: Xen owns VMX or SVM */
    struct cpuid_facts cpuid;
    struct msr_facts msr;
    /* vendor_module is the extension's or the masked extension's; its name is NULL where there is neither */
    struct module_facts kvm, vendor_module, nestvmx;
    struct module_option *options; /* of kvm, kvm_intel, kvm_amd, nestvmx */
    size_t n_options;
    char *own_options; /* the text of /etc/modprobe.d/nestd.conf as it is; NULL: there is none (or no readable one) */
    struct module_directive *directives; /* of the same, in the same order */
    size_t n_directives;
    char **warnings; /* "/etc/modprobe.d/x.conf:3: ..." what could not be read or understood */
    size_t n_warnings;
    struct dev_kvm_facts dev_kvm;
    char *vmx_owner;   /* another module that may hold VMX ("vboxdrv", ...), NULL: none seen */
    bool kvm_holds_vmx; /* kvm's enable_virt_at_load=Y */
    char *lockdown;    /* "none", "integrity", "confidentiality"; NULL: not known */
    enum tristate secure_boot;
    bool initramfs_has_module; /* note: an initramfs may load kvm before /etc/modprobe.d is seen */
    struct vulnerability *vulnerabilities;
    size_t n_vulnerabilities;
    struct feature_facts features[_FEATURE_MAX]; /* the first n_features are used, in table order */
    size_t n_features; /* of the extension, or else of the masked extension */
};

/* Reads everything. Fails only with -ENOMEM or when the sysroot itself cannot be read; a missing, huge, binary or
 * unreadable file is a fact or a warning, not a failure. The caller frees with host_facts_free(). */
int probe_host(const struct sysroot *root, struct host_facts **ret);
struct host_facts *host_facts_free(struct host_facts *facts);
DEFINE_CLEANUP(struct host_facts *, host_facts_free)
#define _cleanup_host_facts_ _cleanup_(host_facts_freep)

const struct feature_facts *host_feature(const struct host_facts *facts, enum feature_id id); /* NULL: no row */

/* A module parameter's text as the kernel reads it: TYPE is modinfo's ("bool", "int", ...) or NULL, VALUE NULL for an
 * option without '='. UNKNOWN: the kernel would refuse it. */
enum tristate parameter_is_on(const char *type, const char *value);

/* The live machine's CPUID and MSRs as the text that a dump has in /dev/cpu/0/cpuid and /dev/cpu/0/msr. The caller
 * frees. -EOPNOTSUPP: not an x86; -ENOENT, -EACCES: no MSRs to be read. */
int dump_cpuid(char **ret);
int dump_msr(const struct sysroot *root, unsigned cpu, char **ret);
/* modinfo's parameters of kvm, kvm_intel, kvm_amd and nestvmx as a dump has them in
 * /lib/modules/VERSION/nestd.modinfo: "kvm_intel.parmtype=nested:bool" lines. */
int dump_modinfo(const struct sysroot *root, char **ret);
