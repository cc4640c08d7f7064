// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdio.h>
#include <stdlib.h>

#include "mock.h"

struct mock M;

struct hw_vmcs {
	u64 val[NV_NFIELDS];
};
static struct hw_vmcs hw[3];
static struct nv_vmcs *current_;

void mock_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: rule broken: %s\n", file, line, what);
	abort();
}

/* ---- VMCSs ---- */

static struct hw_vmcs *hw_of(struct nv_vmcs *m)
{
	MOCK_CHECK(m);
	return m->region;
}

u64 mach_vmread(u32 enc)
{
	int f = nv_field_of(enc);

	MOCK_CHECK(current_ && f >= 0);
	return hw_of(current_)->val[f];
}

void mach_vmwrite(u32 enc, u64 v)
{
	int f = nv_field_of(enc);

	MOCK_CHECK(current_ && f >= 0);
	/* The CPU would refuse, or cut: a wider value than the field is a mistake of the core. */
	MOCK_CHECK(nv_enc_width(enc) != NV_W16 || !(v >> 16));
	MOCK_CHECK(nv_enc_width(enc) != NV_W32 || !(v >> 32));
	hw_of(current_)->val[f] = v;
}

void mach_vmcs_load(struct nv_vcpu *v, struct nv_vmcs *m)
{
	M.loads++;
	v->cur = m;
	current_ = m;
	m->cpu = 0;
}

void mach_vmcs_clear(struct nv_vcpu *v, struct nv_vmcs *m)
{
	(void)v;
	M.clears++;
	if (current_ == m)
		current_ = NULL;
	m->cpu = -1;
	m->launched = false;
}

#define SECRET 0x5ec2e7a9d4000000ull
static u64 host_state(int f)
{
	switch (nv_enc_width(nv_fields[f].enc)) {
	case NV_W16:
		return (u64)f * 8;
	case NV_W32:
		return 0x10;
	default:
		return SECRET | (u64)f;
	}
}

void mach_host_state(struct nv_vcpu *v, struct nv_vmcs *m)
{
	(void)v;
	for (int f = 0; f < NV_NFIELDS; f++)
		if (nv_fields[f].group == NV_G_HOST)
			nv_put(m, (enum nv_field)f, host_state(f));
}

void mock_hw(enum nv_field f, u64 val)
{
	hw_of(current_)->val[f] = val;
}

u64 mock_hw_get(enum nv_field f)
{
	return hw_of(current_)->val[f];
}

/* ---- TLB ---- */

void mach_invept(u64 type, u64 eptp)
{
	MOCK_CHECK(M.in_commit && (type == 1 || type == 2));
	M.invepts++;
	for (int i = 0; i < MOCK_TLB; i++)
		if (type == 2 || !((M.tlb[i].eptp ^ eptp) & EPTP_ADDR))
			M.tlb[i].used = false;
}

void mach_invvpid(u64 type, u16 vpid, u64 gva)
{
	(void)gva;
	MOCK_CHECK(M.in_commit && type == 1 && vpid);
	M.invvpids++;
	for (int i = 0; i < MOCK_TLB; i++)
		if (M.tlb[i].vpid == vpid)
			M.tlb[i].used = false;
}

/* ---- what runs out ---- */

static bool fails(long *in)
{
	if (!*in || --*in)
		return false;
	M.failures++;
	return true;
}

/* ---- L1's memory ---- */

static void wrote(u64 gpa)
{
	M.wrote[gpa / 4096] = ++M.serial;
}

static bool in_ram(u64 gpa, u32 len)
{
	return gpa < MOCK_RAM && len <= MOCK_RAM - gpa && !M.gone[gpa / 4096];
}

int mach_read_guest(struct nv_vm *vm, u64 gpa, void *buf, u32 len)
{
	(void)vm;
	MOCK_CHECK((gpa & 4095) + len <= 4096);
	MOCK_CHECK(!M.locked);
	if (!in_ram(gpa, len))
		return -EFAULT;
	memcpy(buf, M.ram + gpa, len);
	if (M.on_read)
		M.on_read(gpa, len);
	return 0;
}

int mach_write_guest(struct nv_vm *vm, u64 gpa, const void *buf, u32 len)
{
	(void)vm;
	MOCK_CHECK((gpa & 4095) + len <= 4096);
	MOCK_CHECK(!M.locked);
	if (!in_ram(gpa, len) || M.rom[gpa / 4096])
		return -EFAULT;
	memcpy(M.ram + gpa, buf, len);
	wrote(gpa);
	return 0;
}

