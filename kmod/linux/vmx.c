// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ownership of VMX: on from the first VM to the last, on every online CPU, never beside another owner. And which VMCS is active
 * on which CPU (SDM 3C 25.1, 25.11.1).
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>
#include <asm/vmx.h>

#include "nestvmx.h"
#include "compat.h"

static DEFINE_MUTEX(vmx_mutex);		/* users, and with cpus_read_lock() the state of all CPUs */
static int vmx_users;
static bool vmx_lost;			/* NVX_ALONE: another owner came while there were VMs */
static enum cpuhp_state hotplug_state;
static DEFINE_PER_CPU(bool, vmx_on);
static DEFINE_PER_CPU(void *, vmxon_region);
static DEFINE_PER_CPU(struct list_head, active);	/* struct nvx_active; touched on that CPU, interrupts off */
atomic_t nvx_rebooting = ATOMIC_INIT(0), nvx_inside = ATOMIC_INIT(0);

/* NVX_ALONE: as VMPTRLD would have it; VMX is off. */
static DEFINE_PER_CPU(struct nv_vmcs *, current_vmcs);

static DEFINE_SPINLOCK(vpid_lock);
static DECLARE_BITMAP(vpids, 1 << 16);

bool nvx_vmx_on_this_cpu(void)
{
	return __this_cpu_read(vmx_on);
}

/* VMXON and the like with one 64-bit memory operand, an lvalue: true when CF and ZF are clear. */
#define VMX_INSN(insn, pa) ({						\
	bool __ok;							\
	asm volatile(insn " %1" : "=@cca"(__ok) : "m"(pa) : "memory");	\
	__ok;								\
})

