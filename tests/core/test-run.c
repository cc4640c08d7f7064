// SPDX-License-Identifier: LGPL-2.1-or-later
/* Instructions, reflection and events. */
#include "run.h"

static void vmx_faults_in_order(void **state)
{
	(void)state;
	/* No VMX operation: #UD, whatever the operand. */
	for (u32 r = XR_VMCLEAR; r <= XR_VMXOFF; r++) {
		assert_int_equal(mock_vmx(r, 1).what, FAULT);
		assert_int_equal(mock_last().error, XV_UD);
	}
	/* CR4.VMXE clear: #UD also for VMXON. */
	mock_hw(F_CR4_SHADOW, C4_PAE);
	M.v.vmcs01.valid[F_CR4_SHADOW / 64] = 0;
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON).error, XV_UD);
	mock_hw(F_CR4_SHADOW, C4_PAE | C4_VMXE);
	M.v.vmcs01.valid[F_CR4_SHADOW / 64] = 0;
	/* Compatibility mode: #UD. */
	mock_hw(F_GUEST_CS_AR, 0xc09b);
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON).error, XV_UD);
	mock_hw(F_GUEST_CS_AR, 0xa09b);
	/* IA32_FEATURE_CONTROL does not allow it: #GP. */
	M.v.n->feature_control = FC_LOCKED;
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON).error, XV_GP);
	M.v.n->feature_control = FC_LOCKED | FC_VMX_OUTSIDE_SMX;
	/* CR0.NE clear: #GP. */
	nv_write_cr0_01(&M.v, C0_PE | C0_PG);
	mock_enter();
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON).error, XV_GP);
	nv_write_cr0_01(&M.v, C0_PE | C0_PG | C0_NE);
	mock_enter();
	/* The operand: not canonical #GP, not mapped #PF. */
	M.v.regs[R_RAX] = 0x800000000000;
	mock_hw(F_EXIT_INSN_INFO, 2 << 7 | 1 << 22 | 3 << 15);
	mock_exit(XR_VMXON, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	M.v.regs[R_RAX] = 0x700000000000;
	mock_exit(XR_VMXON, 0);
	assert_int_equal(injected() & 0xff, XV_PF);
	assert_int_equal(M.v.cr2, 0x700000000000);
	/* Through SS it is #SS. */
	M.v.regs[R_RAX] = 0x800000000000;
	mock_hw(F_EXIT_INSN_INFO, 2 << 7 | 1 << 22 | 2 << 15);
	mock_exit(XR_VMXON, 0);
	assert_int_equal(injected() & 0xff, XV_SS);
	/* The region: alignment, width, revision. */
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON + 8).what, FAIL_INVALID);
	assert_int_equal(mock_vmx(XR_VMXON, 1ull << 60).what, FAIL_INVALID);
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON).what, FAIL_INVALID);
	mock_write(G_VMXON, NV_VMCS12_REV);
	assert_int_equal(mock_vmx(XR_VMXON, G_VMXON).what, OK_);
}

static void pointers(void **state)
{
	u64 at;

	(void)state;
	mock_vmxon();
	assert_int_equal(mock_vmx(XR_VMPTRST, 0).what, OK_);
	assert_int_equal(mock_read(MOCK_OPERAND), G_VMCS);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMXON).error, VE_PTRLD_VMXON);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMCS2 + 1).error, VE_PTRLD_ADDR);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_FREE).error, VE_PTRLD_REV);
	assert_int_equal(mock_vmx(XR_VMPTRLD, 0x10000000).error, VE_PTRLD_REV);
	assert_int_equal(mock_vmx(XR_VMCLEAR, G_VMXON).error, VE_VMCLEAR_VMXON);
	assert_int_equal(mock_vmx(XR_VMCLEAR, 4).error, VE_VMCLEAR_ADDR);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMCS).what, OK_);
	/* Two VMCSs keep their values apart, and through VMCLEAR. */
	w(F_HOST_RSP, 111);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMCS2).what, OK_);
	w(F_HOST_RSP, 222);
	assert_int_equal(mock_vmx(XR_VMCLEAR, G_VMCS2).what, OK_);
	assert_int_equal(mock_vmread(ENC_HOST_RSP, &at).what, FAIL_INVALID);
	assert_int_equal(mock_vmwrite(ENC_HOST_RSP, 1).what, FAIL_INVALID);
	assert_int_equal(mock_vmx(XR_VMLAUNCH, 0).what, FAIL_INVALID);
	assert_int_equal(mock_vmx(XR_VMPTRST, 0).what, OK_);
	assert_int_equal(mock_read(MOCK_OPERAND), ~0ull);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMCS).what, OK_);
	assert_int_equal(r12(F_HOST_RSP), 111);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMCS2).what, OK_);
	assert_int_equal(r12(F_HOST_RSP), 222);
	/* What L1 scribbled into its page is cut to the fields' widths. */
	assert_int_equal(mock_vmx(XR_VMCLEAR, G_VMCS2).what, OK_);
	mock_write(G_VMCS2 + offsetof(struct nv_vmcs12, val) + 8 * F_VPID, ~0ull);
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_VMCS2).what, OK_);
	assert_int_equal(r12(F_VPID), 0xffff);
	assert_int_equal(mock_vmx(XR_VMXOFF, 0).what, OK_);
	assert_int_equal(mock_vmx(XR_VMXOFF, 0).error, XV_UD);
	assert_int_equal(mock_vmx(XR_VMFUNC, 0).error, XV_UD);
}

