/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nestvmx core: what linux/ calls. The life of a vCPU:
 *
 *	nv_global_init()                        once, at module load: capabilities
 *	nv_vm_init() nv_vcpu_init()             KVM_CREATE_VM, KVM_CREATE_VCPU
 *	loop of KVM_RUN:
 *	    nv_prepare_entry()                  preemption on, may sleep: events, windows, pending nested entry or exit
 *	    <preemption and interrupts off; signals? mach_vmcs_load(v->cur) if this is another CPU>
 *	    nv_commit_entry()                   pending INVEPT/INVVPID, VMWRITE of dirty fields
 *	    <VMLAUNCH or VMRESUME>
 *	    nv_exit_begin()                     interrupts still off: forgets stale fields, returns the exit reason
 *	    <linux/ handles external interrupts and NMIs of the host>
 *	    nv_handle_exit()                    preemption on: resume, or exit to user space as v->ux says
 *	nv_vcpu_free() nv_vm_free()
 *
 * Everything of a vCPU is used by its own thread only; nv_vm_zap() and what it names may come from any thread.
 * Errors are negative errno. Nothing here can be made to panic by what the guest or the VMM does.
 */
#ifndef NV_CORE_H
#define NV_CORE_H

#include "types.h"
#include "vmcs.h"
#include "machine.h"

/* Module parameters, read at nv_global_init(); the core clears what the CPU does not have. */
struct nv_params {
	bool ept; /* L0 uses EPT; off: shadow paging */
	bool nested_ept; /* EPT offered to L1 (needs ept) */
	bool shadow_vmcs; /* used for L1, and offered to it */
	bool vpid;
	bool apicv;
	bool unrestricted; /* needs ept; without it L1 and L2 must be in protected mode with paging */
	bool prebuilt_ept; /* EPT01 built ahead when the vCPU first runs, EPT02 by leaf tables of EPT12 */
};
extern struct nv_params nv_params;

/* VMX capability MSRs 0x480-0x491, by index. */
#define NV_NCAPS 0x12
struct nv_caps {
	u64 hw[NV_NCAPS]; /* the CPU's */
	u64 l1[NV_NCAPS]; /* offered to L1: never more than hw and the code have */
	u32 pin, cpu, cpu2, exit, entry; /* controls vmcs01 starts with */
	bool needs[NV_N_COUNT]; /* fields L1 has, by enum nv_needs */
	u64 phys_mask; /* bits of a physical address that must be zero (above MAXPHYADDR) */
	u8 shadow_rw[NV_NFIELDS], shadow_ro[NV_NFIELDS]; /* fields L1 has in its shadow VMCS */
	u8 nrw, nro;
};
extern struct nv_caps nv_caps;

enum nv_level { NV_L1, NV_L2 };

/* Counters; linux/ shows them in debugfs. */
#define NV_NREASONS 70
struct nv_stats {
	u64 l0_exits; /* every VM exit of this vCPU */
	u64 exits[2][NV_NREASONS]; /* by level and basic reason */
	u64 reflected[NV_NREASONS]; /* L2 exits given to L1 */
	u64 nested_entries, nested_fails;
	u64 vmread[NV_NFIELDS], vmwrite[NV_NFIELDS]; /* by L1, with an exit */
	u64 ept_rewalk_hits; /* EPT12 re-walked at VMRESUME: the exit that was saved */
	u64 shadow_fills, shadow_drops;
	u64 invept, invvpid; /* executed by L0 */
	u64 injected;
};
struct nv_vm_stats {
	u64 table_pages, table_pages_max; /* live pages of EPT01, EPT02 and shadow tables */
	u64 zaps;
};

/* Why nv_handle_exit() returned NV_USER. */
enum nv_ux_type {
	NV_UX_NONE,
	NV_UX_IO, /* io: for IN, KVM_EXIT_IO; the answer is given to nv_complete_io() */
	NV_UX_MMIO, /* mmio: likewise, nv_complete_mmio() */
	NV_UX_HLT,
	NV_UX_IRQ_WINDOW, /* asked for by v->want_irq_window */
	NV_UX_SHUTDOWN, /* triple fault in L1 */
	NV_UX_HYPERCALL, /* VMCALL by L1: regs hold the arguments; #UD is injected unless v->user_vmcall */
	NV_UX_FAIL_ENTRY, /* hw: the CPU refused vmcs01 (reason) */
	NV_UX_INTERNAL, /* hw: an exit nobody can handle (KVM_EXIT_INTERNAL_ERROR) */
	NV_UX_SET_TPR, /* MOV to CR8 by L1 (KVM_EXIT_SET_TPR): v->cr8 */
	NV_UX_DEBUG,
};
struct nv_ux {
	enum nv_ux_type type;
	u64 hw; /* hardware exit reason or VM-instruction error */
	struct {
		u64 addr; /* port or gpa */
		u8 size; /* bytes: 1, 2, 4 (8 for MMIO) */
		bool write;
		u8 data[8]; /* little endian: what the guest writes, or what the VMM answers */
	} io;
};

