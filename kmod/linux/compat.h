/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels we build on (make check-kernels). */
#ifndef NESTVMX_COMPAT_H
#define NESTVMX_COMPAT_H

#include <linux/cpu.h>
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
#include <asm/msr.h>
#ifdef rdmsrq
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

/* VMSCAPE: stable kernels have it as well. */
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
#define nvx_flush_before_user() do {					\
		if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))	\
			this_cpu_write(x86_ibpb_exit_to_user, true);	\
	} while (0)
#else
#define nvx_flush_before_user() do { } while (0)
#endif

/* An interrupt handler ran on this CPU since the last flush of L1D. The kernel notes it for KVM alone. */
#if IS_ENABLED(CONFIG_KVM_INTEL)
#define nvx_interrupted() kvm_get_cpu_l1tf_flush_l1d()
#define nvx_forget_interrupts() kvm_clear_cpu_l1tf_flush_l1d()
#else
#define nvx_interrupted() true
#define nvx_forget_interrupts() do { } while (0)
#endif

static inline bool nvx_has_fred(void)
{
#ifdef X86_FEATURE_FRED /* 6.9 */
	return cpu_feature_enabled(X86_FEATURE_FRED);
#else
	return false;
#endif
}

#define NVX_MXCSR_MASK 0xffffu

/*
 * 6.19: what KVM once shared with all modules is exported to KVM's own (EXPORT_SYMBOL_FOR_KVM; Kbuild looks). There, and with
 * NVX_ALONE=1 in make's environment, nestvmx does without: CR4's shadow cannot be told of VMXE, so VMX is on around each entry
 * only, interrupts off (vmx.c); guest FPU registers are kernel-mode FPU use (fpu.c).
 */
#if NVX_ALONE
#define nvx_l1tf_off() cpu_mitigations_off()
#define nvx_l1tf_always() true
#define nvx_ibpb() do {							\
		if (boot_cpu_has(X86_FEATURE_IBPB) && !cpu_mitigations_off()) \
			native_wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB); \
	} while (0)
#define nvx_read_cr4() __read_cr4()
static inline void nvx_write_cr4(unsigned long val)
{
	asm volatile("mov %0, %%cr4" : : "r"(val) : "memory");
}

#define nvx_cr4_set(mask) nvx_write_cr4(__read_cr4() | (mask))
#define nvx_cr4_clear(mask) nvx_write_cr4(__read_cr4() & ~(mask))
#else
#define nvx_l1tf_off() (l1tf_mitigation == L1TF_MITIGATION_OFF)
#define nvx_l1tf_always() (l1tf_mitigation >= L1TF_MITIGATION_FULL)
#define nvx_ibpb() indirect_branch_prediction_barrier()
#define nvx_read_cr4() cr4_read_shadow()
#define nvx_cr4_set(mask) cr4_set_bits_irqsoff(mask)
#define nvx_cr4_clear(mask) cr4_clear_bits_irqsoff(mask)
#endif

#endif
