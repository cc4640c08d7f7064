// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what waits, who gets it (L1 by a VM exit, or the level that runs), in which order, and what was under way when an exit
 * came (SDM 3C 26.2, 27.6, 28.2.4; 3A 6.15 for double faults).
 */
#include "internal.h"

#define V(f) V12(v, f)

/* ---- exceptions ---- */

static bool contributory(u32 vec)
{
	return vec == 0 || (vec >= XV_TS && vec <= XV_GP);
}

/* SDM 3A table 6-5: what two exceptions together are. */
static u32 combine(u32 first, u32 second)
{
	if (first == XV_DF && (contributory(second) || second == XV_PF))
		return 0xff; /* triple fault */
	if ((contributory(first) && contributory(second)) || (first == XV_PF && (contributory(second) || second == XV_PF)))
		return XV_DF;
	return second;
}

static bool l1_wants_exc(struct nv_vcpu *v, u32 vector, u32 err)
{
	bool hit = V(EXCEPTION_BITMAP) & NV_BIT(vector & 31);

	if (vector == XV_PF)
		hit ^= (err & V(PFEC_MASK)) != V(PFEC_MATCH);
	return v->in_l2 && hit;
}

void nv_queue_exception(struct nv_vcpu *v, u8 vector, bool has_err, u32 err)
{
	struct nv_events *ev = &v->n->ev;
	bool delivering = (ev->inj_info & INFO_VALID) && INFO_TYPE_OF(ev->inj_info) == EV_HW_EXC;
	u32 vec = vector;

	/* L1 gets an exception it intercepts as it is, with the one under delivery as IDT-vectoring information (28.2.4). */
	if (!ev->exc.pending && l1_wants_exc(v, vector, err))
		delivering = false;
	if (ev->exc.pending || delivering)
		vec = combine(ev->exc.pending ? ev->exc.vector : ev->inj_info & INFO_VECTOR, vector);
	if (vec == 0xff) {
		nv_triple_fault(v);
		return;
	}
	if (vec == XV_DF && vector != XV_DF) {
		has_err = true;
		err = 0;
	}
	if (delivering)
		ev->inj_info = 0;
	ev->exc = (struct nv_exc){ .pending = true, .has_err = has_err, .vector = (u8)vec, .err = err };
}

void nv_inject_ud(struct nv_vcpu *v)
{
	nv_queue_exception(v, XV_UD, false, 0);
}

void nv_inject_gp(struct nv_vcpu *v, u32 err)
{
	nv_queue_exception(v, XV_GP, true, err);
}

void nv_inject_pf(struct nv_vcpu *v, u64 addr, u32 err)
{
	nv_queue_exception(v, XV_PF, true, err);
	v->n->ev.exc.payload = addr;
}

void nv_inject_db(struct nv_vcpu *v, u64 dr6)
{
	nv_queue_exception(v, XV_DB, false, 0);
	v->n->ev.exc.payload = dr6;
}

/* Two faults too many: L2's is L1's to handle, L1's ends the machine. */
void nv_triple_fault(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;

	ev->exc.pending = false;
	ev->inj_info = 0;
	if (v->in_l2)
		nv_vmexit(v, XR_TRIPLE, 0, 0, 0);
	else
		v->n->shutdown = true;
}

int nv_queue_interrupt(struct nv_vcpu *v, u8 vector)
{
	struct nv_events *ev = &v->n->ev;

	if (ev->irq)
		return -EEXIST;
	ev->irq = true;
	ev->irq_vector = vector;
	return 0;
}

void nv_queue_nmi(struct nv_vcpu *v)
{
	v->n->ev.nmi = true;
}

/*
 * What is under delivery to L2 is not here: it travels in the nested state, as the injection of vmcs12. INT n and its like do not
 * travel at all: RIP is still at the instruction.
 */
