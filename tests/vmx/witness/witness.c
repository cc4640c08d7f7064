// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Tells whether VMX is on (CR4.VMXE) when nobody else can: now (the parameter "vmx": on how many CPUs), when the machine sleeps,
 * and when it goes down. To be loaded before the module that is watched: its sleep hook then runs after that module's, its reboot
 * notifier is the last by priority. At the end it writes what the runner (tests/hosts/intel) waits for, as no user space can.
 */
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <asm/io.h>
#include <asm/tlbflush.h>

static void count(void *n)
{
	if (__read_cr4() & X86_CR4_VMXE)
		atomic_inc(n);
}

static int cpus_with_vmx(void)
{
	atomic_t n = ATOMIC_INIT(0);

	on_each_cpu(count, &n, 1);
	return atomic_read(&n);
}

static int get_vmx(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%d\n", cpus_with_vmx());
}

static const struct kernel_param_ops vmx_ops = { .get = get_vmx };
module_param_cb(vmx, &vmx_ops, NULL, 0444);

/* The boot CPU is the only one left, with interrupts off. */
static int witness_suspend(void)
{
	pr_info("witness: asleep, VMX is %s\n", __read_cr4() & X86_CR4_VMXE ? "on" : "off");
	return 0;
}

static struct syscore_ops syscore = { .suspend = witness_suspend };

static int witness_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	char line[64], *p = line;

	snprintf(line, sizeof(line), "reboot: VMX is on on %d CPUs\n\3nestd-end 0\n", cpus_with_vmx());
	while (*p)
		outb(*p++, 0xe9);
	return NOTIFY_OK;
}

static struct notifier_block reboot = { .notifier_call = witness_reboot, .priority = INT_MIN };

static int __init witness_init(void)
{
	register_syscore_ops(&syscore);
	return register_reboot_notifier(&reboot);
}

static void __exit witness_exit(void)
{
	unregister_reboot_notifier(&reboot);
	unregister_syscore_ops(&syscore);
}

module_init(witness_init);
module_exit(witness_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Watches CR4.VMXE through sleep and reboot");
