// SPDX-License-Identifier: LGPL-2.1-or-later
#include "nested.h"

static const u8 *in, *end;

void nested_input(const uint8_t *data, size_t size)
{
	in = data;
	end = data + size;
}

bool nested_more(void)
{
	return in < end;
}

u8 byte(void)
{
	return in < end ? *in++ : 0;
}

u64 word(void)
{
	u64 v = 0;

	for (int i = 0; i < 8; i++)
		v |= (u64)byte() << 8 * i;
	return mock_is_secret(v) ? 0 : v; /* nobody can know them */
}

u64 address(void)
{
	static const u64 known[] = { G_VMXON, G_VMCS, G_VMCS2, G_MSRMAP, G_IO_A, G_IO_B, G_VAPIC, G_APIC, G_PI, G_LIST, G_SHADOW, G_VMREAD,
				     G_VMWRITE, G_EPT, G_PT, G_FREE, MOCK_RAM - 4096, MOCK_RAM, MOCK_MMIO, ~0ull };
	u8 b = byte();

	if (b < 2 * NV_ARRAY_SIZE(known))
		return known[b / 2] + (b & 1 ? byte() : 0);
	return b < 128 ? (u64)b << 12 : word();
}

u64 value(void)
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

/* ---- what L1 has invalidated ---- */

#define NINV 8
static struct {
	u32 all; /* M.serial at the last global INVEPT */
	struct {
		u64 eptp;
		u32 at;
	} one[NINV];
	unsigned int next;
	u32 vpid_all, vpid_one, vpid_page; /* INVVPID: of every VPID; of: */
	u16 vpid, page_vpid; /* and of: */
	u64 page;
} inv;

void nested_params(u8 how)
{
	nv_params.shadow_vmcs = !(how & 1);
	nv_params.vpid = !(how & 2);
	nv_params.nested_ept = !(how & 4);
	nv_params.apicv = !(how & 8);
}

void nested_start(void)
{
	memset(&inv, 0, sizeof(inv));
}

void nested_fail(void)
{
	long *const what[] = { &M.fail_in, &M.fail_in, &M.fail_map_in, &M.fail_backing_in };
	u8 b = byte();

	*what[b & 3] = 1 + (b >> 2 & 7);
}

struct mock_result nested_invept(u64 type, u64 eptp)
{
	struct mock_result r = mock_inv(XR_INVEPT, type, eptp, 0);

	if (r.what != OK_ || M.ret != NV_RESUME)
		return r;
	if (type == 2) {
		inv.all = M.serial;
	} else {
		inv.one[inv.next].eptp = eptp;
		inv.one[inv.next].at = M.serial;
		inv.next = (inv.next + 1) % NINV;
	}
	return r;
}

struct mock_result nested_invvpid(u64 type, u64 d0, u64 d1)
{
	struct mock_result r = mock_inv(XR_INVVPID, type, d0, d1);

	if (r.what != OK_ || M.ret != NV_RESUME)
		return r;
	if (type == 2)
		inv.vpid_all = M.serial;
	/* Type 3 keeps global translations: the mock's TLB has none. */
	if (type == 1 || type == 3) {
		inv.vpid = (u16)d0;
		inv.vpid_one = M.serial;
	}
	if (type == 0) {
		inv.page_vpid = (u16)d0;
		inv.page = d1 & ~4095ull;
		inv.vpid_page = M.serial;
	}
	return r;
}

static u32 invalidated(u64 eptp12)
{
	u32 at = inv.all;

	for (int i = 0; i < NINV; i++)
		if (!((inv.one[i].eptp ^ eptp12) & EPTP_ADDR) && inv.one[i].at > at)
			at = inv.one[i].at;
	return at;
}

/* ---- EPT12 as it stands ---- */

/* SDM 3C 29.3.3.1, for the CPU of the mock: 46 address bits, execute-only and 1 GiB pages. */
static bool misconfigured(u64 e, int level, bool leaf)
{
	u64 type = e >> 3 & 7;

	if ((e & 3) == 2 || (e & 0x000fc00000000000ull))
		return true;
	if (!leaf)
		return level == 4 ? e & 0xf8 : e & 0x78;
	if (level > 1 && (e & 0x000ffffffffff000ull & ((1ull << (12 + 9 * (level - 1))) - 1)))
		return true;
	return type == 2 || type == 3 || type == 7;
}

