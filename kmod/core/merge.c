// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entering L2: vmcs01 + vmcs12 -> vmcs02. What L1 asked for and what L0 needs meet here, and only here. Rarely written
 * groups are merged only when L1 wrote them (nv_nested.dirty12).
 */
#include "internal.h"

#define V(f) V12(v, f)

/* ---- pinned pages ---- */

bool nv_map_cached(struct nv_vcpu *v, struct nv_map *m, u64 gpa)
{
	if (m->gpa == gpa)
		return true;
	if (m->gpa != NV_NOMAP)
		mach_unmap_page(v->vm, m);
	m->gpa = NV_NOMAP;
	return mach_map_page(v->vm, gpa & NV_PAGE_MASK, m) == 0;
}

void nv_unmap_all(struct nv_vcpu *v)
{
	struct nv_map *maps[] = { &v->n->msr_bitmap12, &v->n->virt_apic, &v->n->apic_access, &v->n->pi_desc };
	unsigned int i;

	for (i = 0; i < NV_ARRAY_SIZE(maps); i++)
		if (maps[i]->gpa != NV_NOMAP)
			mach_unmap_page(v->vm, maps[i]);
	v->n->dirty12 |= NV_G_CTL;
}

/* ---- MSR bitmap ---- */

/*
 * An MSR is passed to L2 when L0 passes it to L1 and L1 passes it to L2. L0 passes few, so only their words are looked at; all
 * other bits of the merged bitmap stay 1 for good. x2APIC registers are never L0's to pass (CVE-2019-3887): they follow L1's
 * bitmap only where the CPU virtualizes them (29.5), which vmcs02 tells and vmcs12 does not: L1's virtual-APIC page may be no RAM.
 */
void nv_merge_msr_bitmap(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	const u64 *l0 = v->vm->msr_bitmap01, *l1 = n->msr_bitmap12.va;
	const u16 *w = v->vm->pass_words, *end = w + v->vm->npass;
	u64 cpu2 = v->vmcs02.val[F_CPU2_CTL], *m = n->msr_bitmap02;

	if (!(v->vmcs02.val[F_CPU_CTL] & CPU_MSR_BITMAPS))
		return;
	for (; w < end; w++)
		m[*w] = l0[*w] | nv_read_once(l1[*w]);
	if ((cpu2 & CPU2_X2APIC) || n->x2apic_bitmap) {
		const u8 *b1 = n->msr_bitmap12.va;
		u8 *b = n->msr_bitmap02;
		u32 msr;

		/* Registers 0x800-0x8ff: reads at byte 0x100, writes at byte 0x900 (25.6.9). */
		memset(b + 0x100, 0xff, 32);
		memset(b + 0x900, 0xff, 32);
		n->x2apic_bitmap = cpu2 & CPU2_X2APIC;
		if (!n->x2apic_bitmap)
			return;
		if (cpu2 & CPU2_APIC_REG)
			memcpy(b + 0x100, b1 + 0x100, 32);
		else
			b[0x101] = (u8)(b[0x101] & (b1[0x101] | ~1u)); /* TPR, 0x808 */
		for (msr = 0x808; msr <= 0x83f; msr++) {
			bool virt = msr == 0x808 || ((cpu2 & CPU2_VID) && (msr == 0x80b || msr == 0x83f));

			if (virt && !(b1[0x800 + msr / 8] & 1u << msr % 8))
				b[0x800 + msr / 8] &= (u8)~(1u << msr % 8);
		}
	}
}

/* ---- controls ---- */

void nv_update_tsc(struct nv_vcpu *v)
{
	u64 off = v->tsc_offset;

	nv_put(&v->vmcs01, F_TSC_OFFSET, off);
	if (v->n->ptr12 == NV_NOMAP)
		return;
	if (cpu2_12(v, CPU2_TSC_SCALING)) {
		/* TSC2 = (TSC1 * mult) >> 48 + offset12 and TSC1 = TSC + offset01 (25.6.5); L1 itself is not scaled. */
		off = (u64)(((__int128)(s64)off * V(TSC_MULT)) >> 48);
		nv_put(&v->vmcs02, F_TSC_MULT, V(TSC_MULT));
	}
	if (cpu12(v, CPU_TSC_OFFSET))
		off += V(TSC_OFFSET);
	else if (cpu2_12(v, CPU2_TSC_SCALING))
		off = v->tsc_offset; /* scaling works only with offsetting */
	nv_put(&v->vmcs02, F_TSC_OFFSET, off);
}

