// SPDX-License-Identifier: LGPL-2.1-or-later
/* What L0 does for the guest: CPUID, MSRs, control and debug registers, ports, devices in memory; and state for user space. */
#include <stdlib.h>

#include "run.h"

static int mov_to_cr(int cr, u64 val)
{
	M.v.regs[R_RDX] = val;
	mock_hw(F_EXIT_INSN_LEN, 3);
	return mock_exit(XR_CR, (u64)cr | R_RDX << 8);
}

static void control_registers(void **state)
{
	(void)state;
	assert_int_equal(mov_to_cr(0, C0_PE | C0_PG | C0_NE | C0_CD | C0_WP), NV_RESUME);
	assert_int_equal(nv_read_cr0_01(&M.v), C0_PE | C0_PG | C0_NE | C0_CD | C0_WP | C0_ET);
	assert_false(mock_hw_get(F_GUEST_CR0) & C0_CD);
	/* #GP: NW without CD, high bits, PG off in 64-bit mode is allowed only to compatibility mode. */
	mov_to_cr(0, C0_PE | C0_PG | C0_NE | C0_NW);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(0, 1ull << 40 | C0_PE | C0_PG);
	assert_int_equal(injected() & 0xff, XV_GP);
	/* Out of paging and back, with EFER.LME: LMA follows. */
	mov_to_cr(0, C0_PE | C0_NE | C0_CD);
	assert_false(nv_guest_efer(&M.v) & EF_LMA);
	assert_false(mock_hw_get(F_ENTRY_CTL) & ENTRY_IA32E);
	mock_hw(F_GUEST_CS_AR, 0xc09b);
	mov_to_cr(0, C0_PE | C0_PG | C0_NE | C0_CD);
	assert_true(nv_guest_efer(&M.v) & EF_LMA);
	assert_true(mock_hw_get(F_ENTRY_CTL) & ENTRY_IA32E);
	/* PAE: PDPTEs are loaded, and refused when reserved bits are set. */
	mov_to_cr(0, C0_PE | C0_NE | C0_CD);
	assert_int_equal(nv_set_msr(&M.v, M_EFER, 0, false), 0);
	mock_enter();
	mov_to_cr(0, C0_PE | C0_PG | C0_NE);
	assert_int_equal(injected() & 0xff, XV_GP);
	mock_write(G_PT, (G_PT + 0x1000) | PT_P);
	mov_to_cr(0, C0_PE | C0_PG | C0_NE);
	assert_false(injected() & INFO_VALID);
	assert_int_equal(mock_hw_get(F_GUEST_PDPTE0), (G_PT + 0x1000) | PT_P);
	mov_to_cr(4, C4_PAE | C4_PGE);
	mov_to_cr(4, 1ull << 30);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(4, C4_PKE | C4_PAE);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(2, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(8, 16);
	assert_int_equal(injected() & 0xff, XV_GP);
	M.v.cr8 = 9;
	mock_exit(XR_CR, 8 | 1 << 4 | R_RSP << 8);
	assert_int_equal(nv_get_rsp(&M.v), 9);
	mock_exit(XR_CR, 2 << 4);
	mock_exit(XR_CR, 3 << 4 | 0xaull << 16);
	assert_true(nv_read_cr0_01(&M.v) & C0_TS);
}

static void l2_control_registers(void **state)
{
	(void)state;
	good();
	w(F_CR0_MASK, C0_TS);
	w(F_CR0_SHADOW, C0_TS);
	w(F_CR4_MASK, C4_PGE);
	w(F_CR4_SHADOW, C4_PGE);
	assert_true(mock_launch());
	/* NE is L0's: L2 clears it in vain. CD is L0's too: L2 sees it, the hardware does not. */
	mov_to_cr(0, C0_PE | C0_PG | C0_TS | C0_ET);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(0, C0_PE | C0_PG | C0_NE | C0_CD | C0_TS | C0_ET);
	assert_true(M.v.in_l2);
	assert_false(mock_hw_get(F_GUEST_CR0) & (C0_CD | C0_TS));
	assert_int_equal(mock_hw_get(F_CR0_SHADOW), C0_PE | C0_PG | C0_NE | C0_CD | C0_TS | C0_ET);
	mov_to_cr(4, C4_PAE | C4_VMXE | C4_PGE | C4_MCE);
	assert_true(M.v.in_l2);
	assert_false(mock_hw_get(F_GUEST_CR4) & C4_PGE);
	mov_to_cr(4, C4_PAE | C4_PGE);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(0, C0_PE | C0_NE | C0_CD | C0_TS);
	assert_int_equal(injected() & 0xff, XV_GP);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(r12(F_GUEST_CR0), C0_PE | C0_PG | C0_NE | C0_CD | C0_ET);
	assert_int_equal(r12(F_GUEST_CR4), C4_PAE | C4_VMXE | C4_MCE);
}

static void debug_registers(void **state)
{
	(void)state;
	M.v.regs[R_RDX] = 0x1234;
	mock_exit(XR_DR, 1 | R_RDX << 8);
	assert_int_equal(M.dr[1], 0x1234);
	mock_exit(XR_DR, 1 | 1 << 4 | R_RAX << 8);
	assert_int_equal(M.v.regs[R_RAX], 0x1234);
	mock_exit(XR_DR, 7 | R_RDX << 8);
	assert_int_equal(nv_get_dr7(&M.v), 0x1634 & 0xffff2fff);
	mock_exit(XR_DR, 5 | 1 << 4 | R_RAX << 8);
	assert_int_equal(M.v.regs[R_RAX], nv_get_dr7(&M.v));
	M.v.regs[R_RDX] = 1ull << 32;
	mock_exit(XR_DR, 6 | R_RDX << 8);
	assert_int_equal(injected() & 0xff, XV_GP);
	mov_to_cr(4, C4_PAE | C4_VMXE | C4_DE);
	mock_hw(F_GUEST_CR4, mock_hw_get(F_GUEST_CR4) | C4_DE);
	mock_exit(XR_DR, 4 | 1 << 4);
	assert_int_equal(injected() & 0xff, XV_UD);
	mock_hw(F_GUEST_SS_AR, 0xc0f3);
	mock_exit(XR_DR, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	nv_set_dr7(&M.v, 0x55);
	assert_int_equal(nv_get_dr7(&M.v), 0x455);
}

static void msrs(void **state)
{
	static const struct {
		u32 msr;
		u64 good, bad;
	} rw[] = { { M_SYSENTER_CS, 8, 1ull << 32 }, { M_SYSENTER_ESP, 0x1000, 1ull << 47 }, { M_SYSENTER_EIP, 0x2000, 1ull << 50 },
		   { M_FS_BASE, 0x3000, 1ull << 48 }, { M_GS_BASE, 0xffff800000000000, 1ull << 63 }, { M_PAT, 0x0606, 0x0203 },
		   { M_DEBUGCTL, 2, 1 << 6 }, { M_APIC_BASE, 0xfee00900, 1 << 10 }, { M_EFER, EF_LME | EF_LMA | EF_NX, 1ull << 20 },
		   { M_STAR, 77, 0 }, { M_TSC_ADJUST, 5, 0 } };
	u64 val;

	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(rw); i++) {
		M.v.regs[R_RCX] = rw[i].msr;
		M.v.regs[R_RAX] = (u32)rw[i].good;
		M.v.regs[R_RDX] = rw[i].good >> 32;
		mock_exit(XR_WRMSR, 0);
		assert_false(injected() & INFO_VALID);
		M.v.regs[R_RAX] = M.v.regs[R_RDX] = 0;
		mock_exit(XR_RDMSR, 0);
		assert_int_equal(M.v.regs[R_RAX] | M.v.regs[R_RDX] << 32, rw[i].good);
		if (!rw[i].bad)
			continue;
		assert_int_equal(nv_set_msr(&M.v, rw[i].msr, rw[i].bad, false), -EINVAL);
	}
	M.v.regs[R_RCX] = 0x12345;
	mock_exit(XR_RDMSR, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	mock_exit(XR_WRMSR, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	for (u32 m = M_VMX_BASIC; m < M_VMX_BASIC + 17; m++) {
		assert_int_equal(nv_get_msr(&M.v, m, &val, false), 0);
		assert_int_equal(nv_set_msr(&M.v, m, val, false), -EINVAL);
		assert_int_equal(nv_set_msr(&M.v, m, val, true), 0);
	}
	assert_int_equal(nv_get_msr(&M.v, 0x802, &val, false), -EINVAL);
	assert_int_equal(nv_set_msr(&M.v, 0x802, 0, false), -EINVAL);
	assert_int_equal(nv_get_msr(&M.v, M_FEATURE_CONTROL, &val, false), 0);
	assert_int_equal(val, 5);
	assert_int_equal(nv_set_msr(&M.v, M_FEATURE_CONTROL, 5, false), -EINVAL);
	assert_int_equal(nv_set_msr(&M.v, M_FEATURE_CONTROL, 5, true), 0);
	assert_int_equal(nv_set_msr(&M.v, M_FEATURE_CONTROL, 0x80, true), -EINVAL);
	assert_int_equal(nv_set_msr(&M.v, M_EFER, EF_NX, false), -EINVAL); /* LME while paging */
	assert_int_equal(nv_set_msr(&M.v, M_TSC, 1ull << 40, false), 0);
	assert_int_equal(nv_get_msr(&M.v, M_TSC, &val, false), 0);
	assert_true(val >= 1ull << 40 && val < (1ull << 40) + 1000);
	assert_int_equal(nv_get_msr(&M.v, M_MISC_ENABLE, &val, false), 0);
	assert_int_equal(nv_get_msr(&M.v, M_UCODE_REV, &val, false), 0);
	assert_int_equal(nv_set_msr(&M.v, M_UCODE_REV, 0, false), 0);
	assert_int_equal(nv_pass_msr(&M.vm, 0x808, true, true), -EINVAL);
	assert_int_equal(nv_pass_msr(&M.vm, 0x40000000, true, true), -EINVAL);
	assert_int_equal(nv_pass_msr(&M.vm, M_STAR, true, true), 0);
}

static void simple_exits(void **state)
{
	struct nv_cpuid leaf[] = { { 7, 1, true, 1, 2, 3, 4 }, { 1, 0, false, 5, 6, 0, 8 } };

	(void)state;
	M.v.cpuid = leaf;
	M.v.ncpuid = 2;
	M.v.regs[R_RAX] = 7;
	M.v.regs[R_RCX] = 1;
	mock_hw(F_EXIT_INSN_LEN, 2);
	mock_hw(F_GUEST_RIP, 0x1000);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(M.v.regs[R_RBX], 2);
	assert_int_equal(nv_get_rip(&M.v), 0x1002);
	M.v.regs[R_RAX] = 1;
	mock_hw(F_GUEST_CR4, mock_hw_get(F_GUEST_CR4) | C4_OSXSAVE);
	mock_exit(XR_CPUID, 0);
	assert_int_equal(M.v.regs[R_RCX], 1 << 27);
	M.v.regs[R_RAX] = 99;
	mock_exit(XR_CPUID, 0);
	assert_int_equal(M.v.regs[R_RAX], 0);
	M.v.ncpuid = 0;
	/* Blocking by STI ends with the instruction; a single step leaves its trap pending. */
	mock_hw(F_GUEST_INTERRUPTIBILITY, INTR_STI);
	mock_hw(F_GUEST_RFLAGS, FL_TF | FL_IF | 2);
	mock_exit(XR_PAUSE, 0);
	assert_int_equal(mock_hw_get(F_GUEST_INTERRUPTIBILITY), 0);
	assert_int_equal(mock_hw_get(F_GUEST_PENDING_DBG), NV_BIT(14));
	mock_hw(F_GUEST_RFLAGS, 2);
	mock_hw(F_GUEST_PENDING_DBG, 0); /* the trap is over */
	mock_exit(XR_INVD, 0);
	mock_exit(XR_RDPMC, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	mock_exit(XR_MONITOR, 0);
	assert_int_equal(injected() & 0xff, XV_UD);
	M.v.regs[R_RAX] = 1;
	mock_exit(XR_VMCALL, 0);
	assert_int_equal(M.v.regs[R_RAX], (u64)-1000);
	M.v.user_vmcall = true;
	assert_int_equal(mock_exit(XR_VMCALL, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_HYPERCALL);
	M.v.regs[R_RCX] = 0;
	M.v.regs[R_RAX] = 1;
	M.v.regs[R_RDX] = 0;
	assert_int_equal(mock_enter(), NV_RESUME);
	mock_exit(XR_XSETBV, 0);
	assert_false(injected() & INFO_VALID);
	M.v.regs[R_RAX] = 0;
	mock_exit(XR_XSETBV, 0);
	assert_int_equal(injected() & 0xff, XV_GP);
	assert_int_equal(mock_exit(XR_TASK, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_INTERNAL);
	/* HLT waits, for an event that may come in. */
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(mock_exit(XR_HLT, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_HLT);
	nv_queue_interrupt(&M.v, 0x22);
	assert_int_equal(mock_enter(), NV_USER);
	nv_set_rip_rsp_rflags(&M.v, 0x1000, 0x2000, FL_IF | 2);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(injected(), INFO_MAKE(EV_EXT, 0x22));
	M.v.want_irq_window = true;
	assert_true(nv_if_flag(&M.v));
	assert_int_equal(mock_exit(XR_EXT_INT, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_IRQ_WINDOW);
	M.v.want_irq_window = false;
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_int_equal(mock_exit(XR_TRIPLE, 0), NV_USER);
	assert_int_equal(M.v.ux.type, NV_UX_SHUTDOWN);
}

static void ports(void **state)
{
	(void)state;
	M.v.regs[R_RAX] = 0x11223344;
	mock_hw(F_EXIT_INSN_LEN, 1);
	assert_int_equal(mock_exit(XR_IO, 0x3f8 << 16 | 1), NV_USER);
	assert_int_equal(M.v.ux.io.size, 2);
	assert_int_equal(M.v.ux.io.data[0], 0x44);
	assert_true(M.v.ux.io.write);
	assert_int_equal(nv_complete_io(&M.v), NV_RESUME);
	mock_enter();
	assert_int_equal(mock_exit(XR_IO, 0x3f8 << 16 | 8), NV_USER);
	M.v.ux.io.data[0] = 0xab;
	assert_int_equal(nv_complete_io(&M.v), NV_RESUME);
	assert_int_equal(M.v.regs[R_RAX], 0x112233ab);
	mock_enter();
	/* REP OUTSB, two elements. */
	mock_write(G_FREE, 0x4241);
	M.v.regs[R_RSI] = G_FREE;
	M.v.regs[R_RCX] = 2;
	mock_hw(F_EXIT_INSN_INFO, 2 << 7);
	mock_hw(F_GUEST_RIP, 0x1000);
	for (u64 i = 0; i < 2; i++) {
		mock_hw(F_GUEST_LINEAR, G_FREE + i);
		assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 5), NV_USER);
		assert_int_equal(M.v.ux.io.data[0], 0x41 + i);
		assert_int_equal(nv_get_rip(&M.v), 0x1000 + i);
		mock_enter();
	}
	assert_int_equal(M.v.regs[R_RSI], G_FREE + 2);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 5), NV_RESUME);
	/* INSW downwards over a page boundary. */
	mock_hw(F_GUEST_RFLAGS, FL_DF | 2);
	mock_hw(F_GUEST_LINEAR, G_FREE + 0xfff);
	M.v.regs[R_RDI] = G_FREE + 0xfff;
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 3 | 1), NV_USER);
	M.v.ux.io.data[0] = 0x12;
	M.v.ux.io.data[1] = 0x34;
	assert_int_equal(nv_complete_io(&M.v), NV_RESUME);
	assert_int_equal(M.ram[G_FREE + 0xfff], 0x12);
	assert_int_equal(M.ram[G_FREE + 0x1000], 0x34);
	assert_int_equal(M.v.regs[R_RDI], G_FREE + 0xffd);
	mock_enter();
	mock_hw(F_GUEST_LINEAR, 0x700000000000);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 3), NV_RESUME);
	assert_int_equal(injected() & 0xff, XV_PF);
	mock_hw(F_GUEST_RFLAGS, 2);
}