int mach_cmpxchg_guest(struct nv_vm *vm, u64 gpa, u64 old, u64 new_, u32 size)
{
	u64 cur = 0;

	(void)vm;
	MOCK_CHECK((size == 4 || size == 8) && !(gpa & (size - 1)));
	if (!in_ram(gpa, size) || M.rom[gpa / 4096])
		return -EFAULT;
	memcpy(&cur, M.ram + gpa, size);
	if (cur != old)
		return 1;
	memcpy(M.ram + gpa, &new_, size);
	if ((old ^ new_) & ~(EPT_A | EPT_D | PT_A | PT_D)) /* flags change no translation */
		wrote(gpa);
	return 0;
}

int mach_map_page(struct nv_vm *vm, u64 gpa, struct nv_map *map)
{
	(void)vm;
	MOCK_CHECK(!(gpa & 4095));
	MOCK_CHECK(map->gpa == NV_NOMAP); /* a map in use would be leaked (bug class 12) */
	if (!in_ram(gpa, 4096) || fails(&M.fail_map_in))
		return -EFAULT;
	M.pins[gpa / 4096]++;
	map->gpa = gpa;
	map->va = M.ram + gpa;
	map->hpa = mock_hpa(gpa);
	return 0;
}

void mach_unmap_page(struct nv_vm *vm, struct nv_map *map)
{
	(void)vm;
	MOCK_CHECK(map->gpa != NV_NOMAP && M.pins[map->gpa / 4096]);
	M.pins[map->gpa / 4096]--;
	map->gpa = NV_NOMAP;
	map->va = NULL;
}

u64 mock_hpa(u64 l1_gpa)
{
	return HPA_BASE + l1_gpa;
}

/* All of this 2 MiB is there, and to be treated alike. */
static bool whole(u64 number)
{
	for (u64 i = number * 512; i < (number + 1) * 512; i++)
		if (M.gone[i] || M.rom[i])
			return false;
	return true;
}

int mach_get_backing(struct nv_vm *vm, u64 gpa, bool write, struct nv_backing *ret)
{
	(void)vm;
	MOCK_CHECK(!M.locked);
	if (!in_ram(gpa, 1))
		return gpa < MOCK_RAM ? -EFAULT : -ENXIO;
	if (fails(&M.fail_backing_in))
		return -EFAULT;
	ret->shift = M.large && whole(gpa >> 21) ? 21 : 12;
	if (write && M.rom[gpa / 4096])
		return -EROFS;
	ret->hpa = mock_hpa(gpa & ~4095ull);
	ret->writable = !M.rom[gpa / 4096];
	return 0;
}

bool mach_is_ram(struct nv_vm *vm, u64 gpa)
{
	(void)vm;
	return gpa < MOCK_RAM;
}

u64 mach_mmu_seq(struct nv_vm *vm)
{
	(void)vm;
	return M.seq;
}

bool mach_mmu_retry(struct nv_vm *vm, u64 seq)
{
	(void)vm;
	return M.notifier_active || M.seq != seq;
}

void mach_mmu_lock(struct nv_vm *vm)
{
	(void)vm;
	MOCK_CHECK(!M.locked);
	M.locked = true;
}

void mach_mmu_unlock(struct nv_vm *vm)
{
	(void)vm;
	MOCK_CHECK(M.locked);
	M.locked = false;
}

/* ---- allocation ---- */

#define MAX_TABLES 8192
static void *tables[MAX_TABLES]; /* M.pages of them */

void *mach_alloc_page(struct nv_vm *vm)
{
	void *p;

	(void)vm;
	MOCK_CHECK(!M.locked);
	if (fails(&M.fail_in))
		return NULL;
	p = aligned_alloc(4096, 4096);
	MOCK_CHECK(p);
	memset(p, 0, 4096);
	MOCK_CHECK(M.pages < MAX_TABLES);
	tables[M.pages++] = p;
	return p;
}

/* Below 4 GiB in the CPU's eyes; nobody walks it here. */
void *mach_alloc_low_page(struct nv_vm *vm)
{
	return mach_alloc_page(vm);
}