/* Interrupts off. -EBUSY: VMX is on already, and not ours. */
static int cpu_vmx_on(void)
{
	void *region = __this_cpu_read(vmxon_region);
	bool ok = false;
	u64 pa;

	if (__this_cpu_read(vmx_on))
		return 0;
	if (nvx_read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	if (!region)
		return -ENOMEM;
	nvx_cr4_set(X86_CR4_VMXE);
	pa = __pa(region);
	/* A fault skips the SETA. */
	asm volatile("1: vmxon %1\n\t"
		     "seta %0\n"
		     "2:" _ASM_EXTABLE(1b, 2b)
		     : "+q"(ok) : "m"(pa) : "memory", "cc");
	if (!ok) {
		nvx_cr4_clear(X86_CR4_VMXE);
		return -EIO;
	}
	__this_cpu_write(vmx_on, true);
	return 0;
}

static struct nvx_active *active_of(struct nvx_vcpu *x, const struct nv_vmcs *m)
{
	return &x->active[m == &x->v.vmcs01 ? 0 : m == &x->v.vmcs02 ? 1 : 2];
}

/* On the CPU whose list it is on, interrupts off. */
static void vmcs_clear_here(void *p)
{
	struct nvx_active *a = p;

	if (a->vmcs->cpu != smp_processor_id())
		return;
	VMX_INSN("vmclear", a->vmcs->hpa);
	a->vmcs->launched = false;
	list_del(&a->link);
	/* The last store: from here on another CPU may load it. */
	smp_store_release(&a->vmcs->cpu, -1);
}

static noinline void vmcs_clear(struct nvx_active *a)
{
	int cpu;

	/* A CPU that goes offline clears it itself: cpu is -1 by the time smp_call_function_single() fails. */
	while (a->vmcs && (cpu = smp_load_acquire(&a->vmcs->cpu)) >= 0)
		smp_call_function_single(cpu, vmcs_clear_here, a, 1);
}

void mach_vmcs_clear(struct nv_vcpu *v, struct nv_vmcs *m)
{
	/*
	 * Here it stays on this CPU's list, so that the shadow VMCS, cleared and loaded on every round trip, is not linked anew each
	 * time; another VMCLEAR when the CPU goes offline does no harm. nvx_vmcs_free() takes it off.
	 */
	m->launched = false;
	if (NVX_ALONE)
		return;
	preempt_disable();
	if (likely(m->cpu < 0 || m->cpu == smp_processor_id())) {
		if (likely(__this_cpu_read(vmx_on)))
			VMX_INSN("vmclear", m->hpa);
	} else {
		vmcs_clear(active_of(to_nvx(v), m));
	}
	preempt_enable();
}

/* It was active on another CPU, or nowhere. */
static noinline void vmcs_move_here(struct nvx_vcpu *x, struct nv_vmcs *m)
{
	struct nvx_active *a = active_of(x, m);
	unsigned long flags;

	if (!nvx_vmx_on_this_cpu())
		return;
	if (m->cpu >= 0)
		vmcs_clear(a);
	local_irq_save(flags);
	a->vmcs = m;
	list_add(&a->link, this_cpu_ptr(&active));
	m->cpu = smp_processor_id();
	VMX_INSN("vmclear", m->hpa); /* the first time it must be (25.11.3); then it is clear already */
	VMX_INSN("vmptrld", m->hpa);
	local_irq_restore(flags);
}

void nvx_vmcs_load(struct nvx_vcpu *x, struct nv_vmcs *m)
{
	if (NVX_ALONE)
		__this_cpu_write(current_vmcs, m);
	else if (likely(m->cpu == smp_processor_id()))
		VMX_INSN("vmptrld", m->hpa);
	else
		vmcs_move_here(x, m);
}

void mach_vmcs_load(struct nv_vcpu *v, struct nv_vmcs *m)
{
	preempt_disable();
	v->cur = m;
	nvx_vmcs_load(to_nvx(v), m);
	if (m == &v->vmcs02)
		to_nvx(v)->flush_l1d = true;
	preempt_enable();
}

/* Interrupts off. Nothing of VMX stays behind on this CPU. */
static void cpu_vmx_off(void *unused)
{
	struct nvx_active *a, *next;

	if (!__this_cpu_read(vmx_on))
		return;
	list_for_each_entry_safe(a, next, this_cpu_ptr(&active), link)
		vmcs_clear_here(a);
	__this_cpu_write(vmx_on, false);
	asm volatile("vmxoff" : : : "cc");
	nvx_cr4_clear(X86_CR4_VMXE);
}

static void cpu_vmx_on_call(void *p)
{
	int r = cpu_vmx_on();

	if (r)
		cmpxchg((int *)p, 0, r);
	else if (NVX_ALONE)
		cpu_vmx_off(NULL);
}

#if NVX_ALONE
/*
 * VMX is on from here to nvx_vmx_end() only, and no VMCS stays active: whoever writes CR4 from its shadow meanwhile would fault,
 * but nobody does with interrupts off. What the TLB holds of us stays: it is tagged with tables of ours.
 */
int nvx_vmx_begin(void)
{
	struct nv_vmcs *m = __this_cpu_read(current_vmcs);
	int r = READ_ONCE(vmx_lost) ? -EBUSY : cpu_vmx_on();

	if (r) {
		WRITE_ONCE(vmx_lost, true);
		return r;
	}
	VMX_INSN("vmclear", m->hpa); /* the first time it must be (25.11.3) */
	VMX_INSN("vmptrld", m->hpa);
	return 0;
}

void nvx_vmx_end(void)
{
	struct nv_vmcs *m = __this_cpu_read(current_vmcs);

	VMX_INSN("vmclear", m->hpa);
	m->launched = false;
	cpu_vmx_off(NULL);
}

u64 mach_vmread(u32 enc)
{
	unsigned long flags;
	bool inside;
	u64 v = 0;

	local_irq_save(flags);
	inside = nvx_vmx_on_this_cpu();
	if (inside || !nvx_vmx_begin()) {
		asm volatile("vmread %1, %0" : "=rm"(v) : "r"((u64)enc) : "cc");
		if (!inside)
			nvx_vmx_end();
	}
	local_irq_restore(flags);
	return v; /* when VMX is lost the next entry says so */
}

void mach_vmwrite(u32 enc, u64 v)
{
	unsigned long flags;
	bool inside;

	local_irq_save(flags);
	inside = nvx_vmx_on_this_cpu();
	if (inside || !nvx_vmx_begin()) {
		asm volatile("vmwrite %1, %0" : : "r"((u64)enc), "rm"(v) : "cc");
		if (!inside)
			nvx_vmx_end();
	}
	local_irq_restore(flags);
}
#endif

/* The module that has VMX, as far as its name can be told: none of the usual owners exports anything to ask. */
static void log_owner(void)
{
	static const char * const usual[] = { "kvm_intel", "vboxdrv", "vmmon", "xen_privcmd" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(usual); i++) {
		struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, usual[i]);

		if (!kobj)
			continue;
		kobject_put(kobj);
		pr_warn_ratelimited("nestvmx: VMX is in use by %s: stop its virtual machines or unload it\n", usual[i]);
		return;
	}
	pr_warn_ratelimited("nestvmx: VMX is in use by another hypervisor: stop it first\n");
}

