/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of core/ share with each other, and nobody else sees (but the unit tests). */
#ifndef NV_INTERNAL_H
#define NV_INTERNAL_H

#include "core.h"
#include "vmx.h"

/* ---- walk.c: the one table walker ---- */
enum nv_fmt { NV_FMT_NONE, NV_FMT_PT64, NV_FMT_PAE, NV_FMT_PT32, NV_FMT_EPT };

/* A set of guest tables to walk: guest paging, or EPT12. */
struct nv_space {
	enum nv_fmt fmt;
	u64 root; /* CR3 or EPTP */
	bool wp, nx, pse, smep, smap, ac; /* guest paging: CR0.WP, EFER.NXE, CR4.* and RFLAGS.AC */
	bool ad; /* EPT: accessed and dirty flags enabled */
	const u64 *pdpte; /* PAE: the four loaded PDPTEs, or NULL: read at root */
	struct nv_walk_cache *cache; /* EPT12, or NULL */
	const struct nv_space *under; /* table addresses are translated by this (EPT12 under L2's paging), or NULL */
};

/*
 * The last leaf table of EPT12 that a walk came to: what the CPU keeps in its paging-structure caches (29.4.2), and forgotten
 * when the CPU would have to: INVEPT, and a violation L1 is told of (29.4.3.1).
 */
struct nv_walk_cache {
	bool valid;
	u64 root, region, table; /* EPTP12, gpa >> 21, gpa of the table */
	u8 perm; /* that the upper levels allow */
};

/* Access, and permissions: read, write, execute, user-mode. */
enum { NV_R = 1, NV_W = 2, NV_X = 4, NV_U = 8 };

struct nv_walk {
	u64 pa; /* result */
	u8 shift; /* size of the page */
	u8 perm; /* NV_R | NV_W | NV_X | NV_U that the tables allow */
	u8 global;
	bool dirty; /* the D flag is set, or there is none: a writable mapping may be given out */
	/* on a fault */
	u32 pf; /* #PF error code, without P_U of the access */
	u8 ept_perm; /* EPT: bits 5:3 of the qualification, as bits 2:0 */
	bool under_fault; /* the fault was in .under, at under_gpa */
	u64 under_gpa;
	u32 under_access;
};
enum nv_walk_result { NV_WALK_OK, NV_WALK_FAULT, NV_WALK_MISCONFIG, NV_WALK_BUS /* a table is not in RAM */ };
/* Sets accessed and dirty flags, as the CPU would. access: NV_R or NV_W or NV_X, with NV_U for user mode. */
enum nv_walk_result nv_walk(struct nv_vcpu *v, const struct nv_space *s, u64 addr, u32 access, struct nv_walk *w);
/* Guest paging of the level that runs; fmt NONE when paging is off. */
void nv_space_linear(struct nv_vcpu *v, struct nv_space *s, struct nv_space *under);
void nv_space_ept12(struct nv_vcpu *v, struct nv_space *s);

/* ---- mmu.c: EPT01, EPT02 and shadow page tables ---- */
enum nv_out { NV_OUT_EPT, NV_OUT_PT };

/*
 * One tree of tables that the CPU walks. Every table has exactly one parent, and no table is found by anything but its
 * parent: a table cannot be met again under another role (bug class 15).
 */
struct nv_root {
	u64 *top; /* page, or NULL */
	u64 *pae; /* shadow: the four PDPTEs for a guest outside IA-32e mode; a page below 4 GiB */
	u64 key; /* EPTP12, or the shadowed CR3; meaningless when !live */
	u64 mode; /* shadow: the bits of CR0, CR4 and EFER that its entries were made for */
	enum nv_out out;
	bool live; /* may have entries */
	bool ad; /* EPTP02 with A/D, as EPTP12 has */
	u64 used; /* for replacement */
	u64 pages; /* tables below top */
};