static u64 merge_cpu2(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	struct nv_vmcs *m = &v->vmcs02;
	/* Enables that L2 has only if L1 gives them, and what the core does itself. */
	u64 cpu2 = nv_caps.cpu2 & ~(CPU2_RDTSCP | CPU2_INVPCID | CPU2_UNRESTRICTED);
	u64 cpu2_1 = cpu12(v, CPU_SECONDARY) ? V(CPU2_CTL) : 0;

	cpu2 |= cpu2_1 & ~(CPU2_SHADOW_VMCS | CPU2_VMFUNC | CPU2_PML | CPU2_VPID | CPU2_EPT);
	if ((cpu2_1 & CPU2_TSC_SCALING) && !cpu12(v, CPU_TSC_OFFSET))
		cpu2 &= ~CPU2_TSC_SCALING;
	if (cpu2_1 & CPU2_APIC_ACCESS) {
		if (nv_map_cached(v, &n->apic_access, V(APIC_ACCESS)))
			nv_put(m, F_APIC_ACCESS, n->apic_access.hpa);
		else
			cpu2 &= ~CPU2_APIC_ACCESS;
	}
	if (cpu2_1 & CPU2_PLE) {
		nv_put(m, F_PLE_GAP, V(PLE_GAP));
		nv_put(m, F_PLE_WINDOW, V(PLE_WINDOW));
	}
	if (cpu2_1 & CPU2_VID) {
		nv_put(m, F_EOI_EXIT0, V(EOI_EXIT0));
		nv_put(m, F_EOI_EXIT1, V(EOI_EXIT1));
		nv_put(m, F_EOI_EXIT2, V(EOI_EXIT2));
		nv_put(m, F_EOI_EXIT3, V(EOI_EXIT3));
	}
	return cpu2;
}

/* Primary controls of vmcs02, without the windows L0 opens for itself. */
static u64 merge_cpu(struct nv_vcpu *v, u64 *cpu2)
{
	struct nv_nested *n = v->n;
	struct nv_vmcs *m = &v->vmcs02;
	u64 cpu = nv_caps.cpu | V(CPU_CTL);

	/* L0 sees every port access; L1's bitmaps are consulted when one comes (reflect.c). */
	cpu &= ~CPU_IO_BITMAPS;
	cpu |= CPU_UNCOND_IO | CPU_TSC_OFFSET;
	if (cpu12(v, CPU_TPR_SHADOW) && nv_map_cached(v, &n->virt_apic, V(VIRT_APIC))) {
		nv_put(m, F_VIRT_APIC, n->virt_apic.hpa);
		nv_put(m, F_TPR_THRESHOLD, V(TPR_THRESHOLD));
		cpu = (cpu & ~(CPU_CR8_LOAD | CPU_CR8_STORE)) | (V(CPU_CTL) & (CPU_CR8_LOAD | CPU_CR8_STORE));
	} else {
		/* Without the shadow, CR8 would be the host's TPR (CVE-2017-12154): the exits stay on. */
		cpu &= ~CPU_TPR_SHADOW;
		cpu |= CPU_CR8_LOAD | CPU_CR8_STORE;
		*cpu2 &= ~(CPU2_X2APIC | CPU2_APIC_REG | CPU2_VID);
	}
	cpu &= ~CPU_MSR_BITMAPS;
	if (cpu12(v, CPU_MSR_BITMAPS) && nv_map_cached(v, &n->msr_bitmap12, V(MSR_BITMAP))) {
		cpu |= CPU_MSR_BITMAPS;
		nv_put(m, F_MSR_BITMAP, mach_pa(n->msr_bitmap02));
	}
	return cpu;
}

