// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vmcs12 contents: a VMCS that would enter, with some fields changed (by VMWRITE, or in L1's memory behind the core's back), an
 * entry, exits, and what L1 finds afterwards. The host state of the CPU is at stake at every entry: mock.c looks at it.
 */
#include "nested.h"

/* Fields that neither an entry nor an exit may change: controls and host state (SDM 3C 25.2; 27.8 and 28 say what is saved). */
static bool kept(int f)
{
	unsigned int type = nv_fields[f].enc >> 10 & 3;

	return (type == 0 || type == 3) && f != F_ENTRY_INTR_INFO && !(nv_fields[f].enc == 0x0810);
}

static u64 want[NV_NFIELDS];

static void remember(void)
{
	memcpy(want, M.v.n->val12, sizeof(want));
}

static void unchanged(void)
{
	for (int f = 0; f < NV_NFIELDS; f++) {
		/* "IA-32e mode guest" follows EFER.LMA at an exit, where the CPU can have an unrestricted guest (28.3.1). */
		u64 saved = f == F_ENTRY_CTL && nv_params.unrestricted ? ENTRY_IA32E : 0;

		if (kept(f))
			MOCK_CHECK(!((M.v.n->val12[f] ^ want[f]) & ~saved));
	}
}

/* L1 after an exit or a failed entry: its host area, and nothing of L2's (28.5). */
static void host_loaded(void)
{
	struct nv_vcpu *v = &M.v;

	MOCK_CHECK(!v->in_l2 && v->cur == &v->vmcs01);
	MOCK_CHECK(mock_hw_get(F_GUEST_RIP) == V12(v, HOST_RIP));
	MOCK_CHECK(mock_hw_get(F_GUEST_RSP) == V12(v, HOST_RSP));
	MOCK_CHECK(mock_hw_get(F_GUEST_CS_SEL) == V12(v, HOST_CS_SEL));
	MOCK_CHECK(mock_hw_get(F_GUEST_TR_BASE) == V12(v, HOST_TR_BASE));
	MOCK_CHECK(mock_hw_get(F_GUEST_GDTR_BASE) == V12(v, HOST_GDTR_BASE));
	MOCK_CHECK(mock_hw_get(F_CR0_SHADOW) == V12(v, HOST_CR0) && mock_hw_get(F_CR4_SHADOW) == V12(v, HOST_CR4));
	MOCK_CHECK(!nv_params.ept || mock_hw_get(F_GUEST_CR3) == V12(v, HOST_CR3));
	MOCK_CHECK(mock_hw_get(F_MSR_BITMAP) == mach_pa(M.vm.msr_bitmap01));
	MOCK_CHECK(!nv_params.ept || mock_hw_get(F_EPTP) == nv_eptp(M.vm.ept01));
}

/* Pages for what controls name, so that a control alone makes them count. */
static void name_pages(void)
{
	static const struct {
		u8 f;
		u64 val;
	} page[] = { { F_MSR_BITMAP, G_MSRMAP }, { F_IO_BITMAP_A, G_IO_A }, { F_IO_BITMAP_B, G_IO_B }, { F_VIRT_APIC, G_VAPIC }, { F_APIC_ACCESS, G_APIC },
		     { F_PI_DESC, G_PI }, { F_VMREAD_BITMAP, G_VMREAD }, { F_VMWRITE_BITMAP, G_VMWRITE }, { F_EXIT_STORE_ADDR, G_LIST },
		     { F_EXIT_LOAD_ADDR, G_LIST }, { F_ENTRY_LOAD_ADDR, G_LIST }, { F_VPID, 1 } };

	for (unsigned int i = 0; i < NV_ARRAY_SIZE(page); i++)
		mock_vmwrite(nv_fields[page[i].f].enc, page[i].val); /* VMfail where the CPU has no such field */
	mock_vmwrite(nv_fields[F_CPU_CTL].enc, V12(&M.v, CPU_CTL) | CPU_MSR_BITMAPS);
}

static void change_fields(void)
{
	for (int n = byte() & 7; n > 0; n--) {
		int f = byte() % NV_NFIELDS;
		u64 x = byte() & 1 ? M.v.n->val12[f] ^ 1ull << (byte() & 63) : value();

		mock_vmwrite(nv_fields[f].enc, x);
	}
}