static void every_field(void **state)
{
	(void)state;
	mock_vmxon();
	for (int f = 0; f < NV_NFIELDS; f++) {
		u64 val = 0, enc = nv_fields[f].enc, mask = nv_enc_width((u32)enc) == NV_W16 ? 0xffff : nv_enc_width((u32)enc) == NV_W32 ? 0xffffffff : ~0ull;

		if (!nv_field_offered(f)) {
			assert_int_equal(mock_vmread(enc, &val).error, VE_FIELD);
			continue;
		}
		assert_int_equal(mock_vmwrite(enc, 0x123456789abcdef0 + (u64)f).what, OK_);
		assert_int_equal(mock_vmread(enc, &val).what, OK_);
		assert_int_equal(val, (0x123456789abcdef0 + (u64)f) & mask);
		/* What L1 then does through its shadow VMCS is seen by VMREAD and VMLAUNCH. */
		if (nv_fields[f].shadow == NV_S_RW) {
			((u64 *)M.v.shadow.region)[f] = 7;
			assert_int_equal(r12((enum nv_field)f), 7);
		}
		if (nv_enc_width((u32)enc) == NV_W64) {
			assert_int_equal(mock_vmwrite(enc | 1, 0xaaaabbbb).what, OK_);
			assert_int_equal(mock_vmread(enc | 1, &val).what, OK_);
			assert_int_equal(val, 0xaaaabbbb);
		}
	}
	/* Memory forms, and a VMREAD into nothing. */
	M.v.regs[R_RCX] = ENC_HOST_RSP;
	M.v.regs[R_RAX] = G_FREE;
	mock_hw(F_EXIT_INSN_INFO, 2 << 7 | 1 << 22 | 3 << 15 | R_RCX << 28);
	mock_exit(XR_VMREAD, 8);
	assert_int_equal(mock_read(G_FREE + 8), V12(&M.v, HOST_RSP));
	mock_write(G_FREE, 0x5555);
	mock_exit(XR_VMWRITE, 0);
	assert_int_equal(V12(&M.v, HOST_RSP), 0x5555);
	M.v.regs[R_RAX] = 0x700000000000;
	mock_exit(XR_VMREAD, 0);
	assert_int_equal(injected() & 0xff, XV_PF);
	mock_exit(XR_VMWRITE, 0);
	assert_int_equal(injected() & 0xff, XV_PF);
}

static void launch_state(void **state)
{
	(void)state;
	good();
	assert_int_equal(mock_vmx(XR_VMRESUME, 0).error, VE_RESUME_NOT_LAUNCHED);
	mock_hw(F_GUEST_INTERRUPTIBILITY, INTR_MOV_SS);
	assert_int_equal(mock_vmx(XR_VMLAUNCH, 0).error, VE_MOV_SS);
	mock_hw(F_GUEST_INTERRUPTIBILITY, 0);
	assert_true(mock_launch());
	mock_exit(XR_CPUID, 0);
	reflected(XR_CPUID);
	assert_int_equal(mock_vmx(XR_VMLAUNCH, 0).error, VE_LAUNCH_NOT_CLEAR);
	assert_int_equal(r12(F_INSN_ERROR), VE_LAUNCH_NOT_CLEAR);
	assert_true(mock_resume());
}