void nv_merge_controls(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02;
	u64 cpu2 = merge_cpu2(v);
	u64 cpu = merge_cpu(v, &cpu2);

	nv_put(m, F_CPU_CTL, cpu);
	nv_put(m, F_CPU2_CTL, cpu2);
	/* Posted interrupts are processed by the core (event.c): L0 has no notification vector to give away. */
	nv_put(m, F_PIN_CTL, (nv_caps.pin | V(PIN_CTL)) & ~PIN_POSTED);
	nv_put(m, F_EXIT_CTL, nv_caps.exit | (V(PIN_CTL) & PIN_PREEMPT ? EXIT_SAVE_PREEMPT : 0));
	nv_put(m, F_EXCEPTION_BITMAP, V(EXCEPTION_BITMAP) | v->exc_bitmap01);
	if (nv_params.ept) {
		nv_put(m, F_PFEC_MASK, V(PFEC_MASK));
		nv_put(m, F_PFEC_MATCH, V(PFEC_MATCH));
		nv_put(m, F_CR3_TARGET_COUNT, V(CR3_TARGET_COUNT));
		nv_put(m, F_CR3_TARGET0, V(CR3_TARGET0));
		nv_put(m, F_CR3_TARGET1, V(CR3_TARGET1));
		nv_put(m, F_CR3_TARGET2, V(CR3_TARGET2));
		nv_put(m, F_CR3_TARGET3, V(CR3_TARGET3));
	}
	nv_update_tsc(v);
}

static nv_noinline void merge_shadow_paging(struct nv_vcpu *v)
{
	struct nv_root *r = &v->mmu->shadow[NV_L2];

	v->n->cr3[NV_L2] = V(GUEST_CR3);
	if (r->key != V(GUEST_CR3) || !cpu2_12(v, CPU2_VPID) || V(VPID) != v->n->vpid12)
		nv_root_drop(v, r);
	r->key = V(GUEST_CR3);
	nv_put(&v->vmcs02, F_GUEST_CR3, nv_shadow_cr3(r, V(ENTRY_CTL) & ENTRY_IA32E));
}

/* Guest-physical translation of vmcs02; cheap, and the root may have been replaced since the last entry. */
static void merge_paging(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02;

	if (!nv_params.ept) {
		merge_shadow_paging(v);
		return;
	}
	nv_put(m, F_EPTP, nv_eptp(nv_nested_ept(v) ? nv_ept02_get(v, V(EPTP)) : v->vm->ept01));
	nv_put(m, F_GUEST_CR3, V(GUEST_CR3));
}

/* ---- guest state ---- */

static nv_noinline void merge_seg(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02;
	unsigned int f;

	for (f = 0; f < NV_NFIELDS; f++)
		if (nv_fields[f].group == NV_G_SEG && nv_field_offered((int)f))
			nv_put(m, (enum nv_field)f, v->n->val12[f]);
	nv_put(m, F_VMCS_LINK, NV_NOMAP); /* shadowing by L1 is done by the core */
	/* Branch records and traces (BTS interrupts, too) would be made with the host's MSRs: L2 has what L1's WRMSR leaves. */
	nv_put(m, F_GUEST_DEBUGCTL, V(GUEST_DEBUGCTL) & DEBUGCTL_BTF);
}

/* State that comes from vmcs12 only if an entry control says so, else from L1 as it runs (27.3.2.1). */
static void merge_optional(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02, *l1 = &v->vmcs01;

	if (!(V(ENTRY_CTL) & ENTRY_LOAD_DEBUG)) {
		nv_put(m, F_GUEST_DR7, nv_get(l1, F_GUEST_DR7));
		nv_put(m, F_GUEST_DEBUGCTL, nv_get(l1, F_GUEST_DEBUGCTL));
	}
	if ((nv_caps.entry & ENTRY_LOAD_PAT) && !(V(ENTRY_CTL) & ENTRY_LOAD_PAT))
		nv_put(m, F_GUEST_PAT, nv_get(l1, F_GUEST_PAT));
}

static u64 entry_efer(struct nv_vcpu *v)
{
	u64 efer;

	if (V(ENTRY_CTL) & ENTRY_LOAD_EFER)
		return V(GUEST_EFER);
	efer = nv_get(&v->vmcs01, F_GUEST_EFER) & ~(EF_LMA | EF_LME);
	return efer | (V(ENTRY_CTL) & ENTRY_IA32E ? EF_LMA | EF_LME : 0);
}

