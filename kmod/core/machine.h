/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core asks of the machine below it. Link-time functions, not an ops structure: no indirect branch on the hot
 * path. linux/ implements them on the CPU; tests/core/ implements them as a mock machine. mach_vmread/mach_vmwrite
 * are in vmcs.h.
 *
 * Unless stated otherwise they are called from nv_prepare_entry(), nv_handle_exit() or an nv_* setter, that is in the vCPU's
 * own thread with preemption on, and may sleep. Errors are negative errno. Addresses: gpa = L1 physical, hpa = host physical.
 */
#ifndef NV_MACHINE_H
#define NV_MACHINE_H

#include "types.h"

struct nv_vm;
struct nv_vcpu;
struct nv_vmcs;

/* --- VMCSs --- */
/*
 * VMPTRLD on this CPU, after VMCLEAR where it was active if that is another CPU; sets v->cur. linux/ keeps v->cur current
 * across preemption (reloads it when the thread is scheduled in).
 */
void mach_vmcs_load(struct nv_vcpu *v, struct nv_vmcs *m);
/* VMCLEAR (on the CPU where it is active); m->launched becomes false. v->cur is not changed. */
void mach_vmcs_clear(struct nv_vcpu *v, struct nv_vmcs *m);
/* Puts the host-state area fields (nv_put) into an image that is about to be used for the first time. */
void mach_host_state(struct nv_vcpu *v, struct nv_vmcs *m);

/* --- TLB: only from nv_commit_entry(), on the CPU that enters, preemption off --- */
void mach_invept(u64 type, u64 eptp);
void mach_invvpid(u64 type, u16 vpid, u64 gva);

/* --- L1's memory --- */
/* Copy; 0, or -EFAULT when any byte is not RAM (or read-only memory, for a write). Bounded by the page: never crosses one. */
int mach_read_guest(struct nv_vm *vm, u64 gpa, void *buf, u32 len);
int mach_write_guest(struct nv_vm *vm, u64 gpa, const void *buf, u32 len);
/* Compare-and-exchange of one aligned 8-byte (or 4-byte, size = 4) entry: 0 done, 1 it had changed, -EFAULT. */
int mach_cmpxchg_guest(struct nv_vm *vm, u64 gpa, u64 old, u64 new_, u32 size);

/* A page of L1's memory pinned and mapped in the kernel, for structures the CPU reads itself (virtual-APIC page...). */
struct nv_map {
	u64 gpa; /* page-aligned; NV_NOMAP when nothing is mapped */
	u64 hpa;
	void *va;
	void *mach; /* the machine's */
};
#define NV_NOMAP (~0ULL)
int mach_map_page(struct nv_vm *vm, u64 gpa, struct nv_map *map); /* 0 or -EFAULT; on error map is untouched */
void mach_unmap_page(struct nv_vm *vm, struct nv_map *map); /* marks it dirty, sets map->gpa = NV_NOMAP */

/* Host page behind a guest page, to be put into a table. Not pinned: see mach_mmu_seq(). */
struct nv_backing {
	u64 hpa; /* of the 4 KiB page at gpa */
	u8 shift; /* 12, 21 or 30: the host memory is contiguous over the naturally aligned 2^shift around gpa, in one slot */
	bool writable;
};
/*
 * write: fault it in for writing. 0; -EFAULT: the fault cannot be resolved (also a write to memory without permission);
 * -ENXIO: no memory slot (MMIO); -EROFS: a write to a read-only slot; -EINTR.
 */
int mach_get_backing(struct nv_vm *vm, u64 gpa, bool write, struct nv_backing *ret);
/* True when some memory slot covers gpa. Does not sleep. */
bool mach_is_ram(struct nv_vm *vm, u64 gpa);

/*
 * The MMU lock protects every EPT and shadow table of the VM. The core does:
 *	seq = mach_mmu_seq(vm); mach_get_backing(...); mach_mmu_lock(vm); if (mach_mmu_retry(vm, seq)) { unlock, again } install;
 * and the machine's mmu_notifier calls nv_vm_zap() between raising and lowering its "in progress" count, as KVM does.
 * A spinlock will do: nothing sleeps under it, and mach_alloc_page() is not called under it.
 */
u64 mach_mmu_seq(struct nv_vm *vm);
bool mach_mmu_retry(struct nv_vm *vm, u64 seq);
void mach_mmu_lock(struct nv_vm *vm);
void mach_mmu_unlock(struct nv_vm *vm);

/* A zeroed 4 KiB page for tables and bitmaps (direct-mapped memory, accounted to the VM), or NULL. May sleep. */
void *mach_alloc_page(struct nv_vm *vm);
void *mach_alloc_low_page(struct nv_vm *vm); /* the same, below 4 GiB: CR3 of a guest outside IA-32e mode has 32 bits */
void mach_free_page(struct nv_vm *vm, void *va); /* does not sleep */
void *mach_alloc(size_t size); /* zeroed kernel memory for the core's own structs, or NULL */
void mach_free(void *p);
#ifdef __KERNEL__
#include <asm/page.h>
static inline u64 mach_pa(const void *va)
{
	return __pa(va);
}
static inline void *mach_va(u64 hpa)
{
	return __va(hpa);
}
#else
u64 mach_pa(const void *va);
void *mach_va(u64 hpa); /* only of pages from mach_alloc_page() */
#endif

/* --- CPU --- */
u64 mach_host_msr(u32 msr); /* a VMX capability MSR of this machine (all CPUs agree), or IA32_EFER, IA32_PAT... */
u64 mach_phys_mask(void); /* bits a physical address may have: 2^MAXPHYADDR - 1, host and L1 alike */
u64 mach_tsc(void);
u32 mach_tsc_khz(void);
/*
 * Guest MSRs that are neither in the VMCS nor the core's (STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX, SPEC_CTRL, the
 * MTRRs...). 0; -EINVAL: not allowed, the guest gets #GP. host: from user space (KVM_SET_MSRS), not from the guest.
 */
int mach_get_msr(struct nv_vcpu *v, u32 msr, u64 *ret, bool host);
int mach_set_msr(struct nv_vcpu *v, u32 msr, u64 val, bool host);
int mach_xsetbv(struct nv_vcpu *v, u32 idx, u64 val); /* 0, or -EINVAL: #GP */
/* DR0-DR3 and DR6, which VMX does not switch. n is 0-3 or 6. */
u64 mach_get_dr(struct nv_vcpu *v, int n);
void mach_set_dr(struct nv_vcpu *v, int n, u64 val);
/* Branch-predictor barrier between L2 and L1 (CVE-2022-2196), if the running kernel's mitigations ask for it. */
void mach_barrier(struct nv_vcpu *v);
/*
 * Make another vCPU leave guest mode and return only when it has; nothing to do for one that is not in guest mode. Called
 * under the MMU lock (so nv_commit_entry() never takes that lock).
 */
void mach_kick_sync(struct nv_vcpu *v);

#endif
