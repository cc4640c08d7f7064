/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nestvmx on Linux: what the files of this directory share. The nested logic is in ../core (core.h, machine.h); here are
 * the CPU, memory and the character device.
 */
#ifndef NESTVMX_H
#define NESTVMX_H

#include <linux/cpumask.h>
#include <linux/jump_label.h>
#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>
#include <asm/fpu/api.h>

#include "../core/core.h"

#define NVX_MAX_SLOTS	32
#define NVX_MAX_CPUID	128
#define NVX_PIO_PAGE	1	/* in the vCPU's mapping: page 0 is struct kvm_run, this one port data */

/* Memory slots are replaced as a whole: readers are under RCU (mem.c). */
struct nvx_slot {
	u64 gpa, size;
	unsigned long hva;
	u32 id;
	bool readonly;
};

struct nvx_slots {
	u32 n;
	struct nvx_slot slot[NVX_MAX_SLOTS];
};

struct nvx_vm {
	struct nv_vm vm;	/* vm.mach points back here */
	struct mm_struct *mm;
	struct mutex lock;	/* creation of vCPUs, changes of slots */
	struct nvx_slots __rcu *slots;
	struct mmu_notifier notifier;
	spinlock_t mmu_lock;
	u64 mmu_seq;		/* mmu_lock */
	int mmu_active;		/* mmu_lock: invalidations between start and end */
	u64 identity;		/* KVM_SET_IDENTITY_MAP_ADDR, KVM_SET_TSS_ADDR: accepted, not needed */
	atomic_t refs;
	struct dentry *debugfs;
};

/* Guest MSRs that VMX does not switch and that the kernel expects back only on return to user space or to another task. */
enum { NVX_STAR, NVX_LSTAR, NVX_CSTAR, NVX_FMASK, NVX_TSC_AUX, NVX_NMSRS };

/* One hardware VMCS, and the host-state fields last written to it. */
struct nvx_host {
	u64 cr3, cr4, fs_base, rsp;
	int cpu;	/* whose GDT, TSS and GS base it has */
};

/* A VMCS on the list of the CPU where it is active. */
struct nvx_active {
	struct list_head link;
	struct nv_vmcs *vmcs;
};

enum nvx_mode { NVX_OUTSIDE, NVX_IN_GUEST };

struct nvx_vcpu {
	struct nv_vcpu v;	/* first: the entry code finds regs[] at offset 0 */
	struct nvx_vm *vm;
	struct mutex lock;	/* one ioctl at a time */
	struct kvm_run *run;
	void *pio;
	struct preempt_notifier notifier;
	struct nvx_active active[3];	/* vmcs01, vmcs02, shadow */
	struct nvx_host host[2];	/* of vmcs01, vmcs02 */
	enum nvx_mode mode;
	int cpu;
	bool loaded;		/* guest MSRs are in the CPU */
	bool io_pending;	/* the VMM owes an answer: nv_complete_io() */
	bool dr_used, xcr0_set;
	bool flush_l1d;		/* before the next entry, if the kernel asks for it (l1tf.c) */
	u64 host_fs_base, host_kernel_gs, host_msr[NVX_NMSRS], host_xcr0;
	u64 kernel_gs, msr[NVX_NMSRS];
	u64 xcr0, dr[4], dr6;
	u64 misc_enable, mtrr_def, ucode_rev;
	u64 mtrr_var[20], mtrr_fix[11];
#if NVX_ALONE
	struct xregs_state *xsave;
#else
	struct fpu_guest fpu;
#endif
	struct nv_cpuid cpuid[NVX_MAX_CPUID];
	struct dentry *debugfs;
	struct file *file;
};

static inline struct nvx_vm *to_nvx_vm(struct nv_vm *vm)
{
	return container_of(vm, struct nvx_vm, vm);
}

static inline struct nvx_vcpu *to_nvx(struct nv_vcpu *v)
{
	return container_of(v, struct nvx_vcpu, v);
}

