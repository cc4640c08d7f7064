/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels we build on (make check-kernels). */
#ifndef NESTVMX_COMPAT_H
#define NESTVMX_COMPAT_H

#include <linux/version.h>
#include <linux/kvm.h>
#include <asm/pgtable_types.h>
/* From 6.16 on; sparse does not know __has_include. */
#ifdef NVX_HAVE_CPUID_API
#include <asm/cpuid/api.h>
#endif
#include <linux/syscore_ops.h>

/*
 * 6.19, and stable kernels that took it over, so Kbuild looks: the operations take a pointer and the registration an object
 * around them.
 */
#ifdef NVX_HAVE_SYSCORE
#define NVX_SYSCORE_ARG void *data
#define NVX_SYSCORE(name, s, r)						\
	static const struct syscore_ops name##_ops = { .suspend = s, .resume = r }; \
	static struct syscore name = { .ops = &name##_ops }
#define nvx_register_syscore register_syscore
#define nvx_unregister_syscore unregister_syscore
#else
#define NVX_SYSCORE_ARG void
#define NVX_SYSCORE(name, s, r) static struct syscore_ops name = { .suspend = s, .resume = r }
#define nvx_register_syscore register_syscore_ops
#define nvx_unregister_syscore unregister_syscore_ops
#endif

/* 6.16 renamed these. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#include <asm/msr.h>
#define rdmsrl_safe rdmsrq_safe
#define rdmsrl rdmsrq
#define wrmsrl wrmsrq
#define native_wrmsrl native_wrmsrq
#endif

/* 6.12: what user space may change under us has a name that says so. */
#ifndef HINT_UNSAFE_IN_KVM
#define HINT_UNSAFE_IN_KVM(symbol) symbol
#endif

/* Later than 6.12: no bit for device memory, whose pages are then like others. */
#ifndef _PAGE_DEVMAP
#define _PAGE_DEVMAP _AT(pteval_t, 0)
#endif

/* 6.2 (and stable kernels that took the fix): which features KVM_GET_XSAVE shows. */
#define NVX_XSAVE_FEATURES (XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)
#define NVX_MXCSR_MASK 0xffffu

#endif
