// SPDX-License-Identifier: GPL-2.0-only
/* Life of a VM and a vCPU, vmcs01's constant part, and the two ends of an entry. */
#include "internal.h"

/* ---- VM ---- */

int nv_vm_init(struct nv_vm *vm)
{
	static const u32 pass[] = { M_SYSENTER_CS, M_SYSENTER_ESP, M_SYSENTER_EIP, M_FS_BASE, M_GS_BASE };
	unsigned int i;

	vm->msr_bitmap01 = mach_alloc_page(vm);
	vm->zap_page = mach_alloc_page(vm);
	vm->ept01 = mach_alloc(sizeof(*vm->ept01));
	if (!vm->msr_bitmap01 || !vm->zap_page || !vm->ept01 || (nv_params.ept && nv_root_init(vm, vm->ept01, NV_OUT_EPT))) {
		nv_vm_free(vm);
		return -ENOMEM;
	}
	memset(vm->msr_bitmap01, 0xff, NV_PAGE_SIZE);
	vm->npass = 0;
	for (i = 0; i < NV_ARRAY_SIZE(pass); i++)
		(void)nv_pass_msr(vm, pass[i], true, true);
	/* The TSC is read with the offset applied; writing it changes the offset (26.3). */
	(void)nv_pass_msr(vm, M_TSC, true, false);
	return 0;
}

void nv_vm_free(struct nv_vm *vm)
{
	if (vm->ept01) {
		nv_root_free(vm, vm->ept01);
		mach_free(vm->ept01);
	}
	if (vm->zap_page)
		mach_free_page(vm, vm->zap_page);
	if (vm->msr_bitmap01)
		mach_free_page(vm, vm->msr_bitmap01);
	vm->ept01 = NULL;
	vm->zap_page = NULL;
	vm->msr_bitmap01 = NULL;
}

static int remember_word(struct nv_vm *vm, u32 word)
{
	int i;

	for (i = 0; i < vm->npass; i++)
		if (vm->pass_words[i] == word)
			return 0;
	if (vm->npass == NV_MAX_PASS)
		return -ENOSPC;
	vm->pass_words[vm->npass++] = (u16)word;
	return 0;
}

int nv_pass_msr(struct nv_vm *vm, u32 msr, bool read, bool write)
{
	u32 bit = msr & 0x1fff, high = msr >= 0xc0000000 ? 8192 : 0;
	u64 *map = vm->msr_bitmap01;
	int r = 0;

	if ((msr > 0x1fff && (msr < 0xc0000000 || msr > 0xc0001fff)) || msr >> 8 == M_X2APIC >> 8)
		return -EINVAL;
	bit += high;
	if (read) {
		r = remember_word(vm, bit / 64);
		if (!r)
			map[bit / 64] &= ~NV_BIT(bit % 64);
	}
	if (write && !r) {
		bit += 16384;
		r = remember_word(vm, bit / 64);
		if (!r)
			map[bit / 64] &= ~NV_BIT(bit % 64);
	}
	return r;
}

/* ---- vCPU ---- */

/* Which bits of CR0 and CR4 a guest may change without an exit, and what L0 makes of the others in the hardware. */
static void set_cr_policy(struct nv_vcpu *v)
{
	u64 own0 = C0_MP | C0_EM | C0_TS | C0_ET | C0_AM;
	u64 own4 = C4_VME | C4_PVI | C4_TSD | C4_DE | C4_PCE | C4_OSFXSR | C4_OSXMM | C4_UMIP | C4_FSGSBASE | C4_OSXSAVE;

	v->cr0_force = nv_caps.hw[CAP_CR0_0] & ~(C0_PE | C0_PG);
	v->cr0_clear = C0_CD | C0_NW; /* caching is the host's */
	v->cr4_force = nv_caps.hw[CAP_CR4_0] | C4_MCE;
	v->cr4_clear = 0;
	if (nv_params.ept) {
		own0 |= C0_WP;
		own4 |= C4_PSE | C4_PAE | C4_PGE | C4_PCIDE | C4_SMEP | C4_SMAP;
	} else {
		v->cr0_force |= C0_WP; /* shadow entries are read-only for reasons of L0 */
	}
	if (nv_params.unrestricted)
		own0 |= C0_PE | C0_PG;
	v->cr0_mask01 = ~(own0 & nv_caps.hw[CAP_CR0_1]);
	v->cr4_mask01 = ~(own4 & nv_caps.hw[CAP_CR4_1]);
	/* #AC and #DB can loop for ever in delivery inside a guest (CVE-2015-5307, CVE-2015-8104). */
	v->exc_bitmap01 = 1u << XV_AC | 1u << XV_DB | 1u << XV_MC;
	if (!nv_params.ept)
		v->exc_bitmap01 |= 1u << XV_PF;
}