int nvx_vmx_get(void)
{
	int r = 0;

	if (atomic_read(&nvx_rebooting))
		return -EIO;
	cpus_read_lock();
	mutex_lock(&vmx_mutex);
	if (vmx_users++ == 0) {
		WRITE_ONCE(vmx_lost, false);
		on_each_cpu(cpu_vmx_on_call, &r, 1);
		if (r) {
			vmx_users = 0;
			on_each_cpu(cpu_vmx_off, NULL, 1);
		}
	}
	if (!r)
		preempt_notifier_inc();
	mutex_unlock(&vmx_mutex);
	cpus_read_unlock();
	if (r == -EBUSY)
		log_owner();
	return r;
}

void nvx_vmx_put(void)
{
	cpus_read_lock();
	mutex_lock(&vmx_mutex);
	preempt_notifier_dec();
	if (--vmx_users == 0)
		on_each_cpu(cpu_vmx_off, NULL, 1);
	mutex_unlock(&vmx_mutex);
	cpus_read_unlock();
}

static u32 vmcs_revision(void)
{
	return nv_caps.hw[MSR_IA32_VMX_BASIC - MSR_IA32_VMX_BASIC] & 0x7fffffff;
}

/* Hot-plug: on the CPU concerned, with the hot-plug lock held; vmx_users is stable (nvx_vmx_get() holds cpus_read_lock()). */
static int vmx_cpu_online(unsigned int cpu)
{
	int r = 0;
	void *region = per_cpu(vmxon_region, cpu);

	if (!region) {
		region = (void *)__get_free_page(GFP_KERNEL | __GFP_ZERO);
		if (!region)
			return -ENOMEM;
		*(u32 *)region = vmcs_revision();
		INIT_LIST_HEAD(&per_cpu(active, cpu));
		per_cpu(vmxon_region, cpu) = region;
	}
	if (vmx_users && !NVX_ALONE) {
		local_irq_disable();
		r = cpu_vmx_on();
		local_irq_enable();
	}
	return r;
}

static int vmx_cpu_offline(unsigned int cpu)
{
	local_irq_disable();
	cpu_vmx_off(NULL);
	local_irq_enable();
	return 0;
}

/* Sleep: only the boot CPU is left, user space is frozen, interrupts are off. */
static int vmx_suspend(NVX_SYSCORE_ARG)
{
	cpu_vmx_off(NULL);
	return 0;
}

static void vmx_resume(NVX_SYSCORE_ARG)
{
	if (vmx_users && !NVX_ALONE && cpu_vmx_on())
		pr_err("nestvmx: VMX cannot be switched on again after sleep\n");
}

NVX_SYSCORE(vmx_syscore, vmx_suspend, vmx_resume);

/* Reboot and kexec: the next kernel must not find VMX on. Running vCPUs leave first (run.c looks at nvx_rebooting). */
static void no_op(void *unused)
{
}

static int vmx_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	int i;

	atomic_set(&nvx_rebooting, 1);
	/* Every user sees the flag before its next entry; the call makes those in guest mode leave it. Two seconds at most. */
	for (i = 0; i < 100 && atomic_read(&nvx_inside); i++) {
		on_each_cpu(no_op, NULL, 1);
		msleep(20);
	}
	if (!atomic_read(&nvx_inside))
		on_each_cpu(cpu_vmx_off, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_notifier = { .notifier_call = vmx_reboot };

int nvx_vmcs_alloc(struct nv_vmcs *m, bool shadow)
{
	m->region = (void *)__get_free_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!m->region)
		return -ENOMEM;
	m->hpa = __pa(m->region);
	m->cpu = -1;
	*(u32 *)m->region = vmcs_revision() | (shadow ? NV_VMCS12_SHADOW : 0);
	return 0;
}