/* CR0 or CR4 as the guest reads it: its own bits, and the read shadow where they are masked. */
u64 nv_mix_cr0(u64 l2, u64 shadow, u64 mask)
{
	return (l2 & ~mask) | (shadow & mask);
}

static void merge_cr(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02;

	nv_put(m, F_GUEST_CR0, (V(GUEST_CR0) | v->cr0_force) & ~v->cr0_clear);
	/* Shadow tables have the PAE format, whatever L2's have. */
	nv_put(m, F_GUEST_CR4, (V(GUEST_CR4) | v->cr4_force | (nv_params.ept ? 0 : C4_PAE)) & ~v->cr4_clear);
	if (!(v->n->dirty12 & (NV_G_CRMASK | NV_G_HOT)))
		return;
	nv_put(m, F_CR0_MASK, V(CR0_MASK) | v->cr0_mask01);
	nv_put(m, F_CR4_MASK, V(CR4_MASK) | v->cr4_mask01);
	nv_put(m, F_CR0_SHADOW, nv_mix_cr0(V(GUEST_CR0), V(CR0_SHADOW), V(CR0_MASK)));
	nv_put(m, F_CR4_SHADOW, nv_mix_cr0(V(GUEST_CR4), V(CR4_SHADOW), V(CR4_MASK)));
}

/* L2 in PAE mode on EPT01: the CPU wants them in the VMCS, L1 knows nothing of that (27.3.2.4). */
static nv_noinline void load_pdptes(struct nv_vcpu *v)
{
	u64 e[4];

	if (mach_read_guest(v->vm, V(GUEST_CR3) & 0xffffffe0u, e, sizeof(e)))
		return; /* the check read them just before */
	nv_put(&v->vmcs02, F_GUEST_PDPTE0, e[0]);
	nv_put(&v->vmcs02, F_GUEST_PDPTE1, e[1]);
	nv_put(&v->vmcs02, F_GUEST_PDPTE2, e[2]);
	nv_put(&v->vmcs02, F_GUEST_PDPTE3, e[3]);
}

/* Translations L1 expects to be gone after this transition (29.4.3.1). */
static void flush_for_entry(struct nv_vcpu *v)
{
	if (cpu2_12(v, CPU2_VPID)) {
		if (v->n->vpid12 != V(VPID))
			nv_request_flush(v, NV_FL_VPID02);
		v->n->vpid12 = (u16)V(VPID);
	} else {
		nv_request_flush(v, NV_FL_VPID01 | NV_FL_VPID02);
		v->n->vpid12 = 0;
	}
}

static nv_noinline void merge_hot(struct nv_vcpu *v)
{
	struct nv_vmcs *m = &v->vmcs02;

	merge_cr(v);
	nv_put(m, F_GUEST_RIP, V(GUEST_RIP));
	nv_put(m, F_GUEST_RSP, V(GUEST_RSP));
	nv_put(m, F_GUEST_RFLAGS, V(GUEST_RFLAGS));
	nv_put(m, F_GUEST_INTERRUPTIBILITY, V(GUEST_INTERRUPTIBILITY));
	nv_put(m, F_GUEST_PENDING_DBG, V(GUEST_PENDING_DBG));
}

void nv_merge02(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	struct nv_vmcs *m = &v->vmcs02;

	if (n->dirty12 & NV_G_SEG)
		merge_seg(v);
	if (n->dirty12 & NV_G_CTL)
		nv_merge_controls(v);
	merge_optional(v);
	merge_paging(v);
	if (!(V(ENTRY_CTL) & ENTRY_IA32E) && nv_params.ept && !nv_nested_ept(v) && (V(GUEST_CR4) & C4_PAE) && (V(GUEST_CR0) & C0_PG))
		load_pdptes(v);
	nv_put(m, F_ENTRY_CTL, nv_caps.entry | (V(ENTRY_CTL) & ENTRY_IA32E));
	nv_put(m, F_GUEST_EFER, entry_efer(v));
	nv_put(m, F_GUEST_ACTIVITY, V(GUEST_ACTIVITY));
	/* Where L1 wrote nothing vmcs02 still holds what its own last exit saved. */
	if (n->dirty12)
		merge_hot(v);
	if (cpu2_12(v, CPU2_VID))
		nv_put(m, F_GUEST_INTR_STATUS, V(GUEST_INTR_STATUS));
	nv_merge_msr_bitmap(v);
	flush_for_entry(v);
}