#define NV_NEPT02 4
#define NV_CACHE 8
enum { NV_FL_EPT01 = 1, NV_FL_EPT02 = 2, NV_FL_EPT_ALL = 4, NV_FL_VPID01 = 8, NV_FL_VPID02 = 16 };
struct nv_mmu {
	struct nv_root ept02[NV_NEPT02];
	struct nv_root shadow[2]; /* by level; ept=0 */
	struct nv_root *cur02;
	u64 clock;
	void *cache[NV_CACHE];
	int ncache;
	struct nv_walk_cache walk12;
	u64 pdpte[4]; /* of the walk that runs */
	u32 flush; /* NV_FL_*, also set by other threads: atomic */
	bool unpin;
};

int nv_mmu_init(struct nv_vcpu *v);
void nv_mmu_free(struct nv_vcpu *v);
int nv_root_init(struct nv_vm *vm, struct nv_root *r, enum nv_out out);
void nv_root_free(struct nv_vm *vm, struct nv_root *r);
/* Forget everything below the root; own vCPU, not in guest mode. Takes the MMU lock. */
void nv_root_drop(struct nv_vcpu *v, struct nv_root *r);
/*
 * Maps the page around addr to backing; perm as NV_R.., shift the largest that the guest's tables allow. 0 or -errno;
 * -EAGAIN: the memory changed meanwhile, the access is simply tried again.
 */
int nv_map(struct nv_vcpu *v, struct nv_root *r, u64 addr, u64 gpa, u8 perm, u8 shift, bool write);
void nv_request_flush(struct nv_vcpu *v, u32 what);
u64 nv_eptp(struct nv_root *r); /* for the CPU */
/* Root for EPTP12, flushed if it had to be made; never NULL. */
struct nv_root *nv_ept02_get(struct nv_vcpu *v, u64 eptp12);
void nv_ept02_drop(struct nv_vcpu *v, u64 eptp12, bool all); /* INVEPT */
int nv_fault_ept01(struct nv_vcpu *v, u64 gpa, u32 access); /* 0, -ENXIO: MMIO, -errno */
/* EPT violation in L2 with nested EPT: 0 mapped; 1 L1's: reflect with *reason and *qual; -ENXIO MMIO (*l1_gpa); -errno */
int nv_fault_ept02(struct nv_vcpu *v, u64 gpa, u64 hwqual, u32 *reason, u64 *qual, u64 *l1_gpa);
/* #PF with shadow paging: 0 mapped; 1 the guest's: *err; -ENXIO MMIO (*gpa) */
int nv_fault_shadow(struct nv_vcpu *v, u64 gva, u32 err, u32 *guest_err, u64 *gpa);
u64 nv_shadow_cr3(struct nv_root *r, bool lma); /* for the CPU */
void nv_prebuild(struct nv_vcpu *v);
void nv_shadow_invlpg(struct nv_vcpu *v, u64 gva); /* ept=0 */
void nv_shadow_enter(struct nv_vcpu *v); /* VM entry or exit has loaded the level's control registers */

/* ---- event.c ---- */
struct nv_exc {
	bool pending, has_err;
	u8 vector;
	u32 err;
	u64 payload; /* CR2 for #PF, DR6 bits for #DB */
};
struct nv_events {
	u32 inj_info, inj_err, inj_len; /* under delivery: injected at each entry until an exit says whether it has arrived */
	struct nv_exc exc;
	bool nmi, irq;
	u8 irq_vector;
	bool mtf; /* L2 is behind an instruction that L0 emulated, and L1's monitor trap flag is set */
	bool force_exit; /* enter L2 and come straight back: an event waits for L1 but L1's injection goes first */
};
void nv_inject_ud(struct nv_vcpu *v);
void nv_inject_gp(struct nv_vcpu *v, u32 err);
void nv_inject_pf(struct nv_vcpu *v, u64 addr, u32 err);
void nv_save_vectoring(struct nv_vcpu *v); /* IDT-vectoring information of the exit into events.inj_* */
int nv_events_before_entry(struct nv_vcpu *v); /* not needed when nv_events_quiet() */
void nv_skip_insn(struct nv_vcpu *v); /* RIP past the instruction that exited, and what comes at its end */
void nv_insn_done(struct nv_vcpu *v, u64 rip); /* the same, for one whose length the CPU did not give */
void nv_inject_db(struct nv_vcpu *v, u64 dr6); /* dr6: bits of DR6 */
void nv_debug_handler(struct nv_vcpu *v); /* #DB is delivered: DR7.GD */
void nv_insn_boundary(struct nv_vcpu *v); /* an iteration of REP is over */

