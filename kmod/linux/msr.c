// SPDX-License-Identifier: GPL-2.0-only
/* CPUID as L1 sees it, and the MSRs that are neither in the VMCS nor the core's. */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/fpu/xcr.h>
#include <asm/kvm_para.h>
#include <asm/msr.h>
#include <asm/mtrr.h>
#include <asm/vmx.h>

#include "nestvmx.h"
#include "compat.h"

#define CR_XSAVE_BITS	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)

/* --- the MSRs switched on return to user space --- */

static const u32 switched[NVX_NMSRS] = {
	[NVX_STAR] = MSR_STAR, [NVX_LSTAR] = MSR_LSTAR, [NVX_CSTAR] = MSR_CSTAR, [NVX_FMASK] = MSR_SYSCALL_MASK,
	[NVX_TSC_AUX] = MSR_TSC_AUX,
};

static bool has_switched(int i)
{
	return i != NVX_TSC_AUX || boot_cpu_has(X86_FEATURE_RDTSCP);
}

void nvx_load_msrs(struct nvx_vcpu *x)
{
	int i;

	rdmsrl(MSR_KERNEL_GS_BASE, x->host_kernel_gs);
	wrmsrl(MSR_KERNEL_GS_BASE, x->kernel_gs);
	for (i = 0; i < NVX_NMSRS; i++) {
		if (!has_switched(i))
			continue;
		rdmsrl(switched[i], x->host_msr[i]);
		if (x->msr[i] != x->host_msr[i])
			wrmsrl(switched[i], x->msr[i]);
	}
}

void nvx_put_msrs(struct nvx_vcpu *x)
{
	int i;

	/* L1 and L2 write this one without an exit. */
	rdmsrl(MSR_KERNEL_GS_BASE, x->kernel_gs);
	wrmsrl(MSR_KERNEL_GS_BASE, x->host_kernel_gs);
	for (i = 0; i < NVX_NMSRS; i++)
		if (has_switched(i) && x->msr[i] != x->host_msr[i])
			wrmsrl(switched[i], x->host_msr[i]);
}

static int set_switched(struct nvx_vcpu *x, int i, u64 val)
{
	if (!has_switched(i))
		return -EINVAL;
	/* What WRMSR itself would refuse: #GP in the guest, not in the kernel. */
	if ((i == NVX_LSTAR || i == NVX_CSTAR) && !__is_canonical_address(val, boot_cpu_data.x86_virt_bits))
		return -EINVAL;
	if ((i == NVX_FMASK || i == NVX_TSC_AUX) && val >> 32)
		return -EINVAL;
	preempt_disable();
	x->msr[i] = val;
	if (x->loaded)
		wrmsrl(switched[i], val);
	preempt_enable();
	return 0;
}

static int set_kernel_gs(struct nvx_vcpu *x, u64 val)
{
	if (!__is_canonical_address(val, boot_cpu_data.x86_virt_bits))
		return -EINVAL;
	preempt_disable();
	x->kernel_gs = val;
	if (x->loaded)
		wrmsrl(MSR_KERNEL_GS_BASE, val);
	preempt_enable();
	return 0;
}

static u64 get_kernel_gs(struct nvx_vcpu *x)
{
	u64 v;

	preempt_disable();
	if (x->loaded)
		rdmsrl(MSR_KERNEL_GS_BASE, x->kernel_gs);
	v = x->kernel_gs;
	preempt_enable();
	return v;
}

static int switched_index(u32 msr)
{
	int i;

	for (i = 0; i < NVX_NMSRS; i++)
		if (switched[i] == msr)
			return i;
	return -1;
}

/* --- the rest: storage, or a constant --- */

static const u32 fixed_mtrrs[] = {
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000,
	MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000, MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000,
	MSR_MTRRfix4K_F8000,
};

