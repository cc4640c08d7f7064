// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's x87, SSE and AVX registers. Where the kernel shares KVM's guest states with us, they are the task's from the
 * first entry of KVM_RUN to its end. Elsewhere (NVX_ALONE) they are kernel-mode FPU use around each entry, in an area of ours
 * in the standard format (SDM 1 13.4).
 */
#include <linux/gfp.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>

#include "nestvmx.h"
#include "compat.h"

/* Which features KVM_GET_XSAVE shows: those that mach_xsetbv() lets a guest have. */
#define FEATURES (XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)

static u64 host_xcr0(void)
{
	return boot_cpu_has(X86_FEATURE_OSXSAVE) ? xgetbv(XCR_XFEATURE_ENABLED_MASK) : XFEATURE_MASK_FPSSE;
}

#if !NVX_ALONE

int nvx_fpu_alloc(struct nvx_vcpu *x)
{
	x->host_xcr0 = host_xcr0();
	return fpu_alloc_guest_fpstate(&x->fpu) ? 0 : -ENOMEM;
}

void nvx_fpu_free(struct nvx_vcpu *x)
{
	if (x->fpu.fpstate)
		fpu_free_guest_fpstate(&x->fpu);
}

void nvx_fpu_run_begin(struct nvx_vcpu *x)
{
	fpu_swap_kvm_fpstate(&x->fpu, true);
}

void nvx_fpu_run_end(struct nvx_vcpu *x)
{
	fpu_swap_kvm_fpstate(&x->fpu, false);
}

struct fxregs_state *nvx_fxregs(struct nvx_vcpu *x)
{
	return &x->fpu.fpstate->regs.fxsave;
}

void nvx_fpu_mark_used(struct nvx_vcpu *x)
{
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		x->fpu.fpstate->regs.xsave.header.xfeatures |= XFEATURE_MASK_FPSSE;
}

void nvx_get_xsave(struct nvx_vcpu *x, struct kvm_xsave *s)
{
	memset(s, 0, sizeof(*s));
	fpu_copy_guest_fpstate_to_uabi(&x->fpu, s, sizeof(*s), FEATURES, 0);
}

int nvx_set_xsave(struct nvx_vcpu *x, const struct kvm_xsave *s)
{
	u32 pkru = 0;

	return fpu_copy_uabi_to_guest_fpstate(&x->fpu, s, x->host_xcr0, &pkru);
}

#else /* NVX_ALONE */

/* Components and header (SDM 1 13.4.1, 13.4.2) all lie in the first 2.7 KiB. */
static_assert(sizeof(struct kvm_xsave) == PAGE_SIZE);

static u64 in_use(const struct nvx_vcpu *x)
{
	return FEATURES & x->host_xcr0;
}

int nvx_fpu_alloc(struct nvx_vcpu *x)
{
	x->host_xcr0 = host_xcr0();
	x->xsave = (void *)__get_free_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!x->xsave)
		return -ENOMEM;
	x->xsave->i387.cwd = 0x37f;
	x->xsave->i387.mxcsr = MXCSR_DEFAULT;
	return 0;
}

void nvx_fpu_free(struct nvx_vcpu *x)
{
	free_page((unsigned long)x->xsave);
}

/* Interrupts off until nvx_fpu_leave(): nobody else uses the FPU between. */
void nvx_fpu_enter(struct nvx_vcpu *x)
{
	u64 mask = in_use(x);

	kernel_fpu_begin_mask(0);
	if (boot_cpu_has(X86_FEATURE_XSAVE))
		asm volatile("xrstor64 %0" : : "m"(*x->xsave), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
	else
		asm volatile("fxrstor64 %0" : : "m"(x->xsave->i387) : "memory");
}

void nvx_fpu_leave(struct nvx_vcpu *x)
{
	u64 mask = in_use(x);

	if (boot_cpu_has(X86_FEATURE_XSAVE))
		asm volatile("xsave64 %0" : "+m"(*x->xsave) : "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
	else
		asm volatile("fxsave64 %0" : "+m"(x->xsave->i387) : : "memory");
	kernel_fpu_end();
}

struct fxregs_state *nvx_fxregs(struct nvx_vcpu *x)
{
	return &x->xsave->i387;
}

void nvx_fpu_mark_used(struct nvx_vcpu *x)
{
	x->xsave->header.xfeatures |= XFEATURE_MASK_FPSSE;
}

void nvx_get_xsave(struct nvx_vcpu *x, struct kvm_xsave *s)
{
	memcpy(s, x->xsave, sizeof(*s));
}

/* What XRSTOR would refuse (SDM 1 13.8) is refused here. */
int nvx_set_xsave(struct nvx_vcpu *x, const struct kvm_xsave *s)
{
	const struct xregs_state *new = (const struct xregs_state *)s;

	if (new->header.xfeatures & ~in_use(x) || memchr_inv(&new->header.xcomp_bv, 0, sizeof(new->header) - sizeof(u64)) ||
	    new->i387.mxcsr & ~NVX_MXCSR_MASK)
		return -EINVAL;
	memcpy(x->xsave, s, sizeof(*s));
	return 0;
}

#endif