/* L1's page and rights for an address of L2; since: the newest write to a table on the way. False: none. */
static bool walk12(u64 eptp, u64 gpa, u64 *l1_gpa, u32 *perm, u32 *since)
{
	u64 e = eptp;

	*perm = 7;
	*since = 0;
	for (int level = 4; level >= 1; level--) {
		u64 size = 1ull << (12 + 9 * (level - 1)), at = (e & EPTP_ADDR) + 8 * (gpa / size & 511);
		bool leaf;

		if (at >= MOCK_RAM)
			return false;
		if (M.gone[at / 4096]) {
			*since = ~0u; /* a table that the host took away: nobody wrote it, but it reads otherwise now */
			return false;
		}
		/* What the CPU writes through a pinned page is not seen: taken as just written. */
		if (M.pins[at / 4096])
			*since = ~0u;
		if (M.wrote[at / 4096] > *since)
			*since = M.wrote[at / 4096];
		memcpy(&e, M.ram + at, 8);
		leaf = level == 1 || (e & 0x80);
		if (!(e & 7) || misconfigured(e, level, leaf))
			return false;
		*perm &= e & 7;
		if (!leaf)
			continue;
		if ((eptp & EPTP_AD) && !(e & EPT_D))
			*perm &= 5;
		*l1_gpa = (e & EPTP_ADDR & ~(size - 1)) | (gpa & (size - 1));
		return true;
	}
	return false;
}

/* L2 under this EPTP12 has gpa at hpa with perm: is it what L1 and the host gave? */
static void judge(u64 eptp12, u64 gpa, u64 hpa, u32 perm)
{
	u64 l1 = 0, page = (hpa - HPA_BASE) / 4096;
	u32 allowed, since;
	bool there = walk12(eptp12, gpa, &l1, &allowed, &since);

	/* What the host took away L2 has no more, whatever L1 did or did not. */
	MOCK_CHECK(page < MOCK_RAM / 4096 && !M.gone[page]);
	MOCK_CHECK(!(perm & EPT_W) || !M.rom[page]);
	if (since >= invalidated(eptp12))
		return;
	MOCK_CHECK(there);
	MOCK_CHECK(hpa == mock_hpa(l1));
	MOCK_CHECK(!(perm & ~allowed));
}

static void judge_table(u64 eptp12, u64 *table, int level, u64 base, u32 perm)
{
	u64 size = 1ull << (12 + 9 * (level - 1));

	for (u64 i = 0; i < 512; i++) {
		u64 e = table[i];

		if (!(e & 7))
			continue;
		if (level > 1 && !(e & EPT_LARGE)) {
			judge_table(eptp12, mach_va(e & EPTP_ADDR), level - 1, base + i * size, perm & (u32)e);
			continue;
		}
		for (u64 o = 0; o < size; o += 4096)
			judge(eptp12, base + i * size + o, (e & EPTP_ADDR & ~(size - 1)) + o, perm & (u32)e & 7);
	}
}

/* ---- the TLB ---- */

static void judge_tlb(void)
{
	bool vpid = cpu2_12(&M.v, CPU2_VPID);
	u16 owner = vpid ? (u16)V12(&M.v, VPID) : 0;

	for (int i = 0; i < MOCK_TLB; i++) {
		struct mock_tlb *t = &M.tlb[i];

		if (!t->used)
			continue;
		MOCK_CHECK(!M.gone[(t->hpa - HPA_BASE) / 4096]);
		for (int k = 0; k < NV_NEPT02; k++) {
			struct nv_root *r = &M.v.mmu->ept02[k];

			if (r->used && r->top && !((nv_eptp(r) ^ t->eptp) & EPTP_ADDR))
				judge(r->key, t->gpa, t->hpa, t->perm);
		}
		if (!M.v.in_l2 || !M.v.vpid02 || !nv_params.vpid || t->vpid != mock_hw_get(F_VPID) || t->eptp != mock_hw_get(F_EPTP))
			continue;
		/* Nobody else's, none from before INVVPID, and without a VPID none from before this entry. */
		MOCK_CHECK(t->owner == owner);
		MOCK_CHECK(t->born > inv.vpid_all);
		MOCK_CHECK(!vpid || inv.vpid != owner || t->born > inv.vpid_one);
		MOCK_CHECK(!vpid || inv.page_vpid != owner || inv.page != t->gpa || t->born > inv.vpid_page);
		MOCK_CHECK(vpid || t->born > M.entry02);
	}
}