static void state_goes_both_ways(void **state)
{
	(void)state;
	good();
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_SAVE_DEBUG);
	assert_true(mock_launch());
	assert_int_equal(mock_hw_get(F_GUEST_RIP), 0x2000);
	/* L2 changes everything it can. */
	mock_hw(F_GUEST_RIP, 0x2468);
	mock_hw(F_GUEST_RSP, 0x1357);
	mock_hw(F_GUEST_RFLAGS, 0x246);
	mock_hw(F_GUEST_FS_BASE, 0x7777);
	mock_hw(F_GUEST_GDTR_LIMIT, 0x111);
	mock_hw(F_GUEST_CR0, mock_hw_get(F_GUEST_CR0) | C0_TS);
	mock_hw(F_GUEST_DR7, 0x455);
	mock_hw(F_GUEST_PAT, 0x606);
	mock_hw(F_EXIT_INSN_LEN, 2);
	mock_exit(XR_CPUID, 0);
	reflected(XR_CPUID);
	assert_int_equal(r12(F_GUEST_RIP), 0x2468);
	assert_int_equal(r12(F_GUEST_RSP), 0x1357);
	assert_int_equal(r12(F_GUEST_RFLAGS), 0x246);
	assert_int_equal(r12(F_EXIT_INSN_LEN), 2);
	assert_int_equal(r12(F_GUEST_FS_BASE), 0x7777);
	assert_int_equal(r12(F_GUEST_GDTR_LIMIT), 0x111);
	assert_int_equal(r12(F_GUEST_CR0), 0x80000031 | C0_TS);
	assert_int_equal(r12(F_GUEST_DR7), 0x455);
	/* Not saved, as the controls say. */
	assert_int_equal(r12(F_GUEST_PAT), 0);
	/* L1's own, from the host area. */
	assert_int_equal(mock_hw_get(F_GUEST_CS_SEL), 8);
	assert_int_equal(mock_hw_get(F_GUEST_CS_AR), 0xa09b);
	assert_int_equal(mock_hw_get(F_GUEST_FS_AR), 0x10000);
	assert_int_equal(mock_hw_get(F_GUEST_RFLAGS), 2);
	assert_int_equal(mock_hw_get(F_GUEST_DR7), 0x400);
	assert_int_equal(nv_guest_efer(&M.v), EF_LMA | EF_LME | EF_NX);
	/* A new host field is used at the next exit. */
	w(F_HOST_GS_BASE, 0x4242);
	w(F_GUEST_FS_BASE, 0x8888);
	assert_true(mock_resume());
	assert_int_equal(mock_hw_get(F_GUEST_FS_BASE), 0x8888);
	assert_int_equal(mock_hw_get(F_GUEST_GDTR_LIMIT), 0x111);
	mock_exit(XR_VMCALL, 0);
	assert_int_equal(mock_hw_get(F_GUEST_GS_BASE), 0x4242);
}

/* One bit of a control decides who gets an exit. */
static const struct {
	u32 reason;
	enum nv_field field;
	u64 bit;
} by_control[] = {
	{ XR_HLT, F_CPU_CTL, CPU_HLT }, { XR_INVLPG, F_CPU_CTL, CPU_INVLPG }, { XR_RDPMC, F_CPU_CTL, CPU_RDPMC },
	{ XR_RDTSC, F_CPU_CTL, CPU_RDTSC }, { XR_RDTSCP, F_CPU_CTL, CPU_RDTSC }, { XR_DR, F_CPU_CTL, CPU_MOV_DR },
	{ XR_MWAIT, F_CPU_CTL, CPU_MWAIT }, { XR_MONITOR, F_CPU_CTL, CPU_MONITOR },
	{ XR_PAUSE, F_CPU_CTL, CPU_PAUSE }, { XR_TPR_BELOW, F_CPU_CTL, CPU_TPR_SHADOW }, { XR_GDTR_IDTR, F_CPU2_CTL, CPU2_DESC },
	{ XR_LDTR_TR, F_CPU2_CTL, CPU2_DESC }, { XR_WBINVD, F_CPU2_CTL, CPU2_WBINVD }, { XR_RDRAND, F_CPU2_CTL, CPU2_RDRAND },
	{ XR_RDSEED, F_CPU2_CTL, CPU2_RDSEED }, { XR_INTR_WINDOW, F_CPU_CTL, CPU_INTR_WINDOW },
};

static void controls_decide(void **state)
{
	(void)state;
	l2();
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(by_control); i++) {
		u64 *ctl = &M.v.n->val12[by_control[i].field], before = *ctl;

		*ctl = before | by_control[i].bit;
		assert_true(nv_l1_wants(&M.v, by_control[i].reason));
		*ctl = before & ~by_control[i].bit;
		assert_false(nv_l1_wants(&M.v, by_control[i].reason));
		*ctl = before;
	}
	assert_true(nv_l0_wants(&M.v, XR_INTR_WINDOW));
	assert_true(nv_l0_wants(&M.v, XR_NMI_WINDOW));
	assert_false(nv_l1_wants(&M.v, XR_NMI_WINDOW));
	V12(&M.v, CPU2_CTL) |= CPU2_INVPCID;
	assert_false(nv_l1_wants(&M.v, XR_INVPCID));
	V12(&M.v, CPU_CTL) |= CPU_INVLPG;
	assert_true(nv_l1_wants(&M.v, XR_INVPCID));
	/* Always L1's. */
	assert_true(nv_l1_wants(&M.v, XR_CPUID) && nv_l1_wants(&M.v, XR_TASK) && nv_l1_wants(&M.v, XR_VMCALL) && nv_l1_wants(&M.v, XR_TRIPLE));
	/* Always L0's. */
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_NMI, 2));
	M.v.vmcs02.valid[0] = 0;
	assert_true(nv_l0_wants(&M.v, XR_EXC_NMI) && nv_l0_wants(&M.v, XR_EXT_INT));
}

static bool cr_wanted(u64 qual, u64 val)
{
	mock_hw(F_EXIT_QUAL, qual);
	M.v.vmcs02.valid[0] = 0;
	M.v.regs[R_RDX] = val;
	return nv_l1_wants(&M.v, XR_CR);
}