static const struct {
	u8 code[12];
	u8 len;
	bool write;
	u8 size;
	u64 in, out; /* data read or written */
	int reg; /* of a read */
	u64 result;
} mmio[] = {
	{ { 0x89, 0x03 }, 2, true, 4, 0, 0x9abcdef0, 0, 0 },
	{ { 0x48, 0x89, 0x03 }, 3, true, 8, 0, 0x123456789abcdef0, 0, 0 },
	{ { 0x66, 0x89, 0x03 }, 3, true, 2, 0, 0xdef0, 0, 0 },
	{ { 0x88, 0x03 }, 2, true, 1, 0, 0xf0, 0, 0 },
	{ { 0xc7, 0x43, 0x10, 1, 2, 3, 0x84 }, 7, true, 4, 0, 0x84030201, 0, 0 },
	{ { 0xc6, 0x83, 0, 1, 0, 0, 0x55 }, 7, true, 1, 0, 0x55, 0, 0 },
	{ { 0x48, 0xc7, 0x04, 0x25, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff }, 12, true, 8, 0, ~0ull, 0, 0 },
	{ { 0x8b, 0x0b }, 2, false, 4, 0x80000001, 0, R_RCX, 0x80000001 },
	{ { 0x4c, 0x8b, 0x04, 0x24 }, 4, false, 8, 0x1122334455667788, 0, R_R8, 0x1122334455667788 },
	{ { 0x8a, 0x0b }, 2, false, 1, 0x77, 0, R_RCX, 0x1111111111111177 },
	{ { 0x0f, 0xb6, 0x0b }, 3, false, 1, 0x88, 0, R_RCX, 0x88 },
	{ { 0x48, 0x0f, 0xbf, 0x0b }, 4, false, 2, 0x8000, 0, R_RCX, 0xffffffffffff8000 },
	{ { 0xa1, 0, 0, 0, 0, 0, 0, 0, 0 }, 9, false, 4, 5, 0, R_RAX, 5 },
	{ { 0x67, 0xa2, 0, 0, 0, 0 }, 6, true, 1, 0, 0xf0, 0, 0 },
};