/* ---- nested state of a vCPU ---- */
struct nv_check_result {
	const char *name, *sdm;
	u32 vmfail; /* VE_CONTROLS or VE_HOST; 0: a failed entry with */
	u64 qual;
};
struct nv_nested {
	bool vmxon;
	u64 vmxon_ptr, ptr12; /* gpa, NV_NOMAP: none */
	struct nv_vmcs12 *vmcs12; /* the current one; meaningless when ptr12 is NV_NOMAP */
	u64 *val12; /* vmcs12->val */
	u64 exit_tsc; /* the CPU's TSC at the exit; kept only when L1's MSR-store area is not empty */
	u64 feature_control;
	u32 dirty12; /* groups L1 wrote since they were merged into vmcs02 */
	u32 check12; /* groups to be checked again */
	u32 seg_mode; /* the mode in which the segments last passed, check.c */
	bool fresh02; /* vmcs02 was never filled */
	bool seg_stale; /* vmcs12's SEG guest state is still only in vmcs02 */
	bool shadow_used; /* the shadow VMCS is linked and valid for ptr12 */
	bool run_pending; /* VMLAUNCH/VMRESUME done, L2 not entered yet, an injection waits */
	bool own_timer; /* preemption timer of vmcs12 runs */
	bool timer_forced; /* it is 0 for ev.force_exit; what L1's has left is in: */
	u32 timer_left;
	u16 vpid12; /* whose translations vpid02 holds */
	u64 host01[NV_NFIELDS]; /* L1's state after an exit, from vmcs12's host area; valid unless dirty12 has HOST */
	bool host01_ok;
	bool aborted; /* VMX abort: L1 is shut down */
	bool shutdown; /* triple fault in L1 */
	struct nv_map msr_bitmap12, virt_apic, apic_access, pi_desc;
	void *msr_bitmap02; /* page */
	bool x2apic_bitmap; /* msr_bitmap02 has x2APIC registers passed */
	void *vmread_bitmap, *vmwrite_bitmap; /* pages, for L1's shadow VMCS */
	/* last EPT12 violation that L1 got: looked up again at VMRESUME */
	u64 rewalk_gpa;
	u32 rewalk_access;
	bool rewalk;
	struct nv_check_result failed; /* the VM-entry check that failed last */
	bool save_dbg01; /* vmcs01's DEBUGCTL and DR7 to keep when L2's are not loaded */
	u64 dr7_01, debugctl_01;
	u64 cr3[2]; /* by level, ept=0: what the guest thinks CR3 holds */
	struct nv_events ev;
	/* an access that user space completes */
	struct {
		enum nv_ux_type type;
		bool string, rep, sign, no_dest;
		u8 size, dest_size, addr_size, reg;
		u64 lin; /* INS: where the data goes */
		u64 next_rip;
	} io;
};

#define V12(v, f) ((v)->n->val12[F_##f])
static inline bool cpu12(struct nv_vcpu *v, u64 bit)
{
	return V12(v, CPU_CTL) & bit;
}
static inline bool cpu2_12(struct nv_vcpu *v, u64 bit)
{
	return (V12(v, CPU_CTL) & CPU_SECONDARY) && (V12(v, CPU2_CTL) & bit);
}
static inline bool pin12(struct nv_vcpu *v, u64 bit)
{
	return V12(v, PIN_CTL) & bit;
}
static inline bool nv_nested_ept(struct nv_vcpu *v)
{
	return cpu2_12(v, CPU2_EPT);
}