static void cr_and_msr_exits(void **state)
{
	(void)state;
	l2();
	V12(&M.v, CR0_MASK) = C0_TS | C0_PE;
	V12(&M.v, CR0_SHADOW) = C0_TS;
	V12(&M.v, CR4_MASK) = C4_PGE;
	assert_true(cr_wanted(0 | R_RDX << 8, 0));
	assert_false(cr_wanted(0 | R_RDX << 8, C0_TS | C0_WP));
	assert_true(cr_wanted(4 | R_RDX << 8, C4_PGE));
	assert_false(cr_wanted(4 | R_RDX << 8, C4_DE));
	assert_true(cr_wanted(2 << 4, 0)); /* CLTS */
	assert_true(cr_wanted(3 << 4 | 0 << 16, 0)); /* LMSW clearing TS */
	assert_true(cr_wanted(3 << 4 | 9ull << 16, 0)); /* LMSW setting PE */
	assert_false(cr_wanted(3 << 4 | 8ull << 16, 0));
	assert_false(cr_wanted(3 | R_RDX << 8, 5));
	V12(&M.v, CPU_CTL) |= CPU_CR3_LOAD | CPU_CR3_STORE | CPU_CR8_LOAD | CPU_CR8_STORE;
	V12(&M.v, CR3_TARGET_COUNT) = 2;
	V12(&M.v, CR3_TARGET1) = 5;
	assert_false(cr_wanted(3 | R_RDX << 8, 5));
	assert_true(cr_wanted(3 | R_RDX << 8, 6));
	assert_true(cr_wanted(3 | 1 << 4 | R_RDX << 8, 0));
	assert_true(cr_wanted(8 | R_RDX << 8, 0));
	assert_true(cr_wanted(8 | 1 << 4 | R_RDX << 8, 0));
	/* MSRs: no bitmap, bitmap, outside of its ranges, no memory behind it. */
	M.v.regs[R_RCX] = M_STAR;
	assert_true(nv_l1_wants(&M.v, XR_RDMSR));
	V12(&M.v, CPU_CTL) |= CPU_MSR_BITMAPS;
	V12(&M.v, MSR_BITMAP) = G_MSRMAP;
	assert_false(nv_l1_wants(&M.v, XR_RDMSR));
	M.ram[G_MSRMAP + 1024 + 0x81 / 8] = 1 << 1;
	assert_true(nv_l1_wants(&M.v, XR_RDMSR));
	assert_false(nv_l1_wants(&M.v, XR_WRMSR));
	M.ram[G_MSRMAP + 3072 + 0x81 / 8] = 1 << 1;
	assert_true(nv_l1_wants(&M.v, XR_WRMSR));
	M.v.regs[R_RCX] = 0x40000000;
	assert_true(nv_l1_wants(&M.v, XR_WRMSR));
	V12(&M.v, MSR_BITMAP) = 0x10000000;
	assert_true(nv_l1_wants(&M.v, XR_RDMSR));
}

static void exceptions_by_bitmap(void **state)
{
	(void)state;
	good();
	w(F_EXCEPTION_BITMAP, 1 << XV_UD | 1 << XV_PF);
	w(F_PFEC_MASK, PF_W);
	w(F_PFEC_MATCH, PF_W);
	assert_true(mock_launch());
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_UD));
	mock_exit(XR_EXC_NMI, 0);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_INTR_INFO), INFO_MAKE(EV_HW_EXC, XV_UD));
	assert_true(mock_resume());
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	mock_hw(F_EXIT_INTR_ERR, PF_W);
	mock_exit(XR_EXC_NMI, 0x1234);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_QUAL), 0x1234);
	assert_int_equal(r12(F_EXIT_INTR_ERR), PF_W);
	assert_true(mock_resume());
	/* The error code does not match: L2's own. */
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	mock_hw(F_EXIT_INTR_ERR, 0);
	mock_exit(XR_EXC_NMI, 0x5678);
	assert_true(M.v.in_l2);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_PF) | INFO_ERR);
	assert_int_equal(M.v.cr2, 0x5678);
	/* #DB and #AC, which L0 intercepts, reach the guest. */
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_DB));
	mock_exit(XR_EXC_NMI, 0x4000);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_DB));
	assert_int_equal(M.dr[6], 0x4000);
	/* The host's NMI and machine check are not the guest's. */
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_NMI, XV_NMI));
	mock_exit(XR_EXC_NMI, 0);
	assert_false(injected() & INFO_VALID);
	mock_exit(XR_TRIPLE, 0);
	reflected(XR_TRIPLE);
}