static void devices_in_memory(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(mmio); i++) {
		memcpy(M.ram + 0x1000, mmio[i].code, 12);
		nv_set_rip_rsp_rflags(&M.v, 0x1000, 0x8000, 2);
		mock_enter();
		M.v.regs[R_RAX] = 0x123456789abcdef0;
		M.v.regs[R_RCX] = 0x1111111111111111;
		mock_hw(F_GUEST_PHYS, MOCK_MMIO + 0x20);
		assert_int_equal(mock_exit(XR_EPT_VIOLATION, mmio[i].write ? NV_W : NV_R), NV_USER);
		assert_int_equal(M.v.ux.type, NV_UX_MMIO);
		assert_int_equal(M.v.ux.io.addr, MOCK_MMIO + 0x20);
		assert_int_equal(M.v.ux.io.size, mmio[i].size);
		assert_int_equal(M.v.ux.io.write, mmio[i].write);
		if (mmio[i].write)
			assert_memory_equal(M.v.ux.io.data, &mmio[i].out, mmio[i].size);
		else
			memcpy(M.v.ux.io.data, &mmio[i].in, 8);
		assert_int_equal(nv_complete_io(&M.v), NV_RESUME);
		assert_int_equal(nv_get_rip(&M.v), 0x1000 + mmio[i].len);
		if (!mmio[i].write)
			assert_int_equal(M.v.regs[mmio[i].reg], mmio[i].result);
		mock_enter();
	}
	/* Not decoded: the VMM is told. */
	for (unsigned int i = 0; i < 3; i++) {
		static const u8 odd[3][4] = { { 0x0f, 0x0b }, { 0xf0, 0x01, 0x03 }, { 0x89, 0xc0 } };

		memcpy(M.ram + 0x1000, odd[i], 4);
		nv_set_rip_rsp_rflags(&M.v, 0x1000, 0x8000, 2);
		mock_enter();
		mock_hw(F_GUEST_PHYS, MOCK_MMIO);
		assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_R), NV_USER);
		assert_int_equal(M.v.ux.type, NV_UX_INTERNAL);
		mock_enter();
	}
	/* 16-bit addressing, in L2 as well: its own tables, EPT12 below them. */
	nv_set_rip_rsp_rflags(&M.v, 0x1000, 0x8000, 2);
	mock_enter();
	good();
	mock_ept_map(G_FREE + 0x7000, MOCK_MMIO, 0x37);
	assert_true(mock_launch());
	memcpy(M.ram + 0x2000, "\x8b\x0b", 2);
	mock_hw(F_GUEST_RFLAGS, FL_TF | 2);
	mock_hw(F_GUEST_INTERRUPTIBILITY, INTR_STI);
	mock_hw(F_GUEST_PHYS, G_FREE + 0x7000);
	assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_R | EPTQ_LINEAR | EPTQ_FINAL), NV_USER);
	assert_int_equal(M.v.ux.io.addr, MOCK_MMIO);
	nv_complete_io(&M.v);
	mock_enter();
	/* It ends as any other instruction does. */
	assert_int_equal(mock_hw_get(F_GUEST_PENDING_DBG), 1 << 14);
	assert_int_equal(mock_hw_get(F_GUEST_INTERRUPTIBILITY), 0);
	mock_hw(F_GUEST_PENDING_DBG, 0);
	mock_hw(F_GUEST_RFLAGS, 2);
	/* INS into a page that EPT12 does not map: L1's violation. */
	mock_ept_map(G_FREE, 0, 0);
	mock_hw(F_GUEST_LINEAR, G_FREE);
	mock_hw(F_EXIT_INSN_INFO, 2 << 7);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 3), NV_RESUME);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_GUEST_PHYS), G_FREE);
	assert_int_equal(r12(F_EXIT_QUAL), NV_W | EPTQ_LINEAR | EPTQ_FINAL);
	/* Or maps for reading only: the device is not asked, what it would have answered is not lost. */
	mock_ept_map(G_FREE, G_FREE, 0x31);
	assert_true(mock_resume());
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 3), NV_RESUME);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_EXIT_QUAL), NV_W | NV_R << 3 | EPTQ_LINEAR | EPTQ_FINAL);
}

