// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shadow paging (ept=0): L1 and L2 write their page tables, with the invalidation a guest owes or without, and touch memory; CR0.WP
 * and CR4.SMEP change; the host takes pages away and runs out of memory. After each step every entry of the shadow tables that are
 * in use, and what the TLB holds for the level that runs, is held against a walk of the guest's tables by code of this file.
 */
#include "nested.h"

/* A tree of each level's own: PML4, PDPT, PD, PT. G_PT, where VMX instructions have their operands, stays as it is. */
static u64 tree(int level)
{
	return G_FREE + (level == NV_L2 ? 0x8000 : 0);
}

static void plant(u64 t)
{
	mock_write(t, (t + 0x1000) | 0x67);
	mock_write(t + 0x1000, (t + 0x2000) | 0x67);
	mock_write(t + 0x2000, (t + 0x3000) | 0x67);
	mock_write(t + 0x2008, 0x200000 | 0xe7);
	for (u64 i = 0; i < 16; i++)
		mock_write(t + 0x3000 + 8 * i, (G_FREE + 0x20000 + i * 4096) | 0x67);
}

/* ---- what the guest has flushed ---- */

#define NPAGES 4
static struct {
	u32 all;
	struct {
		u64 gva;
		u32 at;
	} page[NPAGES];
	unsigned int next;
} flushed[2];

static void flush(int level)
{
	flushed[level].all = ++M.serial;
}

static void flush_page(int level, u64 gva)
{
	unsigned int *n = &flushed[level].next;

	flushed[level].page[*n].gva = gva & ~4095ull;
	flushed[level].page[*n].at = ++M.serial;
	*n = (*n + 1) % NPAGES;
}

static u32 flushed_at(int level, u64 gva)
{
	u32 at = flushed[level].all;

	for (int i = 0; i < NPAGES; i++)
		if (flushed[level].page[i].gva == gva && flushed[level].page[i].at > at)
			at = flushed[level].page[i].at;
	return at;
}

/* ---- the guest's tables as they stand: SDM 3A 4.5, with EFER.NXE ---- */

static bool walk(u64 cr3, u64 gva, u64 *gpa, u32 *perm, bool *dirty, u32 *since)
{
	u64 e = cr3;

	*perm = PF_W | PF_U | PF_I;
	*since = 0;
	for (int level = 4; level >= 1; level--) {
		u64 size = 1ull << (12 + 9 * (level - 1)), at = (e & EPTP_ADDR) + 8 * (gva / size & 511);
		bool leaf;

		if (at >= MOCK_RAM || M.gone[at / 4096]) {
			*since = at >= MOCK_RAM ? *since : ~0u;
			return false;
		}
		if (M.wrote[at / 4096] > *since)
			*since = M.wrote[at / 4096];
		memcpy(&e, M.ram + at, 8);
		leaf = level == 1 || (level < 4 && (e & PT_PS));
		if (!(e & PT_P) || (e & 0x000fc00000000000ull) || (level == 4 && (e & PT_PS)))
			return false;
		if (leaf && level > 1 && (e & EPTP_ADDR & (size - 1) & ~4096ull)) /* bit 12 is PAT */
			return false;
		*perm &= (u32)(e & (PT_W | PT_U)) | (e & PT_NX ? 0 : PF_I);
		if (!leaf)
			continue;
		*gpa = (e & EPTP_ADDR & ~(size - 1)) | (gva & (size - 1));
		*dirty = e & PT_D;
		return true;
	}
	return false;
}

/* The level that runs has gva at hpa with perm. */
static void judge(u64 gva, u64 hpa, u32 perm)
{
	int level = M.v.in_l2;
	u64 gpa = 0, page = (hpa - HPA_BASE) / 4096, cr0 = nv_read_cr0(&M.v);
	u32 may, since;
	bool dirty, there = walk(M.v.n->cr3[level], gva, &gpa, &may, &dirty, &since);

	MOCK_CHECK(page < MOCK_RAM / 4096 && !M.gone[page]);
	MOCK_CHECK(!(perm & PF_W) || !M.rom[page]);
	if (since >= flushed_at(level, gva))
		return;
	MOCK_CHECK(there);
	MOCK_CHECK(hpa == mock_hpa(gpa));
	MOCK_CHECK(!(perm & PF_U) || (may & PF_U));
	MOCK_CHECK(!(perm & PF_I) || (may & PF_I));
	MOCK_CHECK(!(perm & PF_W) || dirty);
	if ((perm & PF_W) && !(may & PF_W)) {
		/* Without WP the supervisor writes where it says read-only; a page of the user's it then may not run under SMEP. */
		MOCK_CHECK(!(cr0 & C0_WP) && !(perm & PF_U));
		MOCK_CHECK(!(nv_read_cr4(&M.v) & C4_SMEP) || !(may & PF_U) || !(perm & PF_I));
	}
}