/* ---- after each step ---- */

static void check_return(void)
{
	bool gone = false;

	for (unsigned int i = 0; i < MOCK_RAM / 4096; i++)
		gone |= M.gone[i];
	switch (M.ret) {
	case NV_RESUME:
		break;
	case NV_USER:
		MOCK_CHECK(M.v.ux.type <= NV_UX_DEBUG);
		break;
	case -ENOMEM:
		MOCK_CHECK(M.failures); /* one did fail */
		break;
	default:
		MOCK_CHECK(M.ret == -EFAULT && (gone || M.failures));
	}
}

/* ---- what L1 and L2 see ---- */

/* What of the guest-state area the guest can read. CR3 is L0's where it shadows the tables, and the link is no guest's. */
static void check_guest_state(struct nv_vmcs *m)
{
	for (int f = 0; f < NV_NFIELDS; f++) {
		bool guest = nv_fields[f].group == NV_G_HOT || nv_fields[f].group == NV_G_SEG || f == F_CR0_SHADOW || f == F_CR4_SHADOW;

		if (guest && f != F_VMCS_LINK && !(f == F_GUEST_CR3 && !nv_params.ept))
			MOCK_CHECK(!mock_is_secret(((u64 *)m->region)[f]));
	}
}

/* Nothing of the host: in registers, vmcs12, the shadow VMCS (read by L1 without an exit), nor in memory written since the last look. */
static void check_secrets(void)
{
	static u32 looked;

	if (M.serial < looked)
		looked = 0; /* a new machine */
	for (int i = 0; i < 16; i++)
		MOCK_CHECK(!mock_is_secret(M.v.regs[i]));
	for (int i = 0; i < 8; i++)
		MOCK_CHECK(!mock_is_secret(M.guest_msr[i]) && !mock_is_secret(M.dr[i]));
	MOCK_CHECK(!mock_is_secret(M.v.cr2));
	for (int f = 0; f < NV_NFIELDS; f++) {
		MOCK_CHECK(!mock_is_secret(M.v.n->val12[f]));
		MOCK_CHECK(!mock_is_secret(((u64 *)M.v.shadow.region)[f]));
	}
	check_guest_state(&M.v.vmcs01);
	check_guest_state(&M.v.vmcs02);
	for (u64 p = 0; p < MOCK_RAM / 4096; p++)
		for (u64 a = p * 4096; (M.wrote[p] > looked || M.pins[p]) && a < (p + 1) * 4096; a += 8)
			MOCK_CHECK(!mock_is_secret(mock_read(a)));
	looked = M.serial;
}

void nested_check(void)
{
	check_return();
	check_secrets();
	M.failures = 0;
	mock_invariants();
	for (int k = 0; k < NV_NEPT02; k++) {
		struct nv_root *r = &M.v.mmu->ept02[k];

		if (r->used && r->top && r->live)
			judge_table(r->key, r->top, 4, 0, 7);
	}
	if (M.entered && !M.v.mmu->flush)
		judge_tlb();
}

bool nested_settle(void)
{
	for (int tries = 0; !M.entered && tries < 4; tries++) {
		if (M.ret == NV_USER && (M.v.ux.type == NV_UX_SHUTDOWN || M.v.ux.type == NV_UX_FAIL_ENTRY))
			return false;
		if (M.ret == NV_USER && (M.v.ux.type == NV_UX_IO || M.v.ux.type == NV_UX_MMIO)) {
			for (int i = 0; i < 8; i++)
				M.v.ux.io.data[i] = byte();
			if (nv_complete_io(&M.v) < 0)
				return false;
		} else if (M.v.hlt) {
			nv_queue_nmi(&M.v);
		}
		mock_enter();
	}
	return M.entered;
}