/* 29.3.3.2: what is done to L2's own tables for it is an access that EPT12 may forbid. Found on the way by kvm-unit-tests' [ept] group. */
static void tables_under_ept12(void **state)
{
	(void)state;
	good();
	assert_true(mock_launch());
	mock_hw(F_GUEST_LINEAR, G_FREE);
	mock_hw(F_EXIT_INSN_INFO, 2 << 7);
	/* The leaf has A and D: reading it is enough. The walk has to set A above it. */
	mock_write(G_PT, (G_PT + 0x1000) | 0x27);
	mock_write(G_PT + 0x1000, (G_PT + 0x2000) | 0x27);
	mock_ept_map(G_PT, G_PT, 0x31);
	mock_ept_map(G_PT + 0x1000, G_PT + 0x1000, 0x31);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4), NV_USER);
	mock_enter();
	mock_write(G_PT + 0x1000, (G_PT + 0x2000) | 7);
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4), NV_RESUME);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_GUEST_PHYS), G_PT + 0x1000);
	assert_int_equal(r12(F_GUEST_LINEAR), G_FREE);
	assert_int_equal(r12(F_EXIT_QUAL), NV_R | NV_W | NV_R << 3 | EPTQ_LINEAR);
	assert_int_equal(mock_read(G_PT + 0x1000), (G_PT + 0x2000) | 7);
	/* A table that is not mapped is read, whatever the instruction does. */
	mock_ept_map(G_PT + 0x1000, 0, 0);
	assert_true(mock_resume());
	assert_int_equal(mock_exit(XR_IO, 0x60 << 16 | 1 << 4 | 1 << 3), NV_RESUME);
	reflected(XR_EPT_VIOLATION);
	assert_int_equal(r12(F_EXIT_QUAL), NV_R | EPTQ_LINEAR);
}

