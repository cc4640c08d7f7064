// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * EPT12 trees: L1 writes any entry at any level, L2 touches memory, L1 invalidates or forgets to, the host takes pages away,
 * makes them read-only, and runs out of memory. nested.c judges every entry of EPT02 and of the TLB after each step.
 */
#include "nested.h"

static u64 eptp12(u8 b)
{
	return (G_EPT + (b & 3) * 0x1000ull) | 0x1e | (b & 4 ? EPTP_AD : 0);
}

/* An entry at a level of the tree that stands at G_EPT; pages of L1's low memory, or anything. */
static void write_entry(void)
{
	static const u64 table[] = { G_EPT, G_EPT + 0x1000, G_EPT + 0x2000, G_EPT + 0x3000, G_EPT + 0x4000, G_FREE };
	u64 at = table[byte() % NV_ARRAY_SIZE(table)] + 8 * (byte() % 4 ? byte() & 3ull : byte() * 2ull);
	u8 how = byte();
	u64 e;

	if (how & 1)
		e = (table[byte() % NV_ARRAY_SIZE(table)] & EPTP_ADDR) | (how >> 1 & 7); /* a table, or the same page at two levels */
	else if (how & 2)
		e = ((u64)(byte() & 1) << 21) | 0xb0 | (how >> 2 & 7);
	else if (how & 4)
		e = (G_FREE + ((u64)byte() << 12 & 0xff000)) | 0x30 | (how >> 3 & 7) | (how & 0x40 ? 0x300 : 0);
	else
		e = value();
	mock_write(at, e);
}

static void leave_l2(void)
{
	if (M.v.in_l2)
		mock_exit(XR_VMCALL, 0);
}

static void enter_l2(void)
{
	if (!M.v.in_l2)
		mock_vmx(M.v.n->vmcs12->launched ? XR_VMRESUME : XR_VMLAUNCH, 0);
}

static void host_changes_page(void)
{
	u64 a = (byte() & 1 ? G_FREE : 0) + ((u64)byte() << 12 & 0xff000);
	bool *what = byte() & 1 ? M.gone : M.rom;

	what[a / 4096] = !what[a / 4096];
	M.seq++;
	nv_vm_zap(&M.vm, a, 4096);
	nv_vm_unpin(&M.vm);
}

static u64 touched; /* by L2, last */

static void step(void)
{
	u8 op = byte() % 12, b;

	switch (op) {
	case 0:
	case 1:
	case 2:
		write_entry();
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		enter_l2();
		if (nested_settle()) {
			u64 gpa = byte() & 1 ? (u64)(byte() & 3) << 21 | (u64)byte() << 12 : G_FREE + ((u64)byte() << 12);

			touched = gpa;
			mock_l2_access(gpa, 1u << byte() % 3);
		}
		break;
	case 7:
		leave_l2();
		if (nested_settle()) {
			b = byte();
			nested_invept(b & 1 ? 2 : 1, b & 2 ? eptp12(byte()) : V12(&M.v, EPTP));
		}
		break;
	case 8: /* another tree, or another VPID */
		leave_l2();
		if (!nested_settle())
			break;
		b = byte();
		if (b & 1) {
			mock_vmwrite(nv_fields[F_EPTP].enc, eptp12(byte()));
		} else if (nv_params.vpid) {
			mock_vmwrite(nv_fields[F_CPU2_CTL].enc, CPU2_EPT | (b & 2 ? CPU2_VPID : 0));
			mock_vmwrite(nv_fields[F_VPID].enc, 1 + (b >> 2 & 3));
		}
		break;
	case 9:
		leave_l2();
		if (nested_settle() && nv_params.vpid) {
			b = byte();
			nested_invvpid(b & 3, b & 12 ? V12(&M.v, VPID) : 1 + (b >> 4 & 3), b & 0x40 ? G_FREE + ((u64)byte() << 12) : touched);
		}
		break;
	case 10:
		host_changes_page();
		break;
	default:
		nested_fail();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 how;

	nested_input(data, size);
	how = byte();
	mock_reset();
	nv_params.vpid = !(how & 1);
	nv_params.shadow_vmcs = !(how & 2);
	nv_params.prebuilt_ept = how >> 4 == 1; /* seldom: it is slow */
	M.large = how & 8;
	M.fail_in = how & 4 ? byte() : 0;
	if (mock_start() != NV_RESUME) {
		MOCK_CHECK(!M.fail_in && how & 4);
		mock_stop();
		return 0;
	}
	M.fail_in = 0;
	nested_start();
	touched = 0;
	mock_vmxon();
	mock_good_vmcs12();
	nested_invept(2, 0);
	while (nested_more()) {
		step();
		nested_check();
		if (!nested_settle() && M.ret == NV_USER)
			break;
	}
	mock_stop();
	return 0;
}