static void interrupts_for_l1(void **state)
{
	(void)state;
	l2();
	/* L1 does not intercept: into L2, when it is open. */
	assert_int_equal(nv_queue_interrupt(&M.v, 0x30), 0);
	assert_int_equal(nv_queue_interrupt(&M.v, 0x31), -EEXIST);
	mock_exit(XR_EXT_INT, 0);
	assert_true(M.v.in_l2);
	assert_false(injected() & INFO_VALID);
	assert_false(nv_if_flag(&M.v));
	assert_true(mock_hw_get(F_CPU_CTL) & CPU_INTR_WINDOW);
	mock_hw(F_GUEST_RFLAGS, FL_IF | 2);
	mock_exit(XR_INTR_WINDOW, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_EXT, 0x30));
	assert_false(mock_hw_get(F_CPU_CTL) & CPU_INTR_WINDOW);
	mock_exit(XR_VMCALL, 0);
	reflected(XR_VMCALL);
	/* L1 intercepts: a VM exit, with and without acknowledge. */
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT | PIN_NMI | PIN_VNMI);
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_ACK);
	assert_true(mock_resume());
	assert_true(nv_irq_ready(&M.v));
	mock_hw(F_GUEST_RFLAGS, 2);
	mock_exit(XR_EXT_INT, 0);
	assert_true(nv_if_flag(&M.v));
	nv_queue_interrupt(&M.v, 0x41);
	mock_exit(XR_EXT_INT, 0);
	reflected(XR_EXT_INT);
	assert_int_equal(r12(F_EXIT_INTR_INFO), INFO_MAKE(EV_EXT, 0x41));
	assert_false(M.v.n->ev.irq);
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) & ~EXIT_ACK);
	assert_true(mock_resume());
	nv_queue_interrupt(&M.v, 0x42);
	mock_exit(XR_EXT_INT, 0);
	reflected(XR_EXT_INT);
	assert_false(r12(F_EXIT_INTR_INFO) & INFO_VALID);
	assert_true(M.v.n->ev.irq);
	/* Then it is L1's, which has interrupts off. */
	assert_true(mock_hw_get(F_CPU_CTL) & CPU_INTR_WINDOW);
	M.v.n->ev.irq = false;
	assert_true(mock_resume());
	nv_queue_nmi(&M.v);
	mock_exit(XR_EXT_INT, 0);
	reflected(XR_EXC_NMI);
	assert_int_equal(r12(F_EXIT_INTR_INFO), INFO_MAKE(EV_NMI, 2));
	assert_true(mock_hw_get(F_GUEST_INTERRUPTIBILITY) & INTR_NMI);
	/* A second NMI waits for the window. */
	nv_queue_nmi(&M.v);
	mock_exit(XR_EXT_INT, 0);
	assert_true(mock_hw_get(F_CPU_CTL) & CPU_NMI_WINDOW);
	mock_hw(F_GUEST_INTERRUPTIBILITY, 0);
	mock_exit(XR_NMI_WINDOW, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_NMI, 2));
}

static void injection_comes_first(void **state)
{
	(void)state;
	good();
	w(F_PIN_CTL, 0x16 | PIN_EXT_INT | PIN_PREEMPT);
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_ACK | EXIT_SAVE_PREEMPT);
	w(F_PREEMPT_TIMER, 5000);
	w(F_ENTRY_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	w(F_ENTRY_EXC_ERR, 0x18);
	nv_queue_interrupt(&M.v, 0x55);
	assert_true(mock_launch());
	/* L2 is entered with L1's injection, and comes straight back. */
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	assert_int_equal(mock_hw_get(F_ENTRY_EXC_ERR), 0x18);
	assert_true(mock_hw_get(F_PIN_CTL) & PIN_PREEMPT);
	assert_int_equal(mock_hw_get(F_PREEMPT_TIMER), 0);
	mock_exit(XR_PREEMPT, 0);
	reflected(XR_EXT_INT);
	assert_int_equal(r12(F_EXIT_INTR_INFO), INFO_MAKE(EV_EXT, 0x55));
	assert_int_equal(r12(F_PREEMPT_TIMER), 5000);
	assert_false(r12(F_ENTRY_INTR_INFO) & INFO_VALID);
	/* An exit in the middle of delivery tells L1 what was being delivered. */
	w(F_ENTRY_INTR_INFO, INFO_MAKE(EV_SW_INT, 0x80));
	w(F_ENTRY_INSN_LEN, 2);
	assert_true(mock_resume());
	assert_int_equal(mock_hw_get(F_ENTRY_INSN_LEN), 2);
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_SW_INT, 0x80));
	mock_hw(F_EXIT_INSN_LEN, 2);
	mock_exit(XR_TASK, 0);
	reflected(XR_TASK);
	assert_int_equal(r12(F_IDT_INFO), INFO_MAKE(EV_SW_INT, 0x80));
	/* One that L0 handles delivers it again. */
	assert_true(mock_resume());
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	mock_hw(F_IDT_ERR, 0x33);
	mock_hw(F_GUEST_PHYS, G_FREE);
	mock_exit(XR_EPT_VIOLATION, 1 | EPTQ_LINEAR);
	assert_true(M.v.in_l2);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	assert_int_equal(mock_hw_get(F_ENTRY_EXC_ERR), 0x33);
}