enum { NV_RESUME = 0, NV_USER = 1 };

struct nv_cpuid {
	u32 leaf, sub;
	bool sub_significant;
	u32 eax, ebx, ecx, edx;
};

/* Hidden state in nv_vcpu.nested and the MMU: internal.h. */
struct nv_nested;
struct nv_mmu;
struct nv_root;

/* Register numbers as instructions encode them: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. */
enum { R_RAX, R_RCX, R_RDX, R_RBX, R_RSP, R_RBP, R_RSI, R_RDI, R_R8, R_R15 = 15 };

struct nv_vcpu {
	u64 regs[16]; /* offset 0, for the entry code; regs[R_RSP] is unused: RSP is in the VMCS */
	struct nv_vm *vm;
	struct nv_vmcs *cur; /* the VMCS the vCPU runs on; changed by mach_vmcs_load() only */
	struct nv_vmcs vmcs01, vmcs02, shadow; /* regions provided by linux/ before nv_vcpu_init() */
	u16 vpid01, vpid02; /* ditto; 0: no VPID */
	int id;
	void *mach; /* linux/'s own */

	bool in_l2;
	bool hlt; /* waits for an event: KVM_MP_STATE_HALTED */
	bool want_irq_window; /* kvm_run.request_interrupt_window */
	bool user_vmcall; /* VMCALL by L1 goes to user space */
	u64 cr2; /* linux/ loads it before the entry and saves it after the exit */
	u64 cr8; /* TPR as the VMM keeps it (kvm_run.cr8) */
	u64 apic_base;
	struct nv_ux ux;
	struct nv_cpuid *cpuid; /* set by linux/ (KVM_SET_CPUID2), sorted as given */
	int ncpuid;
	u64 tsc_offset; /* of L1: TSC(L1) = TSC(host) * tsc_ratio + offset; change it with nv_set_tsc_offset() */
	u64 tsc_adjust;
	struct nv_stats stats;

	/* Internal: which bits of CR0 and CR4 L0 owns, and what it does to them in the hardware registers. */
	u64 cr0_mask01, cr4_mask01, cr0_force, cr0_clear, cr4_force, cr4_clear;
	u32 exc_bitmap01;
	struct nv_nested *n;
	struct nv_mmu *mmu;
};

#define NV_MAX_VCPUS 64
struct nv_vm {
	void *mach; /* linux/'s own */
	struct nv_vcpu *vcpu[NV_MAX_VCPUS]; /* by id; filled by nv_vcpu_init(), under the MMU lock */
	struct nv_root *ept01; /* internal.h */
	void *msr_bitmap01; /* page; nv_pass_msr() */
	u64 *zap_page; /* internal: scratch of nv_vm_zap() */
#define NV_MAX_PASS 32
	u16 pass_words[NV_MAX_PASS]; /* 64-bit words of msr_bitmap01 that are not all ones */
	int npass;
	struct nv_vm_stats stats;
};

/* Reads the CPU's capabilities (mach_host_msr) and nv_params; -EOPNOTSUPP when the CPU lacks what we cannot do without. */
int nv_global_init(void);

int nv_vm_init(struct nv_vm *vm);
void nv_vm_free(struct nv_vm *vm); /* after the last vCPU */
/*
 * L1 may read and/or write this MSR without an exit: linux/ switches it (x2APIC MSRs are refused, -EINVAL).
 * FS_BASE, GS_BASE and SYSENTER_* are in the VMCS and passed by the core itself.
 */
int nv_pass_msr(struct nv_vm *vm, u32 msr, bool read, bool write);

/* regions, vpids, id, vm, mach filled in; power-on state. 0, -ENOMEM, -EEXIST, -EINVAL (id). Nothing to free on failure. */
int nv_vcpu_init(struct nv_vcpu *v);
void nv_vcpu_free(struct nv_vcpu *v); /* VMCLEARs what it used */

int nv_prepare_entry(struct nv_vcpu *v); /* NV_RESUME, NV_USER or -errno */
void nv_commit_entry(struct nv_vcpu *v);
u32 nv_exit_begin(struct nv_vcpu *v); /* raw exit reason of v->cur */
/* failed: VMLAUNCH/VMRESUME itself failed (VMfail), there was no exit. NV_RESUME, NV_USER or -errno. */
int nv_handle_exit(struct nv_vcpu *v, bool failed);
/* The thread has moved to another CPU: what that CPU's TLB holds for this vCPU is not to be trusted. Any context. */
void nv_migrated(struct nv_vcpu *v);