void mach_free_page(struct nv_vm *vm, void *va)
{
	long i = 0;

	(void)vm;
	while (i < M.pages && tables[i] != va)
		i++;
	MOCK_CHECK(i < M.pages); /* freed twice, or never taken */
	tables[i] = tables[--M.pages];
	free(va);
}

void *mach_alloc(size_t size)
{
	void *p;

	if (fails(&M.fail_in))
		return NULL;
	p = calloc(1, size);
	M.allocs++;
	return p;
}

void mach_free(void *p)
{
	if (p)
		M.allocs--;
	free(p);
}

/* Set in the physical address of what mach_alloc_page() gave. */
#define TABLE (1ull << 51)
#define VMCS_HPA 0x2ec300000000ull

u64 mach_pa(const void *va)
{
	return (u64)(uintptr_t)va | TABLE;
}

void *mach_va(u64 hpa)
{
	return (void *)(uintptr_t)(hpa & ~TABLE);
}

#ifdef __clang__
__attribute__((no_sanitize("coverage")))
#endif
bool mock_is_secret(u64 val)
{
	if (val >> 24 == SECRET >> 24 || val - HPA_BASE < MOCK_RAM || val - VMCS_HPA < 0x3000)
		return true;
	if (val >> 47 != TABLE >> 47)
		return false;
	for (long i = 0; i < M.pages; i++)
		if ((mach_pa(tables[i]) ^ val) >> 12 == 0)
			return true;
	return false;
}

/* ---- CPU ---- */

u64 mach_host_msr(u32 msr)
{
	return M.msr[msr & 0xfff];
}

u64 mach_phys_mask(void)
{
	return (1ull << 46) - 1;
}

u64 mach_tsc(void)
{
	return M.tsc += 100;
}

u32 mach_tsc_khz(void)
{
	return 50000;
}

int mach_get_msr(struct nv_vcpu *v, u32 msr, u64 *ret, bool host)
{
	(void)v;
	(void)host;
	if (msr < M_STAR || msr >= M_STAR + 4)
		return -EINVAL;
	*ret = M.guest_msr[msr - M_STAR];
	return 0;
}

int mach_set_msr(struct nv_vcpu *v, u32 msr, u64 val, bool host)
{
	(void)v;
	(void)host;
	if (msr < M_STAR || msr >= M_STAR + 4)
		return -EINVAL;
	M.guest_msr[msr - M_STAR] = val;
	return 0;
}

int mach_xsetbv(struct nv_vcpu *v, u32 idx, u64 val)
{
	(void)v;
	return idx == 0 && (val & 1) ? 0 : -EINVAL;
}

u64 mach_get_dr(struct nv_vcpu *v, int n)
{
	(void)v;
	return M.dr[n];
}

void mach_set_dr(struct nv_vcpu *v, int n, u64 val)
{
	(void)v;
	M.dr[n] = val;
}

void mach_barrier(struct nv_vcpu *v)
{
	(void)v;
	M.barriers++;
}

void mach_kick_sync(struct nv_vcpu *v)
{
	(void)v;
	MOCK_CHECK(M.locked);
	M.kicks++;
	/* It leaves, and before it enters again it does what was requested. */
	if (v->mmu->flush & NV_FL_EPT_ALL)
		memset(M.tlb, 0, sizeof(M.tlb));
}

/* ---- life ---- */

static const u64 skylake[] = {
	[CAP_BASIC] = 0x00d8100000000012ull | BASIC_INS_OUTS, [CAP_PIN] = 0x000000ff00000016ull, [CAP_CPU] = 0xfff9fffe0401e172ull,
	[CAP_EXIT] = 0x007fffff00036dffull, [CAP_ENTRY] = 0x0000d3ff000011ffull, [CAP_MISC] = 0x0000000020040165ull,
	[CAP_CR0_0] = 0x80000021, [CAP_CR0_1] = 0xffffffff, [CAP_CR4_0] = 0x2000, [CAP_CR4_1] = 0x3727ff, [CAP_ENUM] = 0x34,
	[CAP_CPU2] = 0x02bff7ff00000000ull, [CAP_EPT_VPID] = 0x00000f0106734141ull, [CAP_TRUE_PIN] = 0x000000ff00000016ull,
	[CAP_TRUE_CPU] = 0xfff9fffe04006172ull, [CAP_TRUE_EXIT] = 0x007fffff00036dfbull, [CAP_TRUE_ENTRY] = 0x0000d3ff000011fbull,
};