static void segmented_operands(void **state)
{
	u64 lin;
	u32 info = 1 << 7 | 1 << 22 | 3 << 15; /* 32-bit, base RAX, DS */

	(void)state;
	mock_hw(F_GUEST_CS_AR, 0xc09b);
	mock_hw(F_GUEST_DS_BASE, 0x1000);
	mock_hw(F_GUEST_DS_LIMIT, 0xfff);
	mock_hw(F_GUEST_DS_AR, 0xc093);
	memset(M.v.vmcs01.valid, 0, sizeof(M.v.vmcs01.valid));
	M.v.regs[R_RAX] = 0x10;
	M.v.regs[R_RCX] = 4;
	assert_int_equal(nv_operand_linear(&M.v, 8, info, true, 8, &lin), 0);
	assert_int_equal(lin, 0x1018);
	assert_int_equal(nv_operand_linear(&M.v, 8, (info & ~(1u << 22)) | R_RCX << 18 | 2, true, 8, &lin), 0);
	assert_int_equal(lin, 0x1028);
	assert_int_equal(nv_operand_linear(&M.v, 0xff0, info, true, 8, &lin), 1);
	mock_hw(F_GUEST_DS_AR, 0xc091);
	memset(M.v.vmcs01.valid, 0, sizeof(M.v.vmcs01.valid));
	assert_int_equal(nv_operand_linear(&M.v, 8, info, true, 8, &lin), 1);
	assert_int_equal(nv_operand_linear(&M.v, 8, info, false, 8, &lin), 0);
	mock_hw(F_GUEST_DS_AR, 0xc097);
	memset(M.v.vmcs01.valid, 0, sizeof(M.v.vmcs01.valid));
	assert_int_equal(nv_operand_linear(&M.v, 8, info, true, 8, &lin), 1);
	assert_int_equal(nv_operand_linear(&M.v, 0x2000, info, true, 8, &lin), 0);
	mock_hw(F_GUEST_DS_AR, 0x10000);
	memset(M.v.vmcs01.valid, 0, sizeof(M.v.vmcs01.valid));
	assert_int_equal(nv_operand_linear(&M.v, 8, info, true, 8, &lin), 1);
	assert_int_equal(nv_operand_linear(&M.v, 8, info | 1 << 10, true, 8, &lin), 1);
	assert_int_equal(M.v.n->ev.exc.vector, XV_UD);
	M.v.n->ev.exc.pending = false;
}