static void double_and_triple_faults(void **state)
{
	(void)state;
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_HW_EXC, XV_GP) | INFO_ERR);
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_NP) | INFO_ERR);
	mock_exit(XR_EXC_NMI, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_HW_EXC, XV_DF) | INFO_ERR);
	/* An interrupt under delivery waits while the exception goes first. */
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_EXT, 0x70));
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_AC) | INFO_ERR);
	mock_exit(XR_EXC_NMI, 0);
	assert_int_equal(injected() & 0xff, XV_AC);
	assert_true(M.v.n->ev.irq);
	assert_int_equal(M.v.n->ev.irq_vector, 0x70);
	M.v.n->ev.irq = false;
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_NMI, 2));
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_AC) | INFO_ERR);
	mock_exit(XR_EXC_NMI, 0);
	assert_true(M.v.n->ev.nmi);
	M.v.n->ev.nmi = false;
	mock_hw(F_GUEST_INTERRUPTIBILITY, INTR_NMI);
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_NMI, 2));
	mock_exit(XR_EXT_INT, 0);
	assert_int_equal(injected(), INFO_MAKE(EV_NMI, 2));
	assert_false(mock_hw_get(F_GUEST_INTERRUPTIBILITY) & INTR_NMI);
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_HW_EXC, XV_DF) | INFO_ERR);
	mock_hw(F_EXIT_INTR_INFO, INFO_MAKE(EV_HW_EXC, XV_SS) | INFO_ERR);
	assert_int_equal(mock_exit(XR_EXC_NMI, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_SHUTDOWN);
}