/* The page of vmcs12 while it is not current: any bytes. */
static void change_page(void)
{
	mock_vmx(XR_VMCLEAR, G_VMCS);
	for (int n = byte() & 3; n > 0; n--)
		mock_write(G_VMCS + (byte() & 1 ? 16 + 8ull * (byte() % NV_NFIELDS) : 8ull * (byte() + 1)), value());
	mock_vmx(XR_VMPTRLD, G_VMCS);
}

static void exit_l2(void)
{
	static const u8 reasons[] = { XR_EXC_NMI, XR_EXT_INT, XR_CPUID, XR_HLT, XR_INVLPG, XR_RDTSC, XR_VMCALL, XR_CR, XR_DR, XR_IO, XR_RDMSR, XR_WRMSR,
				      XR_MTF, XR_PAUSE, XR_EPT_VIOLATION, XR_PREEMPT, XR_XSETBV, XR_TASK, XR_VMREAD, XR_VMWRITE, XR_VMCALL, XR_APIC_WRITE };
	u32 reason = reasons[byte() % NV_ARRAY_SIZE(reasons)];
	u64 qual;

	if (reason == XR_EPT_VIOLATION && !nv_params.ept)
		return; /* no such CPU */
	mock_hw(F_EXIT_INTR_INFO, (u32)value());
	mock_hw(F_IDT_INFO, byte() & 1 ? (u32)value() : 0);
	mock_hw(F_EXIT_INSN_INFO, (u32)value());
	mock_hw(F_EXIT_INSN_LEN, byte() & 15);
	mock_hw(F_GUEST_PHYS, value());
	M.v.regs[R_RCX] = value();
	qual = value();
	mock_exit(reason, qual);
}

static bool enter(void)
{
	u64 entries = M.v.stats.nested_entries, fails = M.v.stats.nested_fails;
	struct mock_result r;

	remember();
	mock_vmx(byte() & 1 ? XR_VMRESUME : XR_VMLAUNCH, 0);
	if (M.ret < 0 || !M.entered)
		return false;
	unchanged();
	if (M.v.in_l2)
		return true;
	r = mock_last();
	if (r.what == FAIL_VALID)
		return false;
	if (M.v.stats.nested_fails > fails || M.v.stats.nested_entries > entries) {
		MOCK_CHECK(M.v.stats.nested_entries > entries || V12(&M.v, EXIT_REASON) & XR_FAILED_ENTRY);
		if (!V12(&M.v, EXIT_LOAD_COUNT)) /* the list may set what is compared */
			host_loaded();
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 how;

	nested_input(data, size);
	how = byte();
	mock_reset();
	nested_params(how);
	nv_params.ept = !(how & 16);
	MOCK_CHECK(mock_start() == NV_RESUME);
	nested_start();
	mock_vmxon();
	mock_good_vmcs12();
	if (how & 32)
		name_pages();
	while (nested_more() && nested_settle() && !M.v.in_l2 && M.v.n->ptr12 == G_VMCS) {
		if (byte() % 4)
			change_fields();
		else
			change_page();
		if (M.v.n->ptr12 != G_VMCS || !nested_settle())
			break;
		M.fail_in = byte() < 16 ? 1 + byte() % 4 : 0;
		if (!enter()) {
			nested_check();
			continue;
		}
		for (int n = 1 + byte() % 4; n > 0 && M.v.in_l2 && nested_settle() && M.v.in_l2; n--) {
			if (byte() & 1)
				nv_queue_interrupt(&M.v, byte());
			remember();
			if ((byte() & 1) || !nv_params.ept) /* the mock's CPU walks EPT only */
				exit_l2();
			else
				mock_l2_access(value() & 0xffffffffffffull, 1u << byte() % 3);
			unchanged();
			nested_check();
			M.fail_in = 0;
		}
		if (M.v.in_l2 && nested_settle() && M.v.in_l2) {
			mock_exit(XR_VMCALL, 0); /* always L1's */
			if (M.entered && !M.v.in_l2 && !V12(&M.v, EXIT_LOAD_COUNT))
				host_loaded();
			nested_check();
		}
	}
	M.fail_in = 0;
	mock_stop();
	return 0;
}
