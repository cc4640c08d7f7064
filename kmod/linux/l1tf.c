// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 Terminal Fault: what the host left in the L1 data cache goes before a guest runs, when the kernel's l1tf= says so. In its
 * conditional mode (the default) when the vCPU comes from elsewhere than the exit handlers, when an interrupt came since, and
 * when L2 comes after L1: as KVM's vmentry_l1d_flush=cond (the kernel's admin-guide/hw-vuln/l1tf.rst).
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/barrier.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "nestvmx.h"
#include "compat.h"

/* Twice the cache: its replacement is not strictly the least recently used line. */
#define FLUSH_SIZE (64 * 1024)

DEFINE_STATIC_KEY_FALSE(nvx_l1d_flush_key);
static bool always;
static u8 *flush_pages; /* where the CPU has no IA32_FLUSH_CMD: they are read instead */

static bool asked_for(void)
{
	u64 caps = 0;

	/* Shadow tables hold no address that the guest chose. */
	if (!boot_cpu_has_bug(X86_BUG_L1TF) || nvx_l1tf_off() || !nv_params.ept)
		return false;
	/* The hypervisor below flushes. */
	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	return !(caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH);
}

int nvx_l1tf_init(void)
{
	int i;

	if (!asked_for())
		return 0;
	if (!boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		flush_pages = (void *)__get_free_pages(GFP_KERNEL, get_order(FLUSH_SIZE));
		if (!flush_pages)
			return -ENOMEM;
		/* No two alike: below us they might be merged into one. */
		for (i = 0; i < FLUSH_SIZE / PAGE_SIZE; i++)
			memset(flush_pages + i * PAGE_SIZE, i + 1, PAGE_SIZE);
	}
	always = nvx_l1tf_always();
	static_branch_enable(&nvx_l1d_flush_key);
	return 0;
}

void nvx_l1tf_exit(void)
{
	free_pages((unsigned long)flush_pages, get_order(FLUSH_SIZE));
}

static void read_pages(unsigned long step)
{
	unsigned long i;

	for (i = 0; i < FLUSH_SIZE; i += step)
		READ_ONCE(flush_pages[i]);
}

/* Interrupts off, right before an entry. */
void nvx_l1d_flush(struct nvx_vcpu *x)
{
	bool wanted = always | x->flush_l1d | nvx_interrupted();

	x->flush_l1d = false;
	nvx_forget_interrupts();
	if (!wanted)
		return;
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	read_pages(PAGE_SIZE); /* into the TLB first, that the walks bring nothing in afterwards */
	cpuid_eax(0); /* serializes */
	read_pages(64);
	asm volatile("lfence" : : : "memory");
}