static void msr_lists(void **state)
{
	(void)state;
	good();
	w(F_EXIT_STORE_COUNT, 1);
	w(F_EXIT_STORE_ADDR, G_LIST + 0x100);
	mock_write(G_LIST + 0x100, M_STAR + 1);
	w(F_EXIT_LOAD_COUNT, 1);
	w(F_EXIT_LOAD_ADDR, G_LIST + 0x200);
	mock_write(G_LIST + 0x200, M_STAR + 2);
	mock_write(G_LIST + 0x208, 0x99);
	M.guest_msr[1] = 0x77;
	assert_true(mock_launch());
	mock_exit(XR_CPUID, 0);
	assert_int_equal(mock_read(G_LIST + 0x108), 0x77);
	assert_int_equal(M.guest_msr[2], 0x99);
	/* The second of two entries is not allowed. */
	w(F_ENTRY_LOAD_COUNT, 2);
	w(F_ENTRY_LOAD_ADDR, G_LIST);
	mock_write(G_LIST, M_STAR);
	mock_write(G_LIST + 16, 0x808);
	assert_false(mock_resume());
	assert_int_equal(V12(&M.v, EXIT_REASON), XR_MSR_LOAD | XR_FAILED_ENTRY);
	assert_int_equal(V12(&M.v, EXIT_QUAL), 2);
	/* A count beyond the maximum fails where it goes over. */
	for (u64 i = 0; i < 256; i++)
		mock_write(G_LIST + i * 16, M_STAR);
	for (u64 i = 0; i < 256; i++)
		mock_write(G_LIST + 0x1000 + i * 16, M_STAR);
	w(F_ENTRY_LOAD_COUNT, 0x1000);
	mock_write(G_LIST + 0x2000, M_STAR);
	assert_false(mock_resume());
	assert_int_equal(V12(&M.v, EXIT_QUAL), 513);
	w(F_ENTRY_LOAD_COUNT, 0);
	assert_true(mock_resume());
	/* A load list that fails at the exit is a VMX abort: L1 is shut down, with the reason in its VMCS. */
	mock_write(G_LIST + 0x200, M_FS_BASE);
	assert_int_equal(mock_exit(XR_CPUID, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_SHUTDOWN);
	assert_int_equal(mock_read(G_VMCS) >> 32, VA_LOAD_MSR);
	assert_int_equal(mock_enter(), NV_USER);
}

static void hardware_refuses(void **state)
{
	(void)state;
	l2();
	/* A check the core does not have: the CPU's verdict is L1's. */
	mock_exit(XR_INVALID_GUEST | XR_FAILED_ENTRY, 4);
	reflected(XR_INVALID_GUEST | XR_FAILED_ENTRY);
	assert_int_equal(r12(F_EXIT_QUAL), 4);
	assert_true(mock_resume());
	assert_int_equal(nv_handle_exit(&M.v, true), NV_RESUME);
	assert_false(M.v.in_l2);
	mock_enter();
	assert_int_equal(mock_last().what, FAIL_VALID);
	assert_int_equal(mock_last().error, VE_CONTROLS);
	/* Of vmcs01 it is the VMM's. */
	assert_int_equal(mock_exit(XR_INVALID_GUEST | XR_FAILED_ENTRY, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_FAIL_ENTRY);
}

static void shadow_vmcs_for_l2(void **state)
{
	(void)state;
	good();
	w(F_CPU2_CTL, CPU2_EPT | CPU2_SHADOW_VMCS);
	w(F_VMREAD_BITMAP, G_VMREAD);
	w(F_VMWRITE_BITMAP, G_VMWRITE);
	mock_write(G_SHADOW, NV_VMCS12_REV | NV_VMCS12_SHADOW);
	w(F_VMCS_LINK, G_SHADOW);
	M.ram[G_VMREAD + ENC_HOST_RIP / 8] = 1 << ENC_HOST_RIP % 8;
	assert_true(mock_launch());
	M.v.regs[R_RCX] = ENC_HOST_RSP;
	M.v.regs[R_RDX] = 0x1212;
	mock_hw(F_EXIT_INSN_INFO, 1 << 10 | R_RDX << 3 | R_RCX << 28);
	mock_exit(XR_VMWRITE, 0);
	assert_true(M.v.in_l2);
	assert_int_equal(mock_read(G_SHADOW + offsetof(struct nv_vmcs12, val) + 8 * F_HOST_RSP), 0x1212);
	M.v.regs[R_RDX] = 0;
	mock_exit(XR_VMREAD, 0);
	assert_int_equal(M.v.regs[R_RDX], 0x1212);
	M.v.regs[R_RCX] = ENC_TSC_OFFSET | 1;
	M.v.regs[R_RDX] = 0x33;
	mock_exit(XR_VMWRITE, 0);
	assert_int_equal(mock_read(G_SHADOW + offsetof(struct nv_vmcs12, val) + 8 * F_TSC_OFFSET), 0x3300000000);
	/* No such field: VMfail, recorded in the current VMCS. */
	M.v.regs[R_RCX] = 0x7ffe;
	mock_exit(XR_VMREAD, 0);
	assert_true(mock_hw_get(F_GUEST_RFLAGS) & FL_ZF);
	assert_int_equal(V12(&M.v, INSN_ERROR), VE_FIELD);
	/* CPL 3: #GP. */
	M.v.regs[R_RCX] = ENC_HOST_RSP;
	mock_hw(F_GUEST_SS_AR, 0xc0f3);
	mock_exit(XR_VMREAD, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	mock_hw(F_GUEST_SS_AR, 0xc093);
	/* The bitmap says so: L1's. */
	M.v.regs[R_RCX] = ENC_HOST_RIP;
	mock_exit(XR_VMREAD, 0);
	reflected(XR_VMREAD);
	/* A shadow VMCS can be current, but not launched. */
	assert_int_equal(mock_vmx(XR_VMPTRLD, G_SHADOW).what, OK_);
	assert_int_equal(mock_vmx(XR_VMLAUNCH, 0).what, FAIL_INVALID);
	assert_int_equal(r12(F_HOST_RSP), 0x1212);
}

static void posted_interrupts(void **state)
{
	(void)state;
	good();
	w(F_PIN_CTL, 0x16 | PIN_POSTED | PIN_EXT_INT);
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_TPR_SHADOW);
	w(F_VIRT_APIC, G_VAPIC);
	w(F_CPU2_CTL, CPU2_EPT | CPU2_VID | CPU2_APIC_REG | CPU2_APIC_ACCESS);
	w(F_APIC_ACCESS, G_APIC);
	w(F_EXIT_CTL, V12(&M.v, EXIT_CTL) | EXIT_ACK);
	w(F_POSTED_NV, 0xf2);
	w(F_PI_DESC, G_PI + 64);
	w(F_EOI_EXIT0, 0x11);
	assert_true(mock_launch());
	assert_int_equal(mock_hw_get(F_EOI_EXIT0), 0x11);
	assert_int_equal(mock_hw_get(F_APIC_ACCESS), mock_hpa(G_APIC));
	mock_write(G_PI + 64 + 8, 1ull << 35); /* vector 99 */
	mock_write(G_PI + 64 + 32, 1); /* ON */
	nv_queue_interrupt(&M.v, 0xf2);
	mock_exit(XR_EXT_INT, 0);
	assert_true(M.v.in_l2);
	assert_int_equal(mock_hw_get(F_GUEST_INTR_STATUS), 99);
	assert_int_equal(mock_read(G_PI + 64 + 8), 0);
	assert_int_equal(mock_read(G_PI + 64 + 32), 0);
	assert_int_equal(mock_read(G_VAPIC + 0x230) & 0xffffffff, 1 << 3);
	mock_exit(XR_EOI, 0);
	reflected(XR_EOI);
	assert_int_equal(r12(F_GUEST_INTR_STATUS), 99);
	/* Memory that the VMM unmaps is let go while L2 runs, and found again. */
	assert_true(mock_resume());
	nv_vm_unpin(&M.vm);
	mock_exit(XR_EXT_INT, 0);
	assert_true(M.v.in_l2);
	assert_int_equal(M.pins[G_VAPIC / 4096], 1);
	mock_exit(XR_APIC_WRITE, 0);
	/* A page that is not there costs the feature, not the host. */
	w(F_VIRT_APIC, 0x20000000);
	w(F_APIC_ACCESS, 0x20000000);
	assert_true(mock_resume());
	assert_false(mock_hw_get(F_CPU_CTL) & CPU_TPR_SHADOW);
	assert_false(mock_hw_get(F_CPU2_CTL) & (CPU2_APIC_ACCESS | CPU2_VID));
}

static void tsc(void **state)
{
	(void)state;
	nv_set_tsc_offset(&M.v, 1000);
	good();
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) | CPU_TSC_OFFSET);
	w(F_TSC_OFFSET, 50);
	assert_true(mock_launch());
	assert_int_equal(mock_hw_get(F_TSC_OFFSET), 1050);
	mock_exit(XR_CPUID, 0);
	w(F_CPU2_CTL, CPU2_EPT | CPU2_TSC_SCALING);
	w(F_TSC_MULT, 2ull << 48);
	assert_true(mock_resume());
	assert_int_equal(mock_hw_get(F_TSC_OFFSET), 2050);
	assert_int_equal(mock_hw_get(F_TSC_MULT), 2ull << 48);
	mock_exit(XR_CPUID, 0);
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) & ~CPU_TSC_OFFSET);
	assert_true(mock_resume());
	assert_int_equal(mock_hw_get(F_TSC_OFFSET), 1000);
	assert_false(mock_hw_get(F_CPU2_CTL) & CPU2_TSC_SCALING);
}