void nv_get_event_state(struct nv_vcpu *v, struct nv_event_state *s)
{
	const struct nv_events *ev = &v->n->ev;
	u32 info = !v->in_l2 && (ev->inj_info & INFO_VALID) ? ev->inj_info : 0;
	u64 intr = nv_get(v->cur, F_GUEST_INTERRUPTIBILITY);

	*s = (struct nv_event_state){ .shadow = intr & (INTR_STI | INTR_MOV_SS), .nmi_masked = intr & INTR_NMI, .nmi_pending = ev->nmi,
				      .irq = ev->irq, .irq_vector = ev->irq_vector };
	/* Only what user space has given and no entry has looked at: its payload is where it came from, see below. */
	if (ev->exc.pending)
		info = INFO_MAKE(EV_HW_EXC, ev->exc.vector) | (ev->exc.has_err ? (u32)INFO_ERR : 0);
	switch (info & INFO_VALID ? INFO_TYPE_OF(info) : EV_OTHER) {
	case EV_HW_EXC:
		s->exc = true;
		s->exc_vector = (u8)info;
		s->exc_has_err = info & INFO_ERR;
		s->exc_err = ev->exc.pending ? ev->exc.err : ev->inj_err;
		break;
	case EV_NMI:
		s->nmi_injected = true;
		break;
	case EV_EXT:
		s->irq = true;
		s->irq_vector = (u8)info;
		break;
	}
}

void nv_set_event_state(struct nv_vcpu *v, const struct nv_event_state *s)
{
	struct nv_events *ev = &v->n->ev;
	u64 intr = nv_get(v->cur, F_GUEST_INTERRUPTIBILITY) & ~(u64)(INTR_STI | INTR_MOV_SS | INTR_NMI);

	nv_put(v->cur, F_GUEST_INTERRUPTIBILITY, intr | s->shadow | (s->nmi_masked ? INTR_NMI : 0));
	if (!v->in_l2)
		ev->inj_info = 0;
	ev->exc.pending = false;
	ev->irq = s->irq;
	ev->irq_vector = s->irq_vector;
	ev->nmi = s->nmi_pending;
	if (s->exc && v->in_l2) {
		nv_queue_exception(v, s->exc_vector, s->exc_has_err, s->exc_err);
		ev->exc.payload = s->exc_vector == XV_PF ? v->cr2 : s->exc_vector == XV_DB ? mach_get_dr(v, 6) & (0xf | DBG_BD | DBG_BS) : 0;
	} else if (s->exc) {
		ev->inj_info = INFO_MAKE(EV_HW_EXC, s->exc_vector) | (s->exc_has_err ? (u32)INFO_ERR : 0);
		ev->inj_err = s->exc_err;
	}
	/* Of two events that wait the exception goes first. */
	if (s->nmi_injected && (s->exc || (ev->inj_info & INFO_VALID)))
		ev->nmi = true;
	else if (s->nmi_injected)
		ev->inj_info = INFO_MAKE(EV_NMI, XV_NMI);
}

/* ---- what the exit interrupted ---- */

void nv_save_vectoring(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;
	u32 info = (u32)nv_get(v->cur, F_IDT_INFO);

	if (!(info & INFO_VALID)) {
		ev->inj_info = 0;
		return;
	}
	/* Same layout as for injection, but for bit 12, which is undefined here. */
	ev->inj_info = info & (INFO_VALID | (u32)INFO_ERR | INFO_TYPE | INFO_VECTOR);
	if (info & INFO_ERR)
		ev->inj_err = (u32)nv_get(v->cur, F_IDT_ERR);
	if (INFO_TYPE_OF(info) >= EV_SW_INT)
		ev->inj_len = (u32)nv_get(v->cur, F_EXIT_INSN_LEN);
}

/* ---- windows ---- */

static bool interrupts_open(struct nv_vcpu *v)
{
	return (nv_get(v->cur, F_GUEST_RFLAGS) & FL_IF) && !(nv_get(v->cur, F_GUEST_INTERRUPTIBILITY) & (INTR_STI | INTR_MOV_SS));
}

/* An interrupt in L2 is L1's VM exit, whatever RFLAGS.IF says. */
static bool irq_exits(struct nv_vcpu *v)
{
	return v->in_l2 && pin12(v, PIN_EXT_INT);
}