/* What never changes: in vmcs01, and as a start in vmcs02. */
static void init_controls(struct nv_vcpu *v, struct nv_vmcs *m, u16 vpid)
{
	struct nv_caps *c = &nv_caps;
	unsigned int f;

	memset(m->valid, 0, sizeof(m->valid));
	memset(m->dirty, 0, sizeof(m->dirty));
	nv_put(m, F_PIN_CTL, c->pin);
	nv_put(m, F_CPU_CTL, c->cpu);
	if (c->cpu & CPU_SECONDARY)
		nv_put(m, F_CPU2_CTL, c->cpu2);
	nv_put(m, F_EXIT_CTL, c->exit);
	nv_put(m, F_ENTRY_CTL, c->entry);
	nv_put(m, F_EXCEPTION_BITMAP, v->exc_bitmap01);
	nv_put(m, F_PFEC_MASK, 0);
	nv_put(m, F_PFEC_MATCH, 0);
	nv_put(m, F_CR3_TARGET_COUNT, 0);
	nv_put(m, F_EXIT_STORE_COUNT, 0);
	nv_put(m, F_EXIT_LOAD_COUNT, 0);
	nv_put(m, F_ENTRY_LOAD_COUNT, 0);
	nv_put(m, F_ENTRY_INTR_INFO, 0);
	nv_put(m, F_MSR_BITMAP, mach_pa(v->vm->msr_bitmap01));
	nv_put(m, F_CR0_MASK, v->cr0_mask01);
	nv_put(m, F_CR4_MASK, v->cr4_mask01);
	nv_put(m, F_TSC_OFFSET, v->tsc_offset);
	nv_put(m, F_VMCS_LINK, NV_NOMAP);
	if (c->cpu2 & CPU2_VPID)
		nv_put(m, F_VPID, vpid);
	if (nv_params.ept)
		nv_put(m, F_EPTP, nv_eptp(v->vm->ept01));
	for (f = 0; f < NV_NFIELDS; f++)
		if (nv_fields[f].group == NV_G_SEG && f != F_VMCS_LINK && f != F_GUEST_SMBASE && nv_field_offered((int)f))
			nv_put(m, (enum nv_field)f, 0);
	mach_host_state(v, m);
}