/* Answers to NV_UX_IO and NV_UX_MMIO; the data is in v->ux.io. To be called before the next nv_prepare_entry(). */
int nv_complete_io(struct nv_vcpu *v);

/* Events from user space. */
int nv_queue_interrupt(struct nv_vcpu *v, u8 vector); /* KVM_INTERRUPT; -EEXIST when one is waiting */
void nv_queue_nmi(struct nv_vcpu *v);
void nv_queue_exception(struct nv_vcpu *v, u8 vector, bool has_err, u32 err);
bool nv_irq_ready(struct nv_vcpu *v); /* kvm_run.ready_for_interrupt_injection */
bool nv_if_flag(struct nv_vcpu *v); /* kvm_run.if_flag */

/* What waits to be delivered or was under delivery, and what holds it back, as KVM_GET_VCPU_EVENTS shows it. */
struct nv_event_state {
	bool exc, exc_has_err, irq, nmi_injected, nmi_pending, nmi_masked;
	u8 exc_vector, irq_vector;
	u8 shadow; /* bits 0 and 1 of the interruptibility state: blocking by STI, by MOV SS */
	u32 exc_err;
};
/* The nested state is to be set before. CR2 and DR6 of an exception come with the registers. */
void nv_get_event_state(struct nv_vcpu *v, struct nv_event_state *s);
void nv_set_event_state(struct nv_vcpu *v, const struct nv_event_state *s);

/* State of the level that runs (L2's while in L2), as KVM_GET_REGS and KVM_GET_SREGS show it. Needs v->cur loaded. */
struct nv_seg {
	u64 base;
	u32 limit;
	u16 sel;
	u32 ar; /* VMCS format, SDM 3C 25.4.1 */
};
struct nv_sregs {
	struct nv_seg seg[8]; /* ES CS SS DS FS GS LDTR TR */
	u64 gdt_base, idt_base;
	u16 gdt_limit, idt_limit;
	u64 cr0, cr2, cr3, cr4, efer;
};
void nv_get_sregs(struct nv_vcpu *v, struct nv_sregs *s);
int nv_set_sregs(struct nv_vcpu *v, const struct nv_sregs *s); /* -EINVAL */
u64 nv_get_rip(struct nv_vcpu *v);
u64 nv_get_rsp(struct nv_vcpu *v);
u64 nv_get_rflags(struct nv_vcpu *v);
void nv_set_rip_rsp_rflags(struct nv_vcpu *v, u64 rip, u64 rsp, u64 rflags);
u64 nv_get_dr7(struct nv_vcpu *v);
void nv_set_dr7(struct nv_vcpu *v, u64 val);
/* Every guest MSR: the core's own, those in the VMCS, and what mach_get_msr() has. -EINVAL: no such MSR or value. */
int nv_get_msr(struct nv_vcpu *v, u32 msr, u64 *ret, bool host);
int nv_set_msr(struct nv_vcpu *v, u32 msr, u64 val, bool host);
void nv_set_tsc_offset(struct nv_vcpu *v, u64 offset);
bool nv_cpuid_lookup(struct nv_vcpu *v, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);

/*
 * Memory of [gpa, gpa + len) goes away or changes: removes it from every table of every vCPU before it returns; tables are
 * unlinked, flushed (mach_kick_sync, called under the MMU lock), then freed. Does not sleep; takes the MMU lock.
 * The tables refill on demand, so linux/ may also call it with a range larger than needed.
 */
void nv_vm_zap(struct nv_vm *vm, u64 gpa, u64 len);
/* All pinned pages (struct nv_map) are let go at the next nv_prepare_entry(); with nv_vm_zap() when a slot is removed. */
void nv_vm_unpin(struct nv_vm *vm);

/* KVM_GET/SET_NESTED_STATE; linux/ translates to struct kvm_nested_state. The pages hold struct nv_vmcs12. */
#define NV_NS_GUEST_MODE 1u
#define NV_NS_RUN_PENDING 2u
#define NV_NS_MTF_PENDING 4u
struct nv_nested_state {
	u32 flags;
	bool has_vmcs12, has_shadow;
	u64 vmxon_pa, vmcs12_pa; /* -1: none */
	u64 preempt_deadline; /* TSC of L1, 0: none */
	u8 vmcs12[4096], shadow12[4096];
};
int nv_get_nested_state(struct nv_vcpu *v, struct nv_nested_state *s);
int nv_set_nested_state(struct nv_vcpu *v, const struct nv_nested_state *s); /* -EINVAL; the vCPU may be out of VMX operation then */

#endif