static void registers(void **state)
{
	struct nv_sregs s, t;

	(void)state;
	nv_get_sregs(&M.v, &s);
	assert_int_equal(nv_set_sregs(&M.v, &s), 0);
	t = s;
	t.cr0 &= ~C0_PE;
	assert_int_equal(nv_set_sregs(&M.v, &t), -EINVAL);
	t = s;
	t.efer |= 1 << 20;
	assert_int_equal(nv_set_sregs(&M.v, &t), -EINVAL);
	t = s;
	t.efer &= ~EF_LME;
	assert_int_equal(nv_set_sregs(&M.v, &t), -EINVAL);
	t = s;
	t.cr4 |= 1ull << 40;
	assert_int_equal(nv_set_sregs(&M.v, &t), -EINVAL);
	mock_vmxon();
	t = s;
	t.cr4 &= ~C4_VMXE;
	assert_int_equal(nv_set_sregs(&M.v, &t), -EINVAL);
	mock_good_vmcs12();
	assert_true(mock_launch());
	nv_get_sregs(&M.v, &t);
	assert_int_equal(t.cr3, G_PT);
	assert_int_equal(nv_get_rflags(&M.v), 2);
}

static void saved_in_l2(void **state)
{
	static struct nv_nested_state s, empty, bad;

	(void)state;
	assert_int_equal(nv_get_nested_state(&M.v, &empty), 0);
	assert_int_equal(empty.vmxon_pa, NV_NOMAP);
	good();
	w(F_PIN_CTL, 0x16 | PIN_PREEMPT);
	w(F_PREEMPT_TIMER, 100000);
	assert_true(mock_launch());
	mock_hw(F_GUEST_RIP, 0x2222);
	mock_hw(F_GUEST_FS_BASE, 0x3333);
	mock_hw(F_GUEST_RFLAGS, FL_IF | 2);
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_EXT, 0x44));
	mock_exit(XR_EXT_INT, 0);
	assert_int_equal(nv_get_nested_state(&M.v, &s), 0);
	assert_int_equal(s.flags & NV_NS_GUEST_MODE, NV_NS_GUEST_MODE);
	assert_int_equal(s.vmcs12_pa, G_VMCS);
	assert_true(s.preempt_deadline);
	mock_stop();
	/* A new machine with the same memory. */
	{
		u8 *copy = malloc(MOCK_RAM);

		assert_non_null(copy);
		memcpy(copy, M.ram, MOCK_RAM);
		mock_reset();
		memcpy(M.ram, copy, MOCK_RAM);
		free(copy);
		assert_int_equal(mock_start(), 0);
	}
	bad = s;
	bad.vmxon_pa = 3;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	bad = s;
	bad.vmcs12_pa = s.vmxon_pa;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	bad = s;
	bad.flags |= 8;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	bad = s;
	bad.vmcs12[0]++;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	bad = s;
	((struct nv_vmcs12 *)bad.vmcs12)->val[F_GUEST_RFLAGS] = 0;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	assert_false(M.v.n->vmxon);
	bad = s;
	bad.vmcs12_pa = 0x30000000;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	bad = s;
	bad.vmxon_pa = NV_NOMAP;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	bad = s;
	bad.vmcs12_pa = NV_NOMAP;
	assert_int_equal(nv_set_nested_state(&M.v, &bad), -EINVAL);
	assert_int_equal(nv_set_nested_state(&M.v, &empty), 0);
	/* L2 goes on where it was, with the event that was under way, and its exits reach L1. */
	assert_int_equal(nv_set_nested_state(&M.v, &s), 0);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_true(M.v.in_l2);
	assert_int_equal(mock_hw_get(F_GUEST_RIP), 0x2222);
	assert_int_equal(mock_hw_get(F_GUEST_FS_BASE), 0x3333);
	assert_int_equal(injected(), INFO_MAKE(EV_EXT, 0x44));
	assert_true(mock_hw_get(F_PREEMPT_TIMER) > 90000);
	mock_exit(XR_CPUID, 0);
	reflected(XR_CPUID);
	assert_true(mock_resume());
	mock_exit(XR_CPUID, 0);
	/* In L1, with a current VMCS. */
	assert_int_equal(nv_get_nested_state(&M.v, &s), 0);
	assert_false(s.flags);
	assert_int_equal(nv_set_nested_state(&M.v, &s), 0);
	assert_true(mock_resume());
}