void nvx_vmcs_free(struct nvx_vcpu *x, struct nv_vmcs *m)
{
	if (!m->region)
		return;
	preempt_disable();
	vmcs_clear(active_of(x, m));
	preempt_enable();
	free_page((unsigned long)m->region);
	m->region = NULL;
}

int nvx_vpid_alloc(u16 *ret)
{
	unsigned long n;

	spin_lock(&vpid_lock);
	n = find_next_zero_bit(vpids, 1 << 16, 1);
	if (n < 1 << 16)
		__set_bit(n, vpids);
	spin_unlock(&vpid_lock);
	if (n >= 1 << 16)
		return -ENOSPC;
	*ret = n;
	return 0;
}

void nvx_vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(vpid, vpids);
	spin_unlock(&vpid_lock);
}

/* SDM 3C 24.7: VMXON outside SMX allowed and locked, on this CPU; and the same capabilities as the boot CPU's. */
static void check_cpu(void *p)
{
	u64 control, basic;

	if (!this_cpu_has(X86_FEATURE_VMX) || rdmsrl_safe(MSR_IA32_FEAT_CTL, &control) || rdmsrl_safe(MSR_IA32_VMX_BASIC, &basic)) {
		cmpxchg((int *)p, 0, -EOPNOTSUPP);
		return;
	}
	if (!(control & FEAT_CTL_LOCKED) || !(control & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX))
		cmpxchg((int *)p, 0, -EACCES);
	if (basic != nv_caps.hw[0])
		cmpxchg((int *)p, 0, -EOPNOTSUPP);
}

u64 mach_host_msr(u32 msr)
{
	u64 v = 0;

	return rdmsrl_safe(msr, &v) ? 0 : v;
}

u64 mach_phys_mask(void)
{
	return (1ULL << boot_cpu_data.x86_phys_bits) - 1;
}

u64 mach_tsc(void)
{
	return rdtsc();
}

u32 mach_tsc_khz(void)
{
	return tsc_khz;
}

void mach_invept(u64 type, u64 eptp)
{
	struct { u64 eptp, zero; } d = { eptp, 0 };

	asm volatile("invept %0, %1" : : "m"(d), "r"(type) : "memory", "cc");
}

void mach_invvpid(u64 type, u16 vpid, u64 gva)
{
	struct { u64 vpid, gva; } d = { vpid, gva };

	asm volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "memory", "cc");
}

int nvx_vmx_init(void)
{
	int r = 0;

	if (!boot_cpu_has(X86_FEATURE_VMX)) {
		pr_err("nestvmx: this CPU has no VMX, or the firmware switched it off\n");
		return -EOPNOTSUPP;
	}
	/* VM exits would have to load FRED's state, and host_event() could not hand on an NMI. */
	if (nvx_has_fred()) {
		pr_err("nestvmx: this kernel runs with FRED, which is not supported: boot it with fred=off\n");
		return -EOPNOTSUPP;
	}
	if (NVX_ALONE) {
		nv_params.shadow_vmcs = false; /* each field would take a VMXON */
		nv_params.vpid = nv_params.vpid && nv_params.ept; /* linear mappings are tagged by VPID alone: others use the same */
		pr_info("nestvmx: this kernel shares VMX with KVM only: slower entries, no VMCS shadowing\n");
	}
	r = nv_global_init();
	if (r) {
		pr_err("nestvmx: this CPU's VMX lacks a control that is needed\n");
		return r;
	}
	on_each_cpu(check_cpu, &r, 1);
	if (r) {
		pr_err("nestvmx: %s\n", r == -EACCES ? "VMX is switched off by the firmware" : "the CPUs differ in VMX");
		return r;
	}
	r = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "nestvmx:online", vmx_cpu_online, vmx_cpu_offline);
	if (r < 0)
		return r;
	hotplug_state = r;
	nvx_register_syscore(&vmx_syscore);
	register_reboot_notifier(&reboot_notifier);
	return 0;
}

void nvx_vmx_exit(void)
{
	int cpu;

	unregister_reboot_notifier(&reboot_notifier);
	nvx_unregister_syscore(&vmx_syscore);
	cpuhp_remove_state(hotplug_state);
	for_each_possible_cpu(cpu)
		free_page((unsigned long)per_cpu(vmxon_region, cpu));
}