static void judge_table(u64 *table, int level, u64 base, u32 perm)
{
	u64 size = 1ull << (12 + 9 * (level - 1));

	for (u64 i = 0; i < 512; i++) {
		u64 e = table[i];
		u32 p = perm & ((u32)(e & (PT_W | PT_U)) | (e & PT_NX ? 0 : PF_I));

		if (!(e & PT_P))
			continue;
		if (level > 1 && !(e & PT_PS)) {
			judge_table(mach_va(e & EPTP_ADDR), level - 1, base + i * size, p);
			continue;
		}
		for (u64 o = 0; o < size; o += 4096)
			judge((u64)((s64)((base + i * size + o) << 16) >> 16), (e & EPTP_ADDR & ~(size - 1)) + o, p);
	}
}

static void check(void)
{
	nested_check();
	if (!M.entered || M.v.mmu->flush)
		return;
	judge_table(M.v.mmu->shadow[M.v.in_l2].top, 4, 0, PF_W | PF_U | PF_I);
	for (int i = 0; i < MOCK_TLB; i++) {
		struct mock_tlb *t = &M.tlb[i];

		/* What another CR3 left under this VPID may stand (3A 4.10.4.2: flushed by MOV to CR3, not by VM entry). */
		if (t->used && t->vpid == mock_hw_get(F_VPID) && t->cr3 == M.v.n->cr3[M.v.in_l2])
			judge(t->gpa, t->hpa, t->perm);
	}
}

/* ---- steps ---- */

static u64 page_of(u8 b)
{
	return (u64)(b & 7) << 12 | (u64)(b >> 3 & 3) << 21 | (u64)(b >> 5 & 1) << 30;
}

static u64 last_vpid; /* of L2 */

/*
 * VM entries and exits flush everything unless L1 gave L2 a VPID (29.4.3.1). The core keeps what one VPID left: with another it starts
 * anew, which is more than it has to do.
 */
static void moved(bool was_in_l2)
{
	u64 vpid = cpu2_12(&M.v, CPU2_VPID) ? V12(&M.v, VPID) : 0;

	if (M.v.in_l2 == was_in_l2)
		return;
	if (!vpid)
		flush(NV_L1);
	if (!vpid || vpid != last_vpid)
		flush(NV_L2);
	last_vpid = vpid;
}

/* L1 executes it, and what it owes L2 is known from then on. */
static void invvpid(u8 b)
{
	u64 vpid = 1 + (b >> 2 & 1), page = page_of(byte());
	struct mock_result r;

	if (M.v.in_l2 || M.v.n->cr3[NV_L1] != G_PT)
		return;
	r = nested_invvpid(b & 3, vpid, page);
	if (r.what != OK_ || M.ret != NV_RESUME)
		return;
	if ((b & 3) == 2 || ((b & 3) && vpid == last_vpid))
		flush(NV_L2);
	else if (vpid == last_vpid)
		flush_page(NV_L2, page);
}

static void mov_cr(int cr, u64 val)
{
	bool was = M.v.in_l2;

	M.v.regs[R_RDX] = val;
	mock_hw(F_EXIT_INSN_LEN, 3);
	mock_exit(XR_CR, (u64)cr | R_RDX << 8);
	if (cr == 3 && M.ret == NV_RESUME && M.v.in_l2 == was && !(mock_hw_get(F_ENTRY_INTR_INFO) & INFO_VALID))
		flush(was);
	moved(was);
}

static void enter_l2(void)
{
	bool was = M.v.in_l2;

	if (was)
		return;
	if (M.v.n->cr3[NV_L1] != G_PT)
		mov_cr(3, G_PT);
	if (nested_settle())
		mock_vmx(M.v.n->vmcs12->launched ? XR_VMRESUME : XR_VMLAUNCH, 0);
	moved(was);
}

static void leave_l2(void)
{
	bool was = M.v.in_l2;

	if (was)
		mock_exit(XR_VMCALL, 0);
	moved(was);
}

