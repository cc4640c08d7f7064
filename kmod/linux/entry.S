/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VM entry and exit. The order around the barriers is the one the running kernel's mitigations need: buffers are cleared
 * after the last host value was loaded; on exit registers are cleared and the RSB is filled before the first RET.
 */
#include <linux/linkage.h>
#include <linux/version.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#ifdef UNWIND_HINT_SAVE
#include <asm/unwind_hints.h>
#endif

/* What the running kernel's mitigations ask for at VM entry and exit; the names have changed. */
#if defined(X86_FEATURE_CLEAR_BHB_VMEXIT)
#define NVX_FEATURE_BHB X86_FEATURE_CLEAR_BHB_VMEXIT
#elif defined(X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT)
#define NVX_FEATURE_BHB X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#endif

/* struct nv_vcpu: regs[16] stands first, in the order in which instructions encode registers */
#define R(n) 8 * (n)
#define ENC_HOST_RSP 0x6c14

	.text
/* int nvx_enter(struct nv_vcpu *v, bool launched, u64 *host_rsp): 0 after a VM exit, 1 when the entry itself failed */
SYM_FUNC_START(nvx_enter)
	push	%rbp
	mov	%rsp, %rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdi

	/* HOST_RSP changes only when KVM_RUN was entered from another stack depth */
	cmp	%rsp, (%rdx)
	je	.Lrsp_written
	mov	%rsp, (%rdx)
	mov	$ENC_HOST_RSP, %eax
	vmwrite	%rsp, %rax
.Lrsp_written:
	mov	%rdi, %rax
	bt	$0, %esi
	mov	R(1)(%rax), %rcx
	mov	R(2)(%rax), %rdx
	mov	R(3)(%rax), %rbx
	mov	R(5)(%rax), %rbp
	mov	R(6)(%rax), %rsi
	mov	R(7)(%rax), %rdi
	mov	R(8)(%rax), %r8
	mov	R(9)(%rax), %r9
	mov	R(10)(%rax), %r10
	mov	R(11)(%rax), %r11
	mov	R(12)(%rax), %r12
	mov	R(13)(%rax), %r13
	mov	R(14)(%rax), %r14
	mov	R(15)(%rax), %r15
	mov	R(0)(%rax), %rax
	/* VERW clobbers ZF only: CF still says which instruction */
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM
	/* At first for VMRUN only: VMX went by the other. Of late this one is set whenever the other is. */
	ALTERNATIVE_2 "jmp .Lno_verw", "", X86_FEATURE_CLEAR_CPU_BUF, "", X86_FEATURE_CLEAR_CPU_BUF_VM
#else
	ALTERNATIVE "jmp .Lno_verw", "", X86_FEATURE_CLEAR_CPU_BUF
#endif
	verw	.Lverw_selector(%rip)
.Lno_verw:
	jnc	.Lvmlaunch

	/* After the entry execution goes on at nvx_vmexit, where the VMCS says so */
	UNWIND_HINT_SAVE
.Lvmresume:
	vmresume
	jmp	.Lvmfail
.Lvmlaunch:
	vmlaunch
	jmp	.Lvmfail

SYM_INNER_LABEL(nvx_vmexit, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rax
	mov	8(%rsp), %rax
	pop	R(0)(%rax)
	mov	%rcx, R(1)(%rax)
	mov	%rdx, R(2)(%rax)
	mov	%rbx, R(3)(%rax)
	mov	%rbp, R(5)(%rax)
	mov	%rsi, R(6)(%rax)
	mov	%rdi, R(7)(%rax)
	mov	%r8, R(8)(%rax)
	mov	%r9, R(9)(%rax)
	mov	%r10, R(10)(%rax)
	mov	%r11, R(11)(%rax)
	mov	%r12, R(12)(%rax)
	mov	%r13, R(13)(%rax)
	mov	%r14, R(14)(%rax)
	mov	%r15, R(15)(%rax)
	xor	%ebx, %ebx
.Lclear_regs:
	/* Guest values must not be there for speculation; RBX holds the result, what stays on the stack is ours */
	pop	%rax
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	FILL_RETURN_BUFFER %_ASM_CX, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT,\
			   X86_FEATURE_RSB_VMEXIT_LITE
	call	nvx_spec_ctrl_host
#ifdef NVX_FEATURE_BHB
	ALTERNATIVE "", "call nvx_clear_bhb", NVX_FEATURE_BHB
#endif
	mov	%ebx, %eax
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET

.Lvmfail:
	mov	$1, %ebx
	jmp	.Lclear_regs
SYM_FUNC_END(nvx_enter)

	.section .rodata
.Lverw_selector:
	.word	__KERNEL_DS
	.previous

/*
 * Overwrites the branch history: the sequence of Intel's "Branch History Injection and Intra-mode Branch Target Injection",
 * 5 calls deep, 5 branches in each. The kernel's own is not exported to us everywhere. Clobbers RAX, RCX.
 */
SYM_FUNC_START_LOCAL(nvx_clear_bhb)
	mov	$5, %ecx
	call	nvx_bhb_outer
	lfence
	RET
SYM_FUNC_END(nvx_clear_bhb)

	.balign	64
SYM_FUNC_START_LOCAL(nvx_bhb_outer)
	call	nvx_bhb_inner
	RET
SYM_FUNC_END(nvx_bhb_outer)

	.balign	64
SYM_FUNC_START_LOCAL(nvx_bhb_inner)
	mov	$5, %eax
1:	jmp	2f
	nop
2:	sub	$1, %eax
	jnz	1b
	sub	$1, %ecx
	jnz	nvx_bhb_outer
	RET
SYM_FUNC_END(nvx_bhb_inner)
