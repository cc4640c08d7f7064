/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of probe_host(): each part fills in its own facts. Negative errno is -ENOMEM only; the rest is a warning. */
#pragma once

#include "facts.h"

struct probe {
    const struct sysroot *root;
    struct host_facts *facts;
    /* from /proc/cpuinfo; bit i is features[i]'s flag */
    uint32_t flags_all, flags_any;
    bool vmx_flags_line;  /* "vmx flags" is shown: this kernel tells VMX features */
    bool hypervisor_flag;
};

/* Adds to the facts' warnings; at most a few hundred. */
int probe_warn(struct probe *p, const char *format, ...) _printf_(2, 3);
/* Ours, and perhaps only now: it says nothing of the machine that is looked at. */
bool probe_is_shortage(int r);
/* A warning that PATH could not be read, unless R says that it is not there. */
int probe_warn_unreadable(struct probe *p, const char *path, int r);
/* Reads one line and cleans it. 0 and *RET NULL where there is none to read. */
int probe_line(struct probe *p, const char *path, char **ret);

int probe_system(struct probe *p);     /* names, lockdown, Secure Boot, vulnerabilities, /dev/kvm, owners of VMX */
int probe_cpuinfo(struct probe *p);
int probe_cpuid(struct probe *p);
int probe_msr(struct probe *p);
int probe_hypervisor(struct probe *p); /* after cpuinfo, cpuid */
int probe_modules(struct probe *p);    /* after cpuinfo, cpuid, msr */
int probe_options(struct probe *p);
int probe_features(struct probe *p);   /* last */

/* The module's file in this kernel's tree ("/lib/modules/..."); NULL: there is none. */
int probe_module_path(const struct sysroot *root, const char *kernel, const char *module, char **ret);

/* Free what they point to. */
void module_facts_done(struct module_facts *m);
void module_option_done(struct module_option *o);
void module_directive_done(struct module_directive *d);