/* system_reset, and loadvm, while L2 runs: KVM leaves nested mode first (vmx_set_nested_state()). */
static void reset_in_l2(void **state)
{
	static struct nv_nested_state s, empty;
	u64 before;

	(void)state;
	assert_int_equal(nv_get_nested_state(&M.v, &empty), 0);
	good();
	w(F_EXIT_LOAD_COUNT, 1);
	w(F_EXIT_LOAD_ADDR, G_LIST);
	mock_write(G_LIST, M_FS_BASE); /* loading it would be a VMX abort */
	assert_true(mock_launch());
	assert_int_equal(nv_get_nested_state(&M.v, &s), 0);
	mock_hw(F_IDT_INFO, INFO_MAKE(EV_EXT, 0x44));
	mock_exit(XR_EXT_INT, 0);
	/* The memory is the snapshot's by now. */
	mock_write(G_VMCS + 0x100, 0x1122334455667788);
	before = mock_read(G_VMCS + 0x100);
	assert_int_equal(nv_set_nested_state(&M.v, &empty), 0);
	assert_false(M.v.in_l2 || M.v.n->vmxon || M.v.n->aborted);
	assert_int_equal(mock_read(G_VMCS + 0x100), before);
	assert_int_equal(mock_read(G_VMCS) >> 32, 0);
	assert_int_equal(mock_enter(), NV_RESUME);
	assert_false(injected() & INFO_VALID);
	assert_int_equal(mock_vmx(XR_VMPTRST, 0).error, XV_UD);
	/* Into L2 from there, and from L2 into L2 again: L2 goes on as saved. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nv_set_nested_state(&M.v, &s), 0);
		assert_int_equal(mock_enter(), NV_RESUME);
		assert_true(M.v.in_l2);
		assert_int_equal(mock_hw_get(F_GUEST_RIP), 0x2000);
		mock_hw(F_GUEST_RIP, 0x2345);
		mock_exit(XR_EXT_INT, 0);
	}
	/* Refused: out of L2 all the same, but not into anything half. */
	((struct nv_vmcs12 *)s.vmcs12)->val[F_GUEST_RFLAGS] = 0;
	assert_int_equal(nv_set_nested_state(&M.v, &s), -EINVAL);
	assert_false(M.v.in_l2 || M.v.n->vmxon);
	assert_int_equal(mock_enter(), NV_RESUME);
}