static const struct nv_params all_on = { .ept = true, .nested_ept = true, .shadow_vmcs = true, .vpid = true, .apicv = true,
					 .unrestricted = true };

static u8 ram[MOCK_RAM] __attribute__((aligned(4096)));

void mock_reset(void)
{
	memset(&M, 0, sizeof(M));
	memset(hw, 0, sizeof(hw));
	current_ = NULL;
	memset(ram, 0, sizeof(ram));
	M.ram = ram;
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(skylake); i++)
		M.msr[(M_VMX_BASIC + i) & 0xfff] = skylake[i];
	nv_params = all_on;
	M.v.vm = &M.vm;
	M.v.vpid01 = 1;
	M.v.vpid02 = 2;
	M.v.vmcs01.region = &hw[0];
	M.v.vmcs02.region = &hw[1];
	M.v.shadow.region = &hw[2];
	M.v.vmcs01.hpa = VMCS_HPA;
	M.v.vmcs02.hpa = VMCS_HPA + 0x1000;
	M.v.shadow.hpa = VMCS_HPA + 0x2000;
}

/* Identity paging for L1: 2 MiB pages over RAM, at G_PT. */
static void l1_paging(void)
{
	mock_write(G_PT, (G_PT + 0x1000) | 7);
	mock_write(G_PT + 0x1000, (G_PT + 0x2000) | 7);
	for (u64 i = 0; i < MOCK_RAM >> 21; i++)
		mock_write(G_PT + 0x2000 + 8 * i, i << 21 | 0xe7);
}

int mock_start(void)
{
	struct nv_sregs s;
	int r = nv_global_init();

	if (r)
		return r;
	r = nv_vm_init(&M.vm);
	if (r)
		return r;
	r = nv_vcpu_init(&M.v);
	if (r) {
		nv_vm_free(&M.vm);
		return r;
	}
	mach_vmcs_load(&M.v, &M.v.vmcs01);
	l1_paging();
	nv_get_sregs(&M.v, &s);
	for (int i = 0; i < 8; i++)
		s.seg[i] = (struct nv_seg){ .sel = 0x10, .limit = 0xffffffff, .ar = 0xc093 };
	s.seg[1] = (struct nv_seg){ .sel = 8, .limit = 0xffffffff, .ar = 0xa09b };
	s.seg[6] = (struct nv_seg){ .ar = 0x10000 };
	s.seg[7] = (struct nv_seg){ .sel = 0x20, .limit = 0x67, .ar = 0x8b };
	s.cr0 = C0_PE | C0_PG | C0_NE | C0_WP | C0_ET;
	s.cr3 = G_PT;
	s.cr4 = C4_PAE | C4_VMXE;
	s.efer = EF_LME | EF_LMA | EF_NX | EF_SCE;
	r = nv_set_sregs(&M.v, &s);
	MOCK_CHECK(!r || !nv_params.unrestricted);
	nv_set_rip_rsp_rflags(&M.v, 0x1000, 0x8000, 2);
	return mock_enter();
}

void mock_stop(void)
{
	if (M.v.n)
		nv_vcpu_free(&M.v);
	nv_vm_free(&M.vm);
	for (unsigned int i = 0; i < MOCK_RAM / 4096; i++)
		MOCK_CHECK(!M.pins[i]);
	MOCK_CHECK(!M.pages && !M.allocs && !M.vm.stats.table_pages);
	current_ = NULL;
}

/* ---- running ---- */