/* The usual case at an entry: nothing waits, and no window is open but those L1 asked for. */
static inline bool nv_events_quiet(struct nv_vcpu *v)
{
	const struct nv_events *ev = &v->n->ev;
	u64 windows = v->cur->val[F_CPU_CTL] ^ (v->in_l2 ? V12(v, CPU_CTL) : 0);

	return !(ev->exc.pending | ev->mtf | ev->nmi | ev->irq | ev->force_exit | v->hlt | v->want_irq_window) &&
	       !((ev->inj_info | v->cur->val[F_ENTRY_INTR_INFO]) & NV_BIT(31)) && !(windows & (CPU_INTR_WINDOW | CPU_NMI_WINDOW));
}

/* Blocking by STI or MOV SS ends with the next instruction, or with an event that is delivered instead of it. */
static inline void nv_end_blocking(struct nv_vcpu *v)
{
	u64 intr = nv_get(v->cur, F_GUEST_INTERRUPTIBILITY);

	if (intr & (INTR_STI | INTR_MOV_SS))
		nv_put(v->cur, F_GUEST_INTERRUPTIBILITY, intr & ~(u64)(INTR_STI | INTR_MOV_SS));
}

/* ---- caps.c ---- */
static inline bool nv_ctl_ok(u64 val, u64 cap)
{
	return !((val & (u32)cap) ^ (u32)cap) && !(val & ~(cap >> 32));
}
u64 nv_cap_for(u32 msr_index);

/* ---- vmcs12.c ---- */
int nv_ptrld12(struct nv_vcpu *v, u64 ptr); /* makes ptr current; the page was checked. 0 or -EFAULT */
int nv_load12(struct nv_vcpu *v, u64 ptr, const struct nv_vmcs12 *from); /* the same, contents from elsewhere */
void nv_flush12(struct nv_vcpu *v); /* current vmcs12 back to L1's memory; none is current afterwards */
void nv_forget12(struct nv_vcpu *v); /* none is current afterwards; L1's memory is left alone */
void nv_sync_seg12(struct nv_vcpu *v); /* lazily kept guest state, vmcs02 to vmcs12 */
/* What L1 wrote without an exit; and back, before L1 runs. then: the VMCS to load afterwards, NULL: the caller loads one. */
void nv_shadow_to_12(struct nv_vcpu *v, struct nv_vmcs *then);
void nv_shadow_from_12(struct nv_vcpu *v, struct nv_vmcs *then);
void nv_shadow_after_exit(struct nv_vcpu *v); /* as nv_shadow_from_12(v, NULL), after what a VM exit from L2 changes */
int nv_shadow_init(struct nv_vcpu *v); /* bitmaps; 0 or -ENOMEM */
void nv_shadow_free(struct nv_vcpu *v);
/* One field of a vmcs12, by index, with L1's view of width. Encoding bit 0 selects the high half. */
u64 nv_read_field(const u64 *val, int f, u64 enc);
void nv_write_field(u64 *val, int f, u64 enc, u64 x);
bool nv_field_offered(int f);

/* ---- insn.c ---- */
int nv_vmx_insn(struct nv_vcpu *v, u32 reason);
int nv_l2_vmread_vmwrite(struct nv_vcpu *v, u32 reason); /* VMCS shadowing by L1 */
void nv_vmfail(struct nv_vcpu *v, u32 err);

/* ---- check.c ---- */
/* Check the groups in mask (NV_G_*) of vmcs12; the first that fails is in nv_nested.failed. */
u32 nv_check_controls(struct nv_vcpu *v, u32 groups); /* 0, or the VM-instruction error */
bool nv_check_guest(struct nv_vcpu *v, u32 groups); /* false: a failed entry */
extern const struct nv_check_result nv_check_table[]; /* every check by name, ends with NULL */
bool nv_canonical(u64 a);
bool nv_eptp_ok(u64 eptp);
static inline bool nv_phys_ok(u64 a)
{
	return !(a & nv_caps.phys_mask);
}

