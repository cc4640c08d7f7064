// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A hostile L1 and L2 over the mock machine: instruction sequences, vmcs12 contents, EPT12 trees, memory that goes away, state that
 * user space sets. The mock aborts when a rule is broken: host state not L0's at an entry, a page L1 does not own in a table, a
 * table that is lost or shared, a pin or a page leaked; and here: a translation that INVEPT should have ended.
 */
#include <stdlib.h>

#include "../core/mock.h"

static const u8 *in, *end;

static u8 byte(void)
{
	return in < end ? *in++ : 0;
}

static u64 word(void)
{
	u64 v = 0;

	for (int i = 0; i < 8; i++)
		v |= (u64)byte() << 8 * i;
	return v;
}

/* Addresses that mean something, and any. */
static u64 address(void)
{
	static const u64 known[] = { G_VMXON, G_VMCS, G_VMCS2, G_MSRMAP, G_IO_A, G_IO_B, G_VAPIC, G_APIC, G_PI, G_LIST, G_SHADOW, G_VMREAD,
				     G_VMWRITE, G_EPT, G_PT, G_FREE, MOCK_RAM - 4096, MOCK_RAM, MOCK_MMIO, ~0ull };
	u8 b = byte();

	if (b < 2 * NV_ARRAY_SIZE(known))
		return known[b / 2] + (b & 1 ? byte() : 0);
	return b < 128 ? (u64)b << 12 : word();
}

static u64 value(void)
{
	u8 b = byte();

	switch (b & 7) {
	case 0:
		return 0;
	case 1:
		return 1ull << (b >> 3 | (byte() << 5 & 32));
	case 2:
		return ~0ull;
	case 3:
		return byte();
	case 4:
		return address();
	case 5:
		return 0x80000000u | (u32)byte() | (u32)byte() << 8;
	default:
		return word();
	}
}

/* EPT12 as it stands, by a walk that shares nothing with the core's. Only plain cases; 0: not one. */
static u64 plain_ept12(u64 gpa)
{
	u64 e = V12(&M.v, EPTP);

	for (int level = 4; level >= 1; level--) {
		u64 at = (e & 0x000ffffffffff000ull) + 8 * (gpa >> (12 + 9 * (level - 1)) & 511);

		if (at > MOCK_RAM - 8)
			return 0;
		e = mock_read(at);
		if ((e & 7) != 7 || (level > 1 && (e & 0xf8)))
			return 0;
	}
	return (e & 0x000ffffffffff000ull) | (gpa & 4095);
}

static bool clean; /* INVEPT came after the last change of L1's memory */

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
	clean = false;
	return mock_exit(byte() < 8 ? reason | XR_FAILED_ENTRY : reason, qual);
}

static void access_memory(void)
{
	u64 gpa = byte() & 1 ? G_FREE + ((u64)byte() << 12) : value();
	u64 at = clean && M.v.in_l2 && nv_nested_ept(&M.v) ? plain_ept12(gpa & 0xffffffffffffull) : 0;
	u64 hpa = mock_l2_access(gpa & 0xffffffffffffull, 1u << byte() % 3);

	if (hpa && at)
		MOCK_CHECK(hpa == mock_hpa(at));
	if (!M.v.in_l2)
		clean = false;
}

static int run(void)
{
	static struct nv_nested_state state;
	static bool have_state;
	u64 a;
	int f;

	if (!M.entered) {
		/* It waits in HLT, or for user space: an event, and another try. */
		nv_queue_nmi(&M.v);
		return mock_enter();
	}
	switch (byte() % 16) {
	case 0:
	case 1: /* any VMX instruction by L1 */
		if (!M.v.in_l2)
			mock_vmx(XR_VMCLEAR + byte() % 9, address());
		clean = false;
		return 0;
	case 2:
	case 3:
	case 4:
		f = byte() % NV_NFIELDS;
		if (!M.v.in_l2)
			mock_vmwrite(nv_fields[f].enc | (byte() & 1), value());
		clean = false;
		return 0;
	case 5:
		mock_ept_map(G_FREE + ((u64)byte() << 12 & 0xff000), address(), value());
		clean = false;
		return 0;
	case 6:
		a = address();
		if (a <= MOCK_RAM - 8)
			mock_write(a, value());
		clean = false;
		return 0;
	case 7:
		if (!M.v.in_l2 && M.v.n->vmxon && mock_inv(XR_INVEPT, byte() & 3, V12(&M.v, EPTP), 0).what == OK_)
			clean = M.v.regs[R_RCX] == 2;
		return 0;
	case 8:
		if (!M.v.in_l2)
			mock_inv(XR_INVVPID, byte() & 7, value(), value());
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
		if (byte() & 1)
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
		clean = false;
		return mock_enter();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int r = 0;
	u8 how;

	in = data;
	end = data + size;
	how = byte();
	mock_reset();
	nv_params.shadow_vmcs = !(how & 1);
	nv_params.vpid = !(how & 2);
	nv_params.nested_ept = !(how & 4);
	nv_params.apicv = !(how & 8);
	MOCK_CHECK(mock_start() == NV_RESUME);
	clean = false;
	mock_vmxon();
	mock_good_vmcs12();
	while (in < end && r >= 0 && M.v.ux.type != NV_UX_SHUTDOWN && M.v.ux.type != NV_UX_FAIL_ENTRY) {
		r = run();
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