bool nv_irq_ready(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;

	if (ev->irq)
		return false;
	if (irq_exits(v))
		return !v->n->run_pending;
	return !(ev->inj_info & INFO_VALID) && !ev->exc.pending && interrupts_open(v);
}

/* RFLAGS.IF does not hold back an interrupt that is L1's exit; a VMM gives none while the flag it is told is clear. */
bool nv_if_flag(struct nv_vcpu *v)
{
	return irq_exits(v) || (nv_get(v->cur, F_GUEST_RFLAGS) & FL_IF);
}

/* ---- posted interrupts (30.6), by software: L0 gives its notification vectors to nobody ---- */

static void process_posted(struct nv_vcpu *v)
{
	struct nv_nested *n = v->n;
	u64 *desc, status = nv_get(v->cur, F_GUEST_INTR_STATUS);
	u32 i, top = 0;
	u8 *apic = n->virt_apic.va;

	if (n->virt_apic.gpa == NV_NOMAP || !nv_map_cached(v, &n->pi_desc, V(PI_DESC) & NV_PAGE_MASK))
		return;
	desc = (u64 *)((u8 *)n->pi_desc.va + (V(PI_DESC) & 0xfc0));
	__atomic_fetch_and(&desc[4], ~1ull, __ATOMIC_SEQ_CST);
	for (i = 0; i < 4; i++) {
		u64 pir = __atomic_exchange_n(&desc[i], 0, __ATOMIC_SEQ_CST);

		if (!pir)
			continue;
		__atomic_fetch_or((u32 *)(apic + 0x200 + 0x20 * i), (u32)pir, __ATOMIC_SEQ_CST);
		__atomic_fetch_or((u32 *)(apic + 0x210 + 0x20 * i), (u32)(pir >> 32), __ATOMIC_SEQ_CST);
		top = i * 64 + 63 - (u32)__builtin_clzll(pir);
	}
	if (top > (status & 0xff))
		nv_put(v->cur, F_GUEST_INTR_STATUS, (status & ~0xffull) | top);
}

/* ---- events that are L1's while L2 runs ---- */

static bool posted_vector(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;

	return ev->irq && pin12(v, PIN_POSTED) && ev->irq_vector == V(POSTED_NV);
}

static void exit_for_irq(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;
	u32 info = 0;

	if (V(EXIT_CTL) & EXIT_ACK) {
		info = INFO_MAKE(EV_EXT, ev->irq_vector);
		ev->irq = false;
	}
	nv_vmexit(v, XR_EXT_INT, 0, info, 0);
}

static void exit_for_exc(struct nv_vcpu *v)
{
	struct nv_exc e = v->n->ev.exc;

	v->n->ev.exc.pending = false;
	nv_vmexit(v, XR_EXC_NMI, e.payload, INFO_MAKE(EV_HW_EXC, e.vector) | (e.has_err ? (u32)INFO_ERR : 0), e.has_err ? e.err : 0);
}

static bool waits_for_l1(struct nv_vcpu *v)
{
	return (v->n->ev.nmi && pin12(v, PIN_NMI)) || (v->n->ev.irq && pin12(v, PIN_EXT_INT));
}

/* Order of 6.9, 26.2 and 26.5.2: exception, then MTF, then NMI, then interrupt. */
static void events_for_l1(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;

	ev->force_exit = false;
	if (ev->exc.pending) {
		ev->mtf = false; /* the CPU's own comes behind the delivery (26.5.2) */
		if (l1_wants_exc(v, ev->exc.vector, ev->exc.err))
			exit_for_exc(v);
		else
			ev->force_exit = waits_for_l1(v);
		return;
	}
	/* 26.5.2: the instruction that L0 emulated ends with it; a single-step trap at the same boundary stays pending. */
	if (ev->mtf) {
		nv_vmexit(v, XR_MTF, 0, 0, 0);
		return;
	}
	if (posted_vector(v)) {
		ev->irq = false;
		process_posted(v);
	}
	if (!waits_for_l1(v))
		return;
	if (v->n->run_pending) {
		/* What L1 injects is delivered by its VM entry; the event exits after that, before L2's first instruction. */
		ev->force_exit = true;
		return;
	}
	if (ev->nmi && pin12(v, PIN_NMI)) {
		ev->nmi = false;
		nv_vmexit(v, XR_EXC_NMI, 0, INFO_MAKE(EV_NMI, XV_NMI), 0);
		/* 28.5.5: an exit caused by an NMI leaves NMIs blocked. */
		nv_put(v->cur, F_GUEST_INTERRUPTIBILITY, INTR_NMI);
		return;
	}
	exit_for_irq(v);
}