/* ---- the entry ---- */

static void set_event(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;

	ev->inj_info = 0;
	if (!(V(ENTRY_INTR_INFO) & INFO_VALID))
		return;
	/* From here it is an event of L2 like any that L0 has to deliver. */
	ev->inj_info = (u32)V(ENTRY_INTR_INFO);
	ev->inj_err = (u32)V(ENTRY_EXC_ERR);
	ev->inj_len = (u32)V(ENTRY_INSN_LEN);
	v->n->run_pending = true;
}

/* Failed entry after the checks of controls (27.8): L1 finds its host state and the reason, nothing else is saved. */
static void fail_entry(struct nv_vcpu *v, u32 reason, u64 qual)
{
	V(EXIT_REASON) = reason | XR_FAILED_ENTRY;
	V(EXIT_QUAL) = qual;
	v->stats.nested_fails++;
	nv_load_l1_state(v);
}

static nv_noinline void rewalk(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	u64 qual, gpa;
	u32 reason;

	n->rewalk = false;
	/* L1 most likely has filled EPT12 where its last violation was: map it now and save L2 from faulting again. */
	if (nv_nested_ept(v) && nv_fault_ept02(v, n->rewalk_gpa, n->rewalk_access, &reason, &qual, &gpa) == 0)
		v->stats.ept_rewalk_hits++;
}

int nv_enter_l2(struct nv_vcpu *v, bool launch)
{
	struct nv_nested *n = v->n;
	bool stale;
	u32 bad;

	if (!nv_check_guest(v, n->check12)) {
		fail_entry(v, XR_INVALID_GUEST, n->failed.qual);
		return NV_RESUME;
	}
	n->check12 = 0;
	nv_merge02(v);
	n->dirty12 = 0;
	stale = n->seg_stale;
	n->seg_stale = false;
	if (n->rewalk)
		rewalk(v);
	set_event(v);
	/* The CPU's own timer counts, in L2 only (26.5.1): nothing is left behind when L1 leaves VMX (CVE-2019-7221). */
	n->own_timer = V(PIN_CTL) & PIN_PREEMPT;
	n->timer_forced = false;
	if (n->own_timer)
		nv_put(&v->vmcs02, F_PREEMPT_TIMER, V(PREEMPT_TIMER));
	v->in_l2 = true;
	mach_vmcs_load(v, &v->vmcs02);
	nv_shadow_enter(v);
	bad = V(ENTRY_LOAD_COUNT) ? nv_load_msrs(v, V(ENTRY_LOAD_ADDR), (u32)V(ENTRY_LOAD_COUNT)) : 0;
	if (bad) {
		v->in_l2 = false;
		n->ev.inj_info = 0;
		n->run_pending = n->own_timer = false;
		n->seg_stale = stale;
		nv_sync_seg12(v);
		n->dirty12 = NV_G_ALL; /* vmcs02 has what the list had set */
		fail_entry(v, XR_MSR_LOAD, bad);
		return NV_RESUME;
	}
	if (launch)
		n->vmcs12->launched = 1;
	v->stats.nested_entries++;
	return NV_RESUME;
}

void nv_resume_l2(struct nv_vcpu *v, bool run_pending, u64 deadline_l1)
{
	struct nv_nested *n = v->n;

	nv_merge02(v);
	n->dirty12 = n->check12 = 0;
	n->seg_stale = false;
	set_event(v);
	n->run_pending = run_pending;
	n->own_timer = V(PIN_CTL) & PIN_PREEMPT;
	n->timer_forced = false;
	if (n->own_timer) {
		u64 now = mach_tsc() + v->tsc_offset;
		u64 left = deadline_l1 > now ? (deadline_l1 - now) >> (nv_caps.hw[CAP_MISC] & MISC_RATE) : 0;

		nv_put(&v->vmcs02, F_PREEMPT_TIMER, left > 0xffffffffu ? 0xffffffffu : left);
	}
	v->in_l2 = true;
	mach_vmcs_load(v, &v->vmcs02);
	nv_shadow_enter(v);
}