/* What the CPU requires of a VMCS it enters, as far as the core alone is to blame. */
static void entry_rules(void)
{
	struct nv_vcpu *v = &M.v;
	u64 cpu = mock_hw_get(F_CPU_CTL), cpu2 = mock_hw_get(F_CPU2_CTL);

	MOCK_CHECK(current_ == v->cur && (v->cur == &v->vmcs01 || v->cur == &v->vmcs02));
	MOCK_CHECK(v->in_l2 == (v->cur == &v->vmcs02));
	/* Host state is L0's at every entry, whatever L1 wrote. */
	for (int f = 0; f < NV_NFIELDS; f++)
		MOCK_CHECK(nv_fields[f].group != NV_G_HOST || mock_hw_get((enum nv_field)f) == host_state(f));
	MOCK_CHECK(mock_hw_get(F_PIN_CTL) & PIN_EXT_INT);
	MOCK_CHECK(mock_hw_get(F_PIN_CTL) & PIN_NMI);
	MOCK_CHECK(mock_hw_get(F_EXIT_CTL) & EXIT_HOST64);
	MOCK_CHECK((cpu & CPU_UNCOND_IO) && !(cpu & CPU_IO_BITMAPS));
	/* CR8 is the host's unless the TPR is shadowed. */
	MOCK_CHECK((cpu & CPU_TPR_SHADOW) || ((cpu & CPU_CR8_LOAD) && (cpu & CPU_CR8_STORE)));
	MOCK_CHECK(!(cpu2 & CPU2_APIC_ACCESS) || mock_hw_get(F_APIC_ACCESS) >= HPA_BASE);
	MOCK_CHECK(!(cpu & CPU_TPR_SHADOW) || mock_hw_get(F_VIRT_APIC) >= HPA_BASE);
	MOCK_CHECK(!(mock_hw_get(F_PIN_CTL) & PIN_POSTED));
	MOCK_CHECK(mock_hw_get(F_GUEST_CR4) & C4_VMXE);
	MOCK_CHECK(!(mock_hw_get(F_GUEST_CR0) & (C0_CD | C0_NW)));
	if (nv_params.ept) {
		MOCK_CHECK(cpu2 & CPU2_EPT);
		MOCK_CHECK((mock_hw_get(F_EPTP) & 0x3f) == 0x1e);
	}
	if (v->cur == &v->vmcs02)
		MOCK_CHECK(!(cpu2 & CPU2_SHADOW_VMCS) && mock_hw_get(F_VMCS_LINK) == ~0ull);
	/* No x2APIC register may be passed where the CPU would give the host's (CVE-2019-3887). */
	if ((cpu & CPU_MSR_BITMAPS) && !(cpu2 & CPU2_X2APIC)) {
		const u8 *map = mach_va(mock_hw_get(F_MSR_BITMAP));

		for (int i = 0; i < 32; i++)
			MOCK_CHECK(map[0x100 + i] == 0xff && map[0x900 + i] == 0xff);
	}
}

int mock_enter(void)
{
	int r = M.ret = nv_prepare_entry(&M.v);

	M.entered = r == NV_RESUME;
	if (r != NV_RESUME)
		return r;
	M.in_commit = true; /* the only place where the CPU is the one that enters */
	nv_commit_entry(&M.v);
	M.in_commit = false;
	entry_rules();
	M.v.cur->launched = true;
	/* Without a VPID the entry flushes linear translations (29.4.3.1). */
	for (int i = 0; i < MOCK_TLB && !(mock_hw_get(F_CPU2_CTL) & CPU2_VPID); i++)
		M.tlb[i].used &= M.tlb[i].eptp != 0;
	if (M.v.in_l2)
		M.entry02 = M.entry02 ? M.entry02 : ++M.serial;
	else
		M.entry02 = 0;
	return NV_RESUME;
}

int mock_exit(u32 reason, u64 qual)
{
	int r;

	M.entered = false;
	mock_hw(F_EXIT_REASON, reason);
	mock_hw(F_EXIT_QUAL, qual);
	if (reason != XR_EXC_NMI)
		mock_hw(F_EXIT_INTR_INFO, 0);
	mock_hw(F_ENTRY_INTR_INFO, mock_hw_get(F_ENTRY_INTR_INFO) & ~0x80000000ull);
	(void)nv_exit_begin(&M.v);
	r = M.ret = nv_handle_exit(&M.v, false);
	/* The information of one exit is not that of the next. */
	if (current_)
		mock_hw(F_IDT_INFO, 0);
	if (r != NV_RESUME)
		return r;
	return mock_enter();
}

void mock_write(u64 gpa, u64 val)
{
	MOCK_CHECK(gpa + 8 <= MOCK_RAM);
	memcpy(M.ram + gpa, &val, 8);
	wrote(gpa);
}

u64 mock_read(u64 gpa)
{
	u64 val;

	MOCK_CHECK(gpa + 8 <= MOCK_RAM);
	memcpy(&val, M.ram + gpa, 8);
	return val;
}