/* After a VMX abort L1 is shut down; a reset ends that. */
static void reset_after_abort(void **state)
{
	static struct nv_nested_state empty;

	(void)state;
	assert_int_equal(nv_get_nested_state(&M.v, &empty), 0);
	good();
	w(F_EXIT_LOAD_COUNT, 1);
	w(F_EXIT_LOAD_ADDR, G_LIST);
	mock_write(G_LIST, M_FS_BASE);
	assert_true(mock_launch());
	assert_int_equal(mock_exit(XR_CPUID, 0), NV_USER);
	assert_int_equal(mock_enter(), NV_USER);
	assert_int_equal(nv_set_nested_state(&M.v, &empty), 0);
	assert_int_equal(mock_enter(), NV_RESUME);
}

static void every_allocation_can_fail(void **state)
{
	int r;

	(void)state;
	for (long n = 1;; n++) {
		mock_reset();
		M.fail_in = n;
		r = mock_start();
		if (!r)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(M.pages, 0);
		assert_int_equal(M.allocs, 0);
		assert_true(n < 100);
	}
	M.fail_in = 0;
	/* Tables: the exit fails with -ENOMEM, nothing is half mapped, and the next try works. */
	for (long n = 1; n <= 3; n++) {
		nv_vm_zap(&M.vm, 0, ~0ull);
		while (M.v.mmu->ncache)
			mach_free_page(&M.vm, M.v.mmu->cache[--M.v.mmu->ncache]);
		M.fail_in = n;
		mock_hw(F_GUEST_PHYS, G_FREE);
		assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_R), -ENOMEM);
		M.fail_in = 0;
		mock_invariants();
		assert_int_equal(mock_exit(XR_EPT_VIOLATION, NV_R), NV_RESUME);
	}
	/* One id is one vCPU. */
	assert_int_equal(nv_vcpu_init(&M.v), -EEXIST);
	M.v.id = NV_MAX_VCPUS;
	assert_int_equal(nv_vcpu_init(&M.v), -EINVAL);
	M.v.id = 0;
	mock_stop();
}

static void lesser_cpus(void **state)
{
	(void)state;
	/* Penryn: no secondary features of use, no EPT, no VPID. */
	mock_reset();
	M.msr[(M_VMX_BASIC + CAP_CPU2) & 0xfff] = 0x4100000000;
	assert_int_equal(nv_global_init(), 0);
	assert_false(nv_params.ept || nv_params.vpid || nv_params.shadow_vmcs || nv_params.apicv || nv_params.unrestricted);
	/* EPT without INVEPT by context is not used. */
	mock_reset();
	M.msr[(M_VMX_BASIC + CAP_EPT_VPID) & 0xfff] &= ~EVC_INVEPT_SINGLE;
	assert_int_equal(nv_global_init(), 0);
	assert_false(nv_params.ept);
	/* No MSR bitmaps: not this CPU. */
	mock_reset();
	M.msr[(M_VMX_BASIC + CAP_TRUE_CPU) & 0xfff] &= ~(CPU_MSR_BITMAPS << 32);
	assert_int_equal(nv_global_init(), -EOPNOTSUPP);
	/* No TRUE capability MSRs: CR3 exiting cannot be cleared, so EPT cannot be used as it should. */
	mock_reset();
	M.msr[M_VMX_BASIC & 0xfff] &= ~BASIC_TRUE;
	assert_int_equal(nv_global_init(), -EOPNOTSUPP);
	/* A newer CPU: what it has beyond ours is not offered. */
	mock_reset();
	for (u32 i = CAP_PIN; i <= CAP_ENTRY; i++)
		M.msr[(M_VMX_BASIC + i) & 0xfff] |= ~0ull << 32, M.msr[(M_VMX_BASIC + CAP_TRUE_PIN - CAP_PIN + i) & 0xfff] |= ~0ull << 32;
	M.msr[(M_VMX_BASIC + CAP_CPU2) & 0xfff] = ~0ull << 32;
	assert_int_equal(nv_global_init(), 0);
	assert_int_equal(nv_caps.l1[CAP_CPU2] >> 32 & ~0x02015fffull, 0);
	assert_int_equal(nv_caps.l1[CAP_TRUE_PIN] >> 32, PIN_DEFAULT1 | PIN_EXT_INT | PIN_NMI | PIN_VNMI | PIN_PREEMPT | PIN_POSTED);
	mock_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(control_registers), T(l2_control_registers), T(debug_registers), T(msrs), T(simple_exits), T(ports),
		T(devices_in_memory), T(tables_under_ept12), T(segmented_operands), T(registers), T(saved_in_l2), T(reset_in_l2), T(reset_after_abort),
		cmocka_unit_test(every_allocation_can_fail), cmocka_unit_test(lesser_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