/* MTRRs have no effect in a guest whose memory types come from EPT; guests read back what they wrote. */
static u64 *stored(struct nvx_vcpu *x, u32 msr)
{
	unsigned int i;

	if (msr - MTRRphysBase_MSR(0) < ARRAY_SIZE(x->mtrr_var))
		return &x->mtrr_var[msr - MTRRphysBase_MSR(0)];
	for (i = 0; i < ARRAY_SIZE(fixed_mtrrs); i++)
		if (fixed_mtrrs[i] == msr)
			return &x->mtrr_fix[i];
	switch (msr) {
	case MSR_MTRRdefType:
		return &x->mtrr_def;
	case MSR_IA32_MISC_ENABLE:
		return &x->misc_enable;
	case MSR_IA32_UCODE_REV:
		return &x->ucode_rev;
	default:
		return NULL;
	}
}

/* QEMU saves and restores these whatever is offered: no paravirtual clock is, nor a machine-check bank. */
static bool ignored(u32 msr)
{
	return msr == MSR_KVM_SYSTEM_TIME || msr == MSR_KVM_WALL_CLOCK || msr == MSR_IA32_MCG_CTL ||
	       msr - MSR_IA32_MC0_CTL < 4 * 10;
}

static bool constant(u32 msr, u64 *ret, bool host)
{
	if (host && ignored(msr)) {
		*ret = 0;
		return true;
	}
	switch (msr) {
	case MSR_MTRRcap:
		*ret = 10 | BIT(8) | BIT(10); /* 10 variable ranges, fixed ones, WC */
		return true;
	case MSR_IA32_MCG_CAP:
	case MSR_IA32_MCG_STATUS:
	case MSR_IA32_PLATFORM_ID:
	case MSR_PLATFORM_INFO:
		*ret = 0;
		return true;
	default:
		return false;
	}
}

int mach_get_msr(struct nv_vcpu *v, u32 msr, u64 *ret, bool host)
{
	struct nvx_vcpu *x = to_nvx(v);
	int i = switched_index(msr);
	u64 *p;

	if (i >= 0) {
		if (!has_switched(i))
			return -EINVAL;
		*ret = x->msr[i];
		return 0;
	}
	if (msr == MSR_KERNEL_GS_BASE) {
		*ret = get_kernel_gs(x);
		return 0;
	}
	p = stored(x, msr);
	if (p) {
		*ret = *p;
		return 0;
	}
	return constant(msr, ret, host) ? 0 : -EINVAL;
}

int mach_set_msr(struct nv_vcpu *v, u32 msr, u64 val, bool host)
{
	struct nvx_vcpu *x = to_nvx(v);
	int i = switched_index(msr);
	u64 *p, old;

	if (i >= 0)
		return set_switched(x, i, val);
	if (msr == MSR_KERNEL_GS_BASE)
		return set_kernel_gs(x, val);
	p = stored(x, msr);
	if (p) {
		*p = val;
		return 0;
	}
	/* Writing a constant its own value back is what restoring a VM does. */
	return host && (ignored(msr) || (constant(msr, &old, host) && old == val)) ? 0 : -EINVAL;
}