/* vmx.c: who owns VMX, and which VMCS is where */
int nvx_vmx_init(void);
void nvx_vmx_exit(void);
int nvx_vmx_get(void);		/* VMX on, on every CPU; -EBUSY: another owner, -EIO: the machine goes down */
void nvx_vmx_put(void);
bool nvx_vmx_on_this_cpu(void);
int nvx_vmcs_alloc(struct nv_vmcs *m, bool shadow);
void nvx_vmcs_free(struct nvx_vcpu *x, struct nv_vmcs *m);
void nvx_vmcs_load(struct nvx_vcpu *x, struct nv_vmcs *m); /* preemption off, interrupts on */
/* Around an entry, interrupts off. -EAGAIN, -EBUSY, -EIO: no VMX on this CPU. */
#if NVX_ALONE
int nvx_vmx_begin(void);
void nvx_vmx_end(void);
#else
static inline int nvx_vmx_begin(void)
{
	return likely(nvx_vmx_on_this_cpu()) ? 0 : -EAGAIN;
}

static inline void nvx_vmx_end(void) { }
#endif
int nvx_vpid_alloc(u16 *ret);
void nvx_vpid_free(u16 vpid);
extern atomic_t nvx_rebooting;	/* set once: no VM entry any more */
extern atomic_t nvx_inside;	/* vCPUs between nvx_vcpu_load() and nvx_vcpu_put() */

/* run.c */
int nvx_run(struct nvx_vcpu *x);
int nvx_vcpu_load(struct nvx_vcpu *x);	/* v.cur current and kept so until nvx_vcpu_put(); -EIO: the machine goes down */
void nvx_vcpu_put(struct nvx_vcpu *x);

/* entry.S */
int nvx_enter(struct nv_vcpu *v, bool launched, u64 *host_rsp);
extern const u8 nvx_vmexit[];

/* l1tf.c */
int nvx_l1tf_init(void);	/* after nv_global_init() */
void nvx_l1tf_exit(void);
void nvx_l1d_flush(struct nvx_vcpu *x);
DECLARE_STATIC_KEY_FALSE(nvx_l1d_flush_key); /* the kernel asks for it */

/* fpu.c */
int nvx_fpu_alloc(struct nvx_vcpu *x);
void nvx_fpu_free(struct nvx_vcpu *x);
#if NVX_ALONE
static inline void nvx_fpu_run_begin(struct nvx_vcpu *x) { }
static inline void nvx_fpu_run_end(struct nvx_vcpu *x) { }
void nvx_fpu_enter(struct nvx_vcpu *x);
void nvx_fpu_leave(struct nvx_vcpu *x);
#else
void nvx_fpu_run_begin(struct nvx_vcpu *x);	/* KVM_RUN */
void nvx_fpu_run_end(struct nvx_vcpu *x);
static inline void nvx_fpu_enter(struct nvx_vcpu *x) /* interrupts off: from here to nvx_fpu_leave() the guest's are loaded */
{
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

static inline void nvx_fpu_leave(struct nvx_vcpu *x) { }
#endif
struct fxregs_state *nvx_fxregs(struct nvx_vcpu *x);	/* outside KVM_RUN, and so below */
void nvx_fpu_mark_used(struct nvx_vcpu *x);		/* nvx_fxregs() was written to */
void nvx_get_xsave(struct nvx_vcpu *x, struct kvm_xsave *s);
int nvx_set_xsave(struct nvx_vcpu *x, const struct kvm_xsave *s);

/* msr.c */
int nvx_get_supported_cpuid(struct kvm_cpuid2 __user *u);
int nvx_set_cpuid(struct nvx_vcpu *x, struct kvm_cpuid2 __user *u);
int nvx_get_msr_list(struct kvm_msr_list __user *u);
int nvx_msrs(struct nvx_vcpu *x, struct kvm_msrs __user *u, bool write);
void nvx_msr_reset(struct nvx_vcpu *x);
void nvx_load_msrs(struct nvx_vcpu *x);
void nvx_put_msrs(struct nvx_vcpu *x);

/* mem.c */
int nvx_mem_init(struct nvx_vm *vm);
void nvx_mem_free(struct nvx_vm *vm);
int nvx_set_slot(struct nvx_vm *vm, const struct kvm_userspace_memory_region *r);
extern atomic_long_t nvx_pages, nvx_pinned;	/* live, of all VMs: zero when there is none */

/* state.c: the registers as KVM's structures */
long nvx_vcpu_ioctl(struct nvx_vcpu *x, unsigned int cmd, void __user *arg);

/* stats.c */
int nvx_stats_fd(struct nvx_vcpu *x);
void nvx_stats_init(void);
void nvx_stats_exit(void);
void nvx_debugfs_add_vcpu(struct nvx_vcpu *x);
void nvx_debugfs_add_vm(struct nvx_vm *vm);

#endif