/* ---- injection ---- */

/* It stays under delivery until an exit says whether it has arrived: a signal may keep the entry from being made. */
static void inject(struct nv_vcpu *v, u32 info, u32 err, u32 len)
{
	struct nv_events *ev = &v->n->ev;
	struct nv_vmcs *m = v->cur;

	ev->inj_info = info;
	ev->inj_err = err;
	ev->inj_len = len;
	nv_put(m, F_ENTRY_INTR_INFO, info);
	if (info & INFO_ERR)
		nv_put(m, F_ENTRY_EXC_ERR, err);
	if (INFO_TYPE_OF(info) >= EV_SW_INT)
		nv_put(m, F_ENTRY_INSN_LEN, len);
	v->stats.injected++;
}

/* A debug exception lets its handler use the debug registers (17.2.4); injected by VM entry it does not (27.6.1.1). */
void nv_debug_handler(struct nv_vcpu *v)
{
	nv_put(v->cur, F_GUEST_DR7, nv_get(v->cur, F_GUEST_DR7) & ~(u64)DR7_GD);
}

static void inject_exc(struct nv_vcpu *v)
{
	struct nv_exc *e = &v->n->ev.exc;
	/* No error codes in real mode (27.2.1.3). */
	bool err = e->has_err && (nv_get(v->cur, F_GUEST_CR0) & C0_PE);

	e->pending = false;
	if (e->vector == XV_PF)
		v->cr2 = e->payload;
	if (e->vector == XV_DB) {
		mach_set_dr(v, 6, (mach_get_dr(v, 6) & ~0xfull) | e->payload);
		nv_debug_handler(v);
	}
	/* Faults push RF = 1 (SDM 3B 17.3.1.1); of #DB only general detect is one that comes here. */
	if (e->vector != XV_DB || (e->payload & DBG_BD))
		nv_put(v->cur, F_GUEST_RFLAGS, nv_get(v->cur, F_GUEST_RFLAGS) | FL_RF);
	/* Blocking by STI or MOV SS ends with the instruction that faulted. */
	inject(v, INFO_MAKE(EV_HW_EXC, e->vector) | (err ? (u32)INFO_ERR : 0), e->err, 0);
}

/* Delivery of an event met an exception, which goes first: the event waits again. INT n is executed again by itself. */
static void requeue(struct nv_events *ev)
{
	if (INFO_TYPE_OF(ev->inj_info) == EV_EXT && !ev->irq) {
		ev->irq = true;
		ev->irq_vector = (u8)ev->inj_info;
	} else if (INFO_TYPE_OF(ev->inj_info) == EV_NMI) {
		ev->nmi = true;
	}
	ev->inj_info = 0;
}