/* State after power-on (SDM 3A table 10-1). */
static void reset_state(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs01;
	static const u8 data[] = { F_GUEST_ES_AR, F_GUEST_SS_AR, F_GUEST_DS_AR, F_GUEST_FS_AR, F_GUEST_GS_AR };
	static const u8 limit[] = { F_GUEST_ES_LIMIT, F_GUEST_CS_LIMIT, F_GUEST_SS_LIMIT, F_GUEST_DS_LIMIT, F_GUEST_FS_LIMIT,
				    F_GUEST_GS_LIMIT, F_GUEST_LDTR_LIMIT, F_GUEST_TR_LIMIT, F_GUEST_GDTR_LIMIT, F_GUEST_IDTR_LIMIT };
	unsigned int i;

	for (i = 0; i < NV_ARRAY_SIZE(data); i++)
		nv_put(m, (enum nv_field)data[i], 0x93);
	for (i = 0; i < NV_ARRAY_SIZE(limit); i++)
		nv_put(m, (enum nv_field)limit[i], 0xffff);
	nv_put(m, F_GUEST_CS_SEL, 0xf000);
	nv_put(m, F_GUEST_CS_BASE, 0xffff0000);
	nv_put(m, F_GUEST_CS_AR, 0x9b);
	nv_put(m, F_GUEST_LDTR_AR, 0x82);
	nv_put(m, F_GUEST_TR_AR, 0x8b);
	nv_put(m, F_GUEST_RIP, 0xfff0);
	nv_put(m, F_GUEST_RSP, 0);
	nv_put(m, F_GUEST_RFLAGS, FL_FIXED);
	nv_put(m, F_GUEST_CR3, nv_params.ept ? 0 : mach_pa(v->mmu->shadow[NV_L1].top));
	nv_put(m, F_GUEST_EFER, 0);
	nv_put(m, F_GUEST_DR7, 0x400);
	nv_put(m, F_GUEST_DEBUGCTL, 0);
	nv_put(m, F_GUEST_INTERRUPTIBILITY, 0);
	nv_put(m, F_GUEST_ACTIVITY, 0);
	nv_put(m, F_GUEST_PENDING_DBG, 0);
	if (nv_caps.entry & ENTRY_LOAD_PAT)
		nv_put(m, F_GUEST_PAT, 0x0007040600070406ull);
	nv_write_cr0_01(v, C0_CD | C0_NW | C0_ET);
	nv_write_cr4_01(v, 0);
	v->regs[R_RDX] = 0x600;
	v->apic_base = 0xfee00000 | NV_BIT(11) | (v->id ? 0 : NV_BIT(8));
}

static void free_nested(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;

	if (!n)
		return;
	nv_shadow_free(v);
	if (n->msr_bitmap02)
		mach_free_page(v->vm, n->msr_bitmap02);
	if (n->vmcs12)
		mach_free_page(v->vm, n->vmcs12);
	mach_free(n);
	v->n = NULL;
}

static int init_nested(struct nv_vcpu *v)
{
	struct nv_nested *n = mach_alloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	v->n = n;
	n->vmcs12 = mach_alloc_page(v->vm);
	n->msr_bitmap02 = mach_alloc_page(v->vm);
	if (!n->vmcs12 || !n->msr_bitmap02 || nv_shadow_init(v)) {
		free_nested(v);
		return -ENOMEM;
	}
	n->val12 = n->vmcs12->val;
	memset(n->msr_bitmap02, 0xff, NV_PAGE_SIZE);
	n->vmxon_ptr = n->ptr12 = NV_NOMAP;
	n->msr_bitmap12.gpa = n->virt_apic.gpa = n->apic_access.gpa = n->pi_desc.gpa = NV_NOMAP;
	n->dirty12 = n->check12 = NV_G_ALL;
	return 0;
}

int nv_vcpu_init(struct nv_vcpu *v)
{
	int r;

	if (v->id < 0 || v->id >= NV_MAX_VCPUS)
		return -EINVAL;
	if (v->vm->vcpu[v->id])
		return -EEXIST;
	r = init_nested(v);
	if (r)
		return r;
	r = nv_mmu_init(v);
	if (r) {
		free_nested(v);
		return r;
	}
	v->in_l2 = v->hlt = false;
	set_cr_policy(v);
	v->n->feature_control = FC_LOCKED | FC_VMX_OUTSIDE_SMX;
	init_controls(v, &v->vmcs01, v->vpid01);
	init_controls(v, &v->vmcs02, v->vpid02);
	memset(v->shadow.valid, 0, sizeof(v->shadow.valid));
	memset(v->shadow.dirty, 0, sizeof(v->shadow.dirty));
	v->cur = &v->vmcs01;
	reset_state(v);
	mach_mmu_lock(v->vm);
	v->vm->vcpu[v->id] = v;
	mach_mmu_unlock(v->vm);
	return 0;
}