int mach_xsetbv(struct nv_vcpu *v, u32 idx, u64 val)
{
	struct nvx_vcpu *x = to_nvx(v);

	/* SDM 1 13.3: x87 always; AVX needs SSE; the three of AVX-512 together and with AVX. Never more than the host has. */
	if (idx || !(val & XFEATURE_MASK_FP) || val & ~(x->host_xcr0 & CR_XSAVE_BITS))
		return -EINVAL;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return -EINVAL;
	if ((val & XFEATURE_MASK_AVX512) &&
	    ((val & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512 || !(val & XFEATURE_MASK_YMM)))
		return -EINVAL;
	x->xcr0 = val;
	x->xcr0_set = true;
	return 0;
}

u64 mach_get_dr(struct nv_vcpu *v, int n)
{
	struct nvx_vcpu *x = to_nvx(v);

	return n == 6 ? x->dr6 : n >= 0 && n < 4 ? x->dr[n] : 0;
}

void mach_set_dr(struct nv_vcpu *v, int n, u64 val)
{
	struct nvx_vcpu *x = to_nvx(v);

	if (n == 6) {
		x->dr6 = val;
	} else if (n >= 0 && n < 4) {
		x->dr[n] = val;
		x->dr_used |= val != 0;
	}
}

void nvx_msr_reset(struct nvx_vcpu *x)
{
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		x->host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	x->xcr0 = XFEATURE_MASK_FP;
	x->dr6 = 0xffff0ff0;
	x->misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING;
	x->mtrr_def = BIT(11) | 6; /* enabled, write-back */
	x->ucode_rev = 1ULL << 32;
}

/* --- KVM_GET_MSRS, KVM_SET_MSRS --- */

/* Those a VMM saves: KVM_GET_MSR_INDEX_LIST. The VMX capability MSRs follow from the CPU and the module's parameters. */
static const u32 saved[] = {
	MSR_IA32_TSC, MSR_IA32_APICBASE, MSR_IA32_FEAT_CTL, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_IA32_CR_PAT, MSR_IA32_DEBUGCTLMSR, MSR_IA32_MISC_ENABLE, MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
	MSR_SYSCALL_MASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX, MSR_MTRRdefType,
};

int nvx_get_msr_list(struct kvm_msr_list __user *u)
{
	u32 n, have = ARRAY_SIZE(saved);

	if (get_user(n, &u->nmsrs) || put_user(have, &u->nmsrs))
		return -EFAULT;
	if (n < have)
		return -E2BIG;
	return copy_to_user(u->indices, saved, sizeof(saved)) ? -EFAULT : 0;
}

int nvx_msrs(struct nvx_vcpu *x, struct kvm_msrs __user *u, bool write)
{
	struct kvm_msr_entry e;
	u32 i, n;

	if (get_user(n, &u->nmsrs))
		return -EFAULT;
	if (n > 256)
		return -E2BIG;
	for (i = 0; i < n; i++) {
		if (copy_from_user(&e, &u->entries[i], sizeof(e)))
			return -EFAULT;
		if (write ? nv_set_msr(&x->v, e.index, e.data, true) : nv_get_msr(&x->v, e.index, &e.data, true))
			break;
		if (!write && copy_to_user(&u->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return i; /* how many were done, as KVM answers */
}

/* --- CPUID --- */

enum { EAX, EBX, ECX, EDX };

/* Features we can give: what needs a control that vmcs01 lacks, or state that nobody switches, is not in here. */
#define LEAF1_ECX	(BIT(0) | BIT(1) | BIT(5) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | BIT(25) | \
			 BIT(26) | BIT(28) | BIT(29) | BIT(30)) /* SSE3 PCLMUL VMX SSSE3 FMA CX16 ... XSAVE AVX F16C RDRAND */
#define LEAF1_EDX	0x0783bbff	/* FPU..PGE, CMOV PAT PSE36 CLFSH MMX FXSR SSE SSE2; no MCA: there are no banks */
#define LEAF7_EBX	(BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | BIT(20) | \
			 BIT(23) | BIT(24) | BIT(28) | BIT(29) | BIT(30) | BIT(31))
#define LEAF7_ECX	(BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(22))
#define CPU2_RDTSCP	BIT(3)
#define CPU2_INVPCID	BIT(12)

static void filter(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		e->ecx = (e->ecx & LEAF1_ECX) | BIT(31);
		e->edx &= LEAF1_EDX;
		e->ebx = (e->ebx & 0xff00) | 1 << 16;
		break;
	case 7:
		e->eax = 0;
		e->ebx &= LEAF7_EBX | (nv_caps.cpu2 & CPU2_INVPCID ? BIT(10) : 0);
		e->ecx &= LEAF7_ECX;
		e->edx = 0;
		break;
	case 0xd:
		if (e->index == 0) {
			e->eax &= CR_XSAVE_BITS;
			e->edx = 0;
		} else if (e->index == 1) {
			e->eax &= BIT(0) | BIT(1) | BIT(2); /* no XSAVES */
			e->ebx = e->ecx = e->edx = 0;
		} else if (!(CR_XSAVE_BITS & BIT_ULL(e->index))) {
			e->eax = e->ebx = e->ecx = e->edx = 0;
		}
		break;
	case 0x80000001:
		e->ecx &= BIT(0) | BIT(5) | BIT(8);
		e->edx &= BIT(11) | BIT(20) | BIT(26) | BIT(29) | (nv_caps.cpu2 & CPU2_RDTSCP ? BIT(27) : 0);
		break;
	case 0x80000007:
		e->eax = e->ebx = e->ecx = 0;
		e->edx &= BIT(8); /* invariant TSC */
		break;
	case 0x80000008:
		e->eax &= 0xffff;
		e->ebx = e->ecx = e->edx = 0;
		break;
	}
}

static const struct {
	u32 leaf, subleaves; /* 0: the subleaf does not matter */
} leaves[] = {
	{ 0, 0 }, { 1, 0 }, { 2, 0 }, { 4, 4 }, { 7, 1 }, { 0xd, 10 }, { 0x80000000, 0 }, { 0x80000001, 0 }, { 0x80000002, 0 },
	{ 0x80000003, 0 }, { 0x80000004, 0 }, { 0x80000006, 0 }, { 0x80000007, 0 }, { 0x80000008, 0 },
};

int nvx_get_supported_cpuid(struct kvm_cpuid2 __user *u)
{
	u32 n = 0, room, i, sub, max = boot_cpu_data.cpuid_level;

	if (get_user(room, &u->nent))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(leaves); i++) {
		for (sub = 0; sub < max(leaves[i].subleaves, 1u); sub++) {
			struct kvm_cpuid_entry2 e = { .function = leaves[i].leaf, .index = sub,
						      .flags = leaves[i].subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0 };

			if (leaves[i].leaf < 0x80000000 ? leaves[i].leaf > max : leaves[i].leaf > boot_cpu_data.extended_cpuid_level)
				continue;
			cpuid_count(e.function, sub, &e.eax, &e.ebx, &e.ecx, &e.edx);
			if (e.function == 0)
				e.eax = min(e.eax, 0xdu);
			if (e.function == 0x80000000)
				e.eax = min(e.eax, 0x80000008u);
			filter(&e);
			if (n >= room)
				return -E2BIG;
			if (copy_to_user(&u->entries[n++], &e, sizeof(e)))
				return -EFAULT;
		}
	}
	return put_user(n, &u->nent) ? -EFAULT : 0;
}