struct mock_result mock_last(void)
{
	u64 info = mock_hw_get(F_ENTRY_INTR_INFO), fl = mock_hw_get(F_GUEST_RFLAGS);

	if (info & INFO_VALID)
		return (struct mock_result){ FAULT, info & 0xff };
	if (fl & FL_CF)
		return (struct mock_result){ FAIL_INVALID, 0 };
	if (fl & FL_ZF)
		return (struct mock_result){ FAIL_VALID, (u32)M.v.n->val12[F_INSN_ERROR] };
	return (struct mock_result){ OK_, 0 };
}

/* Instruction information: 64-bit address, no index, base RAX, register 2 in bits 31:28; DS. */
#define INFO_MEM (2u << 7 | 1u << 22 | 0u << 23 | 3u << 15)

struct mock_result mock_vmx(u32 reason, u64 operand)
{
	mock_hw(F_GUEST_RFLAGS, mock_hw_get(F_GUEST_RFLAGS) & ~(FL_CF | FL_ZF));
	mock_write(MOCK_OPERAND, operand);
	M.v.regs[R_RAX] = MOCK_OPERAND;
	mock_hw(F_EXIT_INSN_INFO, INFO_MEM);
	mock_hw(F_EXIT_INSN_LEN, 4);
	mock_exit(reason, 0);
	return mock_last();
}

struct mock_result mock_inv(u32 reason, u64 type, u64 d0, u64 d1)
{
	mock_write(MOCK_OPERAND + 8, d1);
	M.v.regs[R_RCX] = type;
	mock_hw(F_GUEST_RFLAGS, mock_hw_get(F_GUEST_RFLAGS) & ~(FL_CF | FL_ZF));
	mock_write(MOCK_OPERAND, d0);
	M.v.regs[R_RAX] = MOCK_OPERAND;
	mock_hw(F_EXIT_INSN_INFO, INFO_MEM | (u32)R_RCX << 28);
	mock_hw(F_EXIT_INSN_LEN, 5);
	mock_exit(reason, 0);
	return mock_last();
}

/* Register operands: encoding in RCX, value in RDX. */
#define INFO_REG (1u << 10 | (u32)R_RDX << 3 | (u32)R_RCX << 28)

struct mock_result mock_vmwrite(u64 enc, u64 val)
{
	M.v.regs[R_RCX] = enc;
	M.v.regs[R_RDX] = val;
	mock_hw(F_GUEST_RFLAGS, mock_hw_get(F_GUEST_RFLAGS) & ~(FL_CF | FL_ZF));
	mock_hw(F_EXIT_INSN_INFO, INFO_REG);
	mock_hw(F_EXIT_INSN_LEN, 3);
	mock_exit(XR_VMWRITE, 0);
	return mock_last();
}

struct mock_result mock_vmread(u64 enc, u64 *ret)
{
	struct mock_result r;

	M.v.regs[R_RCX] = enc;
	mock_hw(F_GUEST_RFLAGS, mock_hw_get(F_GUEST_RFLAGS) & ~(FL_CF | FL_ZF));
	mock_hw(F_EXIT_INSN_INFO, INFO_REG);
	mock_hw(F_EXIT_INSN_LEN, 3);
	mock_exit(XR_VMREAD, 0);
	r = mock_last();
	if (ret)
		*ret = M.v.regs[R_RDX];
	return r;
}

void mock_vmxon(void)
{
	mock_write(G_VMXON, NV_VMCS12_REV);
	mock_write(G_VMCS, NV_VMCS12_REV);
	mock_write(G_VMCS2, NV_VMCS12_REV);
	MOCK_CHECK(mock_vmx(XR_VMXON, G_VMXON).what == OK_);
	MOCK_CHECK(mock_vmx(XR_VMCLEAR, G_VMCS).what == OK_);
	MOCK_CHECK(mock_vmx(XR_VMPTRLD, G_VMCS).what == OK_);
}

void mock_ept_map(u64 l2_gpa, u64 l1_gpa, u64 flags)
{
	/* Four levels at fixed places: RAM needs two leaf tables, and one more at 1 GiB. */
	u64 leaf = l2_gpa < 0x40000000 ? G_EPT + 0x3000 + (l2_gpa >> 21 & 15) * 0x1000 : G_EPT + 0x18000;
	u64 pd = l2_gpa < 0x40000000 ? G_EPT + 0x2000 : G_EPT + 0x17000;

	mock_write(G_EPT, (G_EPT + 0x1000) | 7);
	mock_write(G_EPT + 0x1000 + 8 * (l2_gpa >> 30 & 511), pd | 7);
	mock_write(pd + 8 * (l2_gpa >> 21 & 511), leaf | 7);
	mock_write(leaf + 8 * (l2_gpa >> 12 & 511), flags ? l1_gpa | flags : 0);
}