static void inject_waiting(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;
	struct nv_vmcs *m = v->cur;
	u64 blocked;

	if ((ev->inj_info & INFO_VALID) && ev->exc.pending)
		requeue(ev);
	if (ev->inj_info & INFO_VALID) {
		/* An NMI that was being delivered blocks NMIs already; to deliver it again the blocking must not be there. */
		if (INFO_TYPE_OF(ev->inj_info) == EV_NMI && !v->n->run_pending)
			nv_put(m, F_GUEST_INTERRUPTIBILITY, nv_get(m, F_GUEST_INTERRUPTIBILITY) & ~INTR_NMI);
		inject(v, ev->inj_info, ev->inj_err, ev->inj_len);
		return;
	}
	if (ev->exc.pending) {
		inject_exc(v);
		return;
	}
	/* Of an entry that was not made, by a level or a machine that has gone since. */
	if (m->val[F_ENTRY_INTR_INFO] & INFO_VALID)
		nv_put(m, F_ENTRY_INTR_INFO, 0);
	if (!ev->nmi && !ev->irq)
		return;
	blocked = nv_get(m, F_GUEST_INTERRUPTIBILITY);
	if (ev->nmi && !(blocked & (INTR_NMI | INTR_MOV_SS | INTR_STI))) {
		ev->nmi = false;
		inject(v, INFO_MAKE(EV_NMI, XV_NMI), 0, 0);
		return;
	}
	if (ev->irq && !irq_exits(v) && interrupts_open(v)) {
		ev->irq = false;
		inject(v, INFO_MAKE(EV_EXT, ev->irq_vector), 0, 0);
	}
}

static void set_windows(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;
	struct nv_vmcs *m = v->cur;
	u64 ctl = m->val[F_CPU_CTL], base;

	if (!v->in_l2 && !ev->irq && !ev->nmi && !v->want_irq_window && !(ctl & (CPU_INTR_WINDOW | CPU_NMI_WINDOW)))
		return;
	base = v->in_l2 ? V(CPU_CTL) & (CPU_INTR_WINDOW | CPU_NMI_WINDOW) : 0;

	if ((ev->irq || v->want_irq_window) && !irq_exits(v))
		base |= CPU_INTR_WINDOW;
	if (ev->nmi && (nv_caps.pin & PIN_VNMI))
		base |= CPU_NMI_WINDOW;
	nv_put(m, F_CPU_CTL, (ctl & ~(CPU_INTR_WINDOW | CPU_NMI_WINDOW)) | base);
}

static bool wakes(struct nv_vcpu *v)
{
	struct nv_events *ev = &v->n->ev;

	return ev->nmi || ev->exc.pending || (ev->inj_info & INFO_VALID) ||
	       (ev->irq && (irq_exits(v) || (nv_get(v->cur, F_GUEST_RFLAGS) & FL_IF)));
}

int nv_events_before_entry(struct nv_vcpu *v)
{
	if (v->in_l2)
		events_for_l1(v);
	/* Whatever keeps the entry from being made, an exception is under delivery from here on. */
	if (v->n->ev.exc.pending) {
		v->hlt = false;
		inject_waiting(v);
	}
	if (v->want_irq_window && nv_irq_ready(v)) {
		v->ux.type = NV_UX_IRQ_WINDOW;
		return NV_USER;
	}
	if (v->hlt) {
		if (!wakes(v)) {
			v->ux.type = NV_UX_HLT;
			return NV_USER;
		}
		v->hlt = false;
	}
	inject_waiting(v);
	set_windows(v);
	return NV_RESUME;
}

/* ---- RIP past an instruction ---- */

void nv_insn_boundary(struct nv_vcpu *v)
{
	struct nv_vmcs *m = v->cur;

	nv_end_blocking(v);
	if (v->in_l2 && cpu12(v, CPU_MTF))
		v->n->ev.mtf = true;
	/* The trap that the instruction would have ended with (bit 14: BS); with BTF only branches have it, and none is emulated. */
	if ((nv_get(m, F_GUEST_RFLAGS) & FL_TF) && !(nv_get(m, F_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		nv_put(m, F_GUEST_PENDING_DBG, nv_get(m, F_GUEST_PENDING_DBG) | DBG_BS);
}

void nv_insn_done(struct nv_vcpu *v, u64 rip)
{
	nv_put(v->cur, F_GUEST_RIP, nv_long64(v) ? rip : (u32)rip);
	nv_insn_boundary(v);
}

void nv_skip_insn(struct nv_vcpu *v)
{
	nv_insn_done(v, nv_get(v->cur, F_GUEST_RIP) + nv_get(v->cur, F_EXIT_INSN_LEN));
}