/* What the VMM may not give: a feature that filter() left out could be more than a wrong answer (PKU, XSAVES, PCID...). */
static bool allowed(const struct kvm_cpuid_entry2 *e)
{
	struct kvm_cpuid_entry2 hw = { .function = e->function, .index = e->index };

	if (e->function != 1 && e->function != 7 && e->function != 0xd && e->function != 0x80000001)
		return true;
	if (e->function == 0xd && e->index > 1)
		return true;
	cpuid_count(hw.function, hw.index, &hw.eax, &hw.ebx, &hw.ecx, &hw.edx);
	filter(&hw);
	if (e->function == 0xd)
		return !(e->eax & ~hw.eax);
	if (e->function == 7)
		return !(e->ebx & ~hw.ebx) && !(e->ecx & ~hw.ecx);
	/* OSXSAVE, x2APIC and TSC-deadline say nothing to the core; QEMU sets the first two with its own APIC. */
	return !(e->ecx & ~(hw.ecx | (e->function == 1 ? BIT(27) | BIT(21) | BIT(24) : 0)));
}

int nvx_set_cpuid(struct nvx_vcpu *x, struct kvm_cpuid2 __user *u)
{
	struct nv_cpuid *fresh;
	struct kvm_cpuid_entry2 e;
	u32 i, n;
	int r = 0;

	if (get_user(n, &u->nent))
		return -EFAULT;
	if (n > NVX_MAX_CPUID)
		return -E2BIG;
	fresh = kcalloc(NVX_MAX_CPUID, sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return -ENOMEM;
	for (i = 0; i < n && !r; i++) {
		if (copy_from_user(&e, &u->entries[i], sizeof(e)))
			r = -EFAULT;
		else if (!allowed(&e))
			r = -EINVAL;
		else
			fresh[i] = (struct nv_cpuid){ .leaf = e.function, .sub = e.index,
						      .sub_significant = e.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
						      .eax = e.eax, .ebx = e.ebx, .ecx = e.ecx, .edx = e.edx };
	}
	if (!r) {
		memcpy(x->cpuid, fresh, sizeof(x->cpuid));
		x->v.cpuid = x->cpuid;
		x->v.ncpuid = n;
	}
	kfree(fresh);
	return r;
}
