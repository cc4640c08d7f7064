/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VM entry and exit of the L1 in nest.c. The registers stand first in struct nv_vcpu, in the order instructions encode them. */
#define R(n) 8 * (n)
#define HOST_RSP 0x6c14

	.text
/* int nest_enter(u64 regs[16], bool launched): 0 after a VM exit, 1 when the entry itself failed */
	.globl nest_enter
nest_enter:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	movl	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
	btl	$0, %esi
	movq	%rdi, %rax
	movq	R(1)(%rax), %rcx
	movq	R(2)(%rax), %rdx
	movq	R(3)(%rax), %rbx
	movq	R(5)(%rax), %rbp
	movq	R(6)(%rax), %rsi
	movq	R(7)(%rax), %rdi
	movq	R(8)(%rax), %r8
	movq	R(9)(%rax), %r9
	movq	R(10)(%rax), %r10
	movq	R(11)(%rax), %r11
	movq	R(12)(%rax), %r12
	movq	R(13)(%rax), %r13
	movq	R(14)(%rax), %r14
	movq	R(15)(%rax), %r15
	movq	R(0)(%rax), %rax
	jnc	1f
	vmresume
	jmp	2f
1:	vmlaunch
2:	movl	$1, %eax
	popq	%rdi
	jmp	3f

	.globl nest_exit
nest_exit:
	pushq	%rax
	movq	8(%rsp), %rax
	popq	R(0)(%rax)
	movq	%rcx, R(1)(%rax)
	movq	%rdx, R(2)(%rax)
	movq	%rbx, R(3)(%rax)
	movq	%rbp, R(5)(%rax)
	movq	%rsi, R(6)(%rax)
	movq	%rdi, R(7)(%rax)
	movq	%r8, R(8)(%rax)
	movq	%r9, R(9)(%rax)
	movq	%r10, R(10)(%rax)
	movq	%r11, R(11)(%rax)
	movq	%r12, R(12)(%rax)
	movq	%r13, R(13)(%rax)
	movq	%r14, R(14)(%rax)
	movq	%r15, R(15)(%rax)
	popq	%rdi
	xorl	%eax, %eax
3:	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* The L1 payload, as it is: what runs in L2 here. */
	.data
	.balign	16
	.globl nest_image, nest_image_end
nest_image:
	.incbin	"payload.bin"
nest_image_end:
	.section .note.GNU-stack, "", @progbits