static void write_entry(void)
{
	u64 t = tree(byte() & 1) + (u64)(byte() & 3) * 0x1000, at = t + 8 * (byte() & 7ull), e;
	u8 how = byte();

	if (how & 1)
		e = (tree(how >> 1 & 1) + (u64)(how >> 2 & 3) * 0x1000) | 0x67; /* a table: where it belongs, or elsewhere */
	else if (how & 2)
		e = (u64)(how >> 2 & 1) << 21 | 0x80 | (byte() & 0x67);
	else
		e = (G_FREE + 0x20000 + ((u64)byte() << 12 & 0x1f000)) | (byte() & 0x67);
	if (how & 0x40)
		e |= PT_NX;
	mock_write(at, how == 0xff ? value() : e);
}

static void vmcs12_changes(void)
{
	u8 b = byte();

	leave_l2();
	if (!nested_settle())
		return;
	if (M.v.n->cr3[NV_L1] != G_PT)
		mov_cr(3, G_PT);
	if (b & 1)
		mock_vmwrite(nv_fields[F_GUEST_CR3].enc, tree(b >> 1 & 1));
	if (b & 4)
		mock_vmwrite(nv_fields[F_GUEST_CR0].enc, 0x80000031 | (b & 8 ? C0_WP : 0));
	if (b & 16)
		mock_vmwrite(nv_fields[F_GUEST_CR4].enc, C4_PAE | C4_VMXE | (b & 32 ? C4_SMEP : 0));
	if ((b & 64) && nv_params.vpid) {
		mock_vmwrite(nv_fields[F_CPU_CTL].enc, V12(&M.v, CPU_CTL) | CPU_SECONDARY);
		mock_vmwrite(nv_fields[F_CPU2_CTL].enc, b & 128 ? CPU2_VPID : 0);
		mock_vmwrite(nv_fields[F_VPID].enc, 1 + (b >> 1 & 1));
	}
	if (b == 0x12)
		mock_vmwrite(nv_fields[F_HOST_CR0].enc, 0x80000031 | (byte() & 1 ? C0_WP : 0));
}

static void step(void)
{
	u8 op = byte() % 12, b;
	u64 a;

	switch (op) {
	case 0:
	case 1:
		write_entry();
		break;
	case 2: /* L1 goes to its tree */
		if (!M.v.in_l2)
			mov_cr(3, tree(NV_L1));
		break;
	case 3:
		enter_l2();
		break;
	case 4:
		leave_l2();
		break;
	case 5:
		b = byte();
		mock_exit(XR_INVLPG, page_of(b));
		if (M.ret == NV_RESUME && !(mock_hw_get(F_ENTRY_INTR_INFO) & INFO_VALID))
			flush_page(M.v.in_l2, page_of(b));
		break;
	case 6:
		b = byte();
		mov_cr(b & 1 ? 0 : 3, b & 1 ? 0x80000031 | (b & 2 ? C0_WP : 0) : M.v.n->cr3[M.v.in_l2]);
		break;
	case 7:
		b = byte();
		mov_cr(4, C4_PAE | C4_VMXE | (b & 1 ? C4_SMEP : 0));
		break;
	case 8:
		b = byte();
		if (b & 8)
			vmcs12_changes();
		else
			invvpid(b);
		break;
	case 9: /* the host takes a page of data, makes it read-only, or gives it back */
		b = byte();
		a = G_FREE + 0x20000 + ((u64)b << 12 & 0x1f000);
		(b & 0x20 ? M.gone : M.rom)[a / 4096] ^= true;
		M.seq++;
		nv_vm_zap(&M.vm, a, 4096);
		break;
	case 10:
		nested_fail();
		break;
	default:
		b = byte();
		mock_linear_access(page_of(b), (b & 0x40 ? PF_W : 0) | (byte() & (PF_U | PF_I)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	u8 how;

	nested_input(data, size);
	how = byte();
	mock_reset();
	memset(flushed, 0, sizeof(flushed));
	nv_params.ept = false;
	nv_params.vpid = !(how & 1);
	nv_params.shadow_vmcs = !(how & 2);
	M.large = how & 4;
	MOCK_CHECK(mock_start() == NV_RESUME);
	nested_start();
	mock_vmxon();
	mock_good_vmcs12();
	plant(tree(NV_L1));
	plant(tree(NV_L2));
	mock_vmwrite(nv_fields[F_GUEST_CR3].enc, tree(NV_L2));
	mock_vmwrite(nv_fields[F_CPU_CTL].enc, V12(&M.v, CPU_CTL) & ~(u64)(CPU_CR3_LOAD | CPU_CR3_STORE | CPU_INVLPG));
	last_vpid = 0;
	flush(NV_L1); /* nothing of the trees is known yet */
	flush(NV_L2);
	while (nested_more()) {
		step();
		check();
		if (!nested_settle() && M.ret == NV_USER)
			break;
	}
	mock_stop();
	return 0;
}