static void w12(enum nv_field f, u64 val)
{
	MOCK_CHECK(mock_vmwrite(nv_fields[f].enc, val).what == OK_);
}

void mock_good_vmcs12(void)
{
	static const u8 data[] = { F_GUEST_ES_AR, F_GUEST_SS_AR, F_GUEST_DS_AR, F_GUEST_FS_AR, F_GUEST_GS_AR };

	w12(F_PIN_CTL, nv_caps.l1[CAP_TRUE_PIN] & 0xffffffff);
	w12(F_CPU_CTL, (nv_caps.l1[CAP_TRUE_CPU] & 0xffffffff) | CPU_HLT | (nv_params.nested_ept ? CPU_SECONDARY : 0));
	w12(F_EXIT_CTL, (nv_caps.l1[CAP_TRUE_EXIT] & 0xffffffff) | EXIT_HOST64 | EXIT_SAVE_EFER | EXIT_LOAD_EFER);
	w12(F_ENTRY_CTL, (nv_caps.l1[CAP_TRUE_ENTRY] & 0xffffffff) | ENTRY_IA32E | ENTRY_LOAD_EFER);
	if (nv_params.nested_ept) {
		w12(F_CPU2_CTL, CPU2_EPT);
		w12(F_EPTP, G_EPT | 0x1e);
		for (u64 a = 0; a < MOCK_RAM; a += 4096)
			mock_ept_map(a, a, 0x37);
	}
	w12(F_HOST_CR0, 0x80000031);
	w12(F_HOST_CR3, G_PT);
	w12(F_HOST_CR4, C4_PAE | C4_VMXE);
	w12(F_HOST_EFER, EF_LMA | EF_LME | EF_NX);
	w12(F_HOST_CS_SEL, 8);
	w12(F_HOST_SS_SEL, 16);
	w12(F_HOST_DS_SEL, 16);
	w12(F_HOST_ES_SEL, 16);
	w12(F_HOST_TR_SEL, 0x20);
	w12(F_HOST_RIP, 0x5000);
	w12(F_HOST_RSP, 0x9000);
	w12(F_GUEST_CR0, 0x80000031);
	w12(F_GUEST_CR3, G_PT);
	w12(F_GUEST_CR4, C4_PAE | C4_VMXE);
	w12(F_GUEST_EFER, EF_LMA | EF_LME | EF_NX);
	for (unsigned int i = 0; i < NV_ARRAY_SIZE(data); i++)
		w12((enum nv_field)data[i], 0xc093);
	w12(F_GUEST_CS_AR, 0xa09b);
	w12(F_GUEST_CS_LIMIT, 0xffffffff);
	w12(F_GUEST_SS_LIMIT, 0xffffffff);
	w12(F_GUEST_DS_LIMIT, 0xffffffff);
	w12(F_GUEST_ES_LIMIT, 0xffffffff);
	w12(F_GUEST_FS_LIMIT, 0xffffffff);
	w12(F_GUEST_GS_LIMIT, 0xffffffff);
	w12(F_GUEST_CS_SEL, 8);
	w12(F_GUEST_SS_SEL, 16);
	w12(F_GUEST_LDTR_AR, 0x10000);
	w12(F_GUEST_TR_AR, 0x8b);
	w12(F_GUEST_TR_LIMIT, 0x67);
	w12(F_GUEST_TR_SEL, 0x20);
	w12(F_GUEST_DR7, 0x400);
	w12(F_GUEST_RFLAGS, 2);
	w12(F_GUEST_RIP, 0x2000);
	w12(F_GUEST_RSP, 0x7000);
	w12(F_VMCS_LINK, ~0ull);
}

bool mock_launch(void)
{
	mock_vmx(XR_VMLAUNCH, 0);
	return M.v.in_l2;
}

bool mock_resume(void)
{
	mock_vmx(XR_VMRESUME, 0);
	return M.v.in_l2;
}