/* ---- merge.c ---- */
int nv_enter_l2(struct nv_vcpu *v, bool launch); /* after checks of controls: 0 entered, or failed entry was reflected */
void nv_merge02(struct nv_vcpu *v);
void nv_merge_controls(struct nv_vcpu *v);
void nv_resume_l2(struct nv_vcpu *v, bool run_pending, u64 deadline_l1); /* without checks: nested state set */
void nv_load_l1_state(struct nv_vcpu *v); /* host area of vmcs12 into vmcs01 */
void nv_update_tsc(struct nv_vcpu *v);
void nv_merge_msr_bitmap(struct nv_vcpu *v);
bool nv_map_cached(struct nv_vcpu *v, struct nv_map *m, u64 gpa);
void nv_unmap_all(struct nv_vcpu *v);
u64 nv_mix_cr0(u64 l2, u64 shadow, u64 mask);

/* ---- msrlist.c ---- */
u32 nv_load_msrs(struct nv_vcpu *v, u64 gpa, u32 count); /* 0, or 1-based index of the one that failed */
bool nv_store_msrs(struct nv_vcpu *v, u64 gpa, u32 count);

/* ---- reflect.c ---- */
bool nv_l0_wants(struct nv_vcpu *v, u32 reason);
bool nv_l1_wants(struct nv_vcpu *v, u32 reason);
u32 nv_timer_left(struct nv_vcpu *v); /* while in L2 */
void nv_save_l2_state(struct nv_vcpu *v); /* vmcs02's hot guest state into vmcs12 */
/* VM exit from L2 to L1 that the hardware did not make. */
void nv_vmexit(struct nv_vcpu *v, u32 reason, u64 qual, u32 intr_info, u32 intr_err);
/* The hardware's exit given to L1; reason and qualification may differ from the hardware's. */
void nv_reflect(struct nv_vcpu *v, u32 reason, u64 qual);
void nv_abandon_l2(struct nv_vcpu *v); /* L1 runs again, without a VM exit that it or its memory would see */

/* ---- exit.c, emul.c, cr.c ---- */
int nv_handle_l1(struct nv_vcpu *v, u32 reason);
int nv_handle_common(struct nv_vcpu *v, u32 reason); /* exits L0 handles for either level */
int nv_handle_io(struct nv_vcpu *v);
int nv_handle_mmio(struct nv_vcpu *v, u64 gpa);
int nv_handle_cr(struct nv_vcpu *v);
int nv_handle_dr(struct nv_vcpu *v);
void nv_write_cr0_01(struct nv_vcpu *v, u64 cr0); /* L1's CR0 as L1 means it, into vmcs01 */
void nv_write_cr4_01(struct nv_vcpu *v, u64 cr4);
u64 nv_read_cr0_01(struct nv_vcpu *v);
u64 nv_read_cr4_01(struct nv_vcpu *v);
u64 nv_read_cr0(struct nv_vcpu *v); /* of the running level, as it sees it */
u64 nv_read_cr4(struct nv_vcpu *v);
bool nv_set_efer(struct nv_vcpu *v, u64 efer); /* running level; false: #GP */
u64 nv_guest_efer(struct nv_vcpu *v);
u64 nv_guest_cr3(struct nv_vcpu *v); /* as the guest wrote it, also under shadow paging */
int nv_cpl(struct nv_vcpu *v);
bool nv_long64(struct nv_vcpu *v); /* 64-bit mode */
void nv_triple_fault(struct nv_vcpu *v);

/* Linear memory of the running level. 0; 1: the fault is queued for the guest; -errno. */
int nv_read_linear(struct nv_vcpu *v, u64 lin, void *buf, u32 len);
int nv_write_linear(struct nv_vcpu *v, u64 lin, const void *buf, u32 len);
/* Memory operand of the exiting instruction to a linear address; 0, or 1: fault queued. */
int nv_operand_linear(struct nv_vcpu *v, u64 disp, u32 info, bool write, u32 len, u64 *lin);
u64 nv_reg(struct nv_vcpu *v, u32 r);
void nv_set_reg(struct nv_vcpu *v, u32 r, u64 val);

#endif