static void optional_state(void **state)
{
	(void)state;
	good();
	mock_hw(F_GUEST_DR7, 0x477);
	assert_int_equal(nv_set_msr(&M.v, M_PAT, 0x0606, false), 0);
	w(F_ENTRY_CTL, 0x11fb | ENTRY_IA32E);
	w(F_EXIT_CTL, (nv_caps.l1[CAP_TRUE_EXIT] & 0xffffffff) | EXIT_HOST64 | EXIT_LOAD_PAT);
	w(F_HOST_PAT, 0x0101);
	assert_true(mock_launch());
	assert_int_equal(mock_hw_get(F_GUEST_DR7), 0x477);
	assert_int_equal(mock_hw_get(F_GUEST_PAT), 0x0606);
	assert_int_equal(mock_hw_get(F_GUEST_EFER), EF_LME | EF_LMA | EF_NX | EF_SCE);
	mock_hw(F_GUEST_EFER, EF_LME | EF_LMA);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(mock_hw_get(F_GUEST_PAT), 0x0101);
	assert_int_equal(mock_hw_get(F_GUEST_EFER), EF_LME | EF_LMA);
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) & ~CPU_SECONDARY);
	w(F_ENTRY_CTL, 0x11fb);
	w(F_GUEST_CS_AR, 0xc09b);
	w(F_GUEST_CR3, G_PT + 0x3000);
	assert_true(mock_resume());
	assert_int_equal(mock_hw_get(F_GUEST_EFER) & EF_LMA, 0);
	mock_exit(XR_CPUID, 0);
	assert_false(r12(F_ENTRY_CTL) & ENTRY_IA32E);
	/* Bad PDPTEs in memory: failed entry with its own qualification. */
	mock_write(G_PT + 0x3000, 7);
	assert_false(mock_resume());
	assert_int_equal(V12(&M.v, EXIT_QUAL), EQ_PDPTE);
}

/* L2 halts where L1 lets it: L1's timer may end that, so the CPU halts; without a timer user space waits for an event. */
static void halt_under_the_timer(void **state)
{
	(void)state;
	good();
	w(F_CPU_CTL, V12(&M.v, CPU_CTL) & ~CPU_HLT);
	w(F_PIN_CTL, 0x16 | PIN_PREEMPT);
	w(F_PREEMPT_TIMER, 5000);
	assert_true(mock_launch());
	mock_hw(F_EXIT_INSN_LEN, 1);
	assert_int_equal(mock_exit(XR_HLT, 0), NV_RESUME);
	assert_int_equal(mock_hw_get(F_GUEST_ACTIVITY), ACT_HLT);
	assert_int_equal(mock_hw_get(F_GUEST_RIP), 0x2001);
	mock_exit(XR_PREEMPT, 0);
	reflected(XR_PREEMPT);
	assert_int_equal(r12(F_GUEST_ACTIVITY), ACT_HLT);
	w(F_GUEST_ACTIVITY, 0);
	w(F_PIN_CTL, 0x16);
	assert_true(mock_resume());
	mock_hw(F_EXIT_INSN_LEN, 1);
	assert_int_equal(mock_exit(XR_HLT, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_HLT);
	assert_true(M.v.in_l2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(vmx_faults_in_order), T(pointers), T(every_field), T(launch_state), T(state_goes_both_ways), T(controls_decide),
		T(cr_and_msr_exits), T(exceptions_by_bitmap), T(interrupts_for_l1), T(injection_comes_first),
		T(double_and_triple_faults), T(msr_lists), T(hardware_refuses), T(shadow_vmcs_for_l2), T(posted_interrupts), T(tsc),
		T(optional_state), T(halt_under_the_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
