// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A hostile L1 and L2 over the mock machine: instruction sequences, vmcs12 contents, EPT12 trees, memory that goes away, state that
 * user space sets. The mock aborts when a rule is broken: host state not L0's at an entry, a page L1 does not own in a table, a
 * table that is lost or shared, a pin or a page leaked; nested.c knows which translations L2 may have.
 */
#include <stdlib.h>

#include "nested.h"

static int l2_exit(void)
{
	static const u8 reasons[] = { XR_EXC_NMI, XR_EXT_INT, XR_TRIPLE, XR_INTR_WINDOW, XR_NMI_WINDOW, XR_TASK, XR_CPUID, XR_HLT, XR_INVLPG, XR_RDTSC,
				      XR_VMCALL, XR_CR, XR_DR, XR_IO, XR_RDMSR, XR_WRMSR, XR_MTF, XR_PAUSE, XR_EPT_VIOLATION, XR_EPT_MISCONFIG, XR_PREEMPT,
				      XR_XSETBV, XR_VMREAD, XR_VMWRITE, XR_APIC_WRITE, XR_EOI, XR_INVALID_GUEST };
	u32 reason = reasons[byte() % NV_ARRAY_SIZE(reasons)];
	u64 qual = value();

	mock_hw(F_EXIT_INTR_INFO, (u32)value());
	mock_hw(F_EXIT_INTR_ERR, byte());
	if (byte() & 1)
		mock_hw(F_IDT_INFO, (u32)value());
	mock_hw(F_EXIT_INSN_INFO, (u32)value());
	mock_hw(F_EXIT_INSN_LEN, byte() & 15);
	mock_hw(F_GUEST_PHYS, value());
	mock_hw(F_GUEST_LINEAR, value());
	mock_hw(F_GUEST_RFLAGS, (value() & 0x3f7fd5) | 2);
	M.v.regs[byte() & 15] = value();
	return mock_exit(byte() < 8 ? reason | XR_FAILED_ENTRY : reason, qual);
}

static void access_memory(void)
{
	u64 gpa = byte() & 1 ? G_FREE + ((u64)byte() << 12) : value();

	mock_l2_access(gpa & 0xffffffffffffull, 1u << byte() % 3);
}

static struct nv_nested_state state;
static bool have_state; /* of this run */

static int run(void)
{
	u64 a;
	int f;

	if (!M.entered) {
		/* It waits in HLT, or for user space: an event, and another try; not for ever. */
		(void)byte();
		nv_queue_nmi(&M.v);
		return mock_enter();
	}
	switch (byte() % 16) {
	case 0: /* any operand form */
		if (M.v.in_l2)
			return 0;
		mock_hw(F_EXIT_INSN_INFO, (u32)value());
		mock_hw(F_EXIT_INSN_LEN, 1 + byte() % 15);
		M.v.regs[byte() & 15] = value();
		mock_write(MOCK_OPERAND, value());
		return mock_exit(byte() & 8 ? XR_INVEPT + (byte() & 1) * (XR_INVVPID - XR_INVEPT) : XR_VMCLEAR + byte() % 9, byte() & 1 ? MOCK_OPERAND : value());
	case 1: /* any VMX instruction by L1 */
		if (!M.v.in_l2)
			mock_vmx(XR_VMCLEAR + byte() % 9, address());
		return 0;
	case 2:
	case 3:
	case 4:
		f = byte() % NV_NFIELDS;
		if (!M.v.in_l2)
			mock_vmwrite(nv_fields[f].enc | (byte() & 1), value());
		return 0;
	case 5:
		mock_ept_map(G_FREE + ((u64)byte() << 12 & 0xff000), address(), value());
		return 0;
	case 6:
		a = address();
		if (a <= MOCK_RAM - 8)
			mock_write(a, value());
		return 0;
	case 7:
		if (!M.v.in_l2 && M.v.n->vmxon)
			nested_invept(byte() & 3, V12(&M.v, EPTP));
		return 0;
	case 8:
		if (!M.v.in_l2)
			nested_invvpid(byte() & 7, value(), value());
		return 0;
	case 9:
		if (!M.v.in_l2)
			mock_vmx(byte() & 1 ? XR_VMLAUNCH : XR_VMRESUME, 0);
		return 0;
	case 10:
	case 11:
		return l2_exit();
	case 12:
		access_memory();
		return 0;
	case 13:
		if (byte() < 64)
			nested_fail();
		else if (byte() & 1)
			nv_queue_interrupt(&M.v, byte());
		else
			nv_queue_nmi(&M.v);
		return 0;
	case 14: /* the host takes a page, or gives it back */
		a = G_FREE + ((u64)byte() << 12 & 0xff000);
		M.gone[a / 4096] = !M.gone[a / 4096];
		M.seq++;
		nv_vm_zap(&M.vm, a, 4096);
		mock_invariants();
		return 0;
	default:
		if (byte() & 1) {
			have_state = nv_get_nested_state(&M.v, &state) == 0;
		} else if (have_state && !M.v.in_l2) {
			state.vmcs12[byte() * 5] ^= byte();
			state.flags ^= byte() & 1 ? byte() & 3 : 0;
			nv_set_nested_state(&M.v, &state);
		}
		return mock_enter();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int r = 0;
	u8 how;

	nested_input(data, size);
	how = byte();
	mock_reset();
	nested_params(how);
	M.large = how & 16;
	MOCK_CHECK(mock_start() == NV_RESUME);
	nested_start();
	have_state = false;
	mock_vmxon();
	mock_good_vmcs12();
	while (nested_more() && M.v.ux.type != NV_UX_SHUTDOWN && M.v.ux.type != NV_UX_FAIL_ENTRY) {
		r = run();
		nested_check();
		if (r < 0) {
			/* KVM_RUN failed: user space tries again. */
			r = mock_enter();
			nested_check();
		}
		if (r == NV_USER && M.v.ux.type != NV_UX_SHUTDOWN && M.v.ux.type != NV_UX_FAIL_ENTRY) {
			for (int i = 0; i < 8; i++)
				M.v.ux.io.data[i] = byte();
			r = nv_complete_io(&M.v);
			if (r >= 0)
				r = mock_enter();
		}
	}
	mock_invariants();
	mock_stop();
	return 0;
}