void nv_vcpu_free(struct nv_vcpu *v)
{
	if (!v->n)
		return;
	mach_mmu_lock(v->vm);
	v->vm->vcpu[v->id] = NULL;
	mach_mmu_unlock(v->vm);
	/* The CPU must not write a VMCS back into a page that is somebody else's by then (bug class 12). */
	mach_vmcs_clear(v, &v->shadow);
	mach_vmcs_clear(v, &v->vmcs02);
	mach_vmcs_clear(v, &v->vmcs01);
	nv_unmap_all(v);
	nv_mmu_free(v);
	free_nested(v);
}

/* ---- entry ---- */

/* Pinned pages are let go; while L2 runs its VMCS gets their new addresses. */
static void repin(struct nv_vcpu *v)
{
	nv_write_once(v->mmu->unpin, false);
	nv_unmap_all(v);
	if (v->in_l2) {
		nv_merge_controls(v);
		nv_merge_msr_bitmap(v);
		v->n->dirty12 &= ~(u32)NV_G_CTL;
	}
}

/* The preemption timer of vmcs02: L1's, or 0 to make the CPU leave L2 at once when an injection has to be delivered first. */
static void set_timer(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	bool force = n->ev.force_exit && (nv_caps.hw[CAP_TRUE_PIN] >> 32 & PIN_PREEMPT);

	if (force && !n->timer_forced) {
		n->timer_left = n->own_timer ? (u32)nv_get(v->cur, F_PREEMPT_TIMER) : 0;
		nv_put(v->cur, F_PREEMPT_TIMER, 0);
	} else if (!force && n->timer_forced) {
		nv_put(v->cur, F_PREEMPT_TIMER, n->timer_left);
	}
	n->timer_forced = force;
	nv_put(v->cur, F_PIN_CTL, (v->cur->val[F_PIN_CTL] & ~PIN_PREEMPT) | (n->own_timer || force ? PIN_PREEMPT : 0));
}

int nv_prepare_entry(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	int r;

	v->ux.type = NV_UX_NONE;
	if (nv_read_once(v->mmu->unpin))
		repin(v);
	if (nv_params.prebuilt_ept && !v->vm->ept01->live && nv_params.ept)
		nv_prebuild(v);
	r = nv_events_quiet(v) ? NV_RESUME : nv_events_before_entry(v);
	if (n->aborted || n->shutdown) {
		n->shutdown = false;
		v->ux.type = NV_UX_SHUTDOWN;
		return NV_USER;
	}
	if (v->in_l2 && (n->ev.force_exit || n->timer_forced || n->own_timer != !!(v->vmcs02.val[F_PIN_CTL] & PIN_PREEMPT)))
		set_timer(v);
	return r;
}

/*
 * Flush requests are taken here, on the CPU that enters, and never earlier: not on the CPU the guest asked on, and not lost
 * when an entry fails in between (bug class 12).
 */
static void flush_tlb(struct nv_vcpu *v, u32 what)
{
	if (nv_params.ept && (what & NV_FL_EPT_ALL)) {
		mach_invept(2, 0);
		v->stats.invept++;
	} else if (nv_params.ept && (what & NV_FL_EPT01)) {
		mach_invept(1, nv_eptp(v->vm->ept01));
		v->stats.invept++;
	}
	if ((what & NV_FL_EPT02) && !(what & NV_FL_EPT_ALL) && v->mmu->cur02) {
		mach_invept(1, nv_eptp(v->mmu->cur02));
		v->stats.invept++;
	}
	if ((what & NV_FL_VPID01) && v->vpid01) {
		mach_invvpid(1, v->vpid01, 0);
		v->stats.invvpid++;
	}
	if ((what & NV_FL_VPID02) && v->vpid02) {
		mach_invvpid(1, v->vpid02, 0);
		v->stats.invvpid++;
	}
}

void nv_commit_entry(struct nv_vcpu *v)
{
	if (nv_read_once(v->mmu->flush)) {
		u32 what = __atomic_exchange_n(&v->mmu->flush, 0, __ATOMIC_SEQ_CST);

		flush_tlb(v, what);
	}
	nv_vmcs_flush(v->cur);
}
