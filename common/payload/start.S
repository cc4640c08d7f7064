/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entry, exception stubs, VM entry and exit, and the code that L2 runs. GS holds struct cpu (cpu.h: the offsets). */
#include "cpu.h"

	.section .text.start, "ax"
	.code64
	.globl _start
_start:
	/* RDI = this vCPU's arguments; entered once per vCPU. The image is flat and the VMM's memory zeroed: no bss to clear. */
	movl	8(%rdi), %eax
	imulq	$CPU_SIZE, %rax
	leaq	cpus(%rip), %rsi
	addq	%rax, %rsi
	leaq	CPU_STACK_TOP(%rsi), %rsp
	call	payload_main
1:	hlt
	jmp	1b

	.text
/* Exceptions: vector and error code, then one handler that either jumps to the fix-up or reports. */
	.macro stub has_error
	.balign 16
	.if \has_error == 0
	pushq	$0
	.endif
	pushq	$i
	jmp	exception_common
	.endm

	.balign 16
	.globl exception_stubs
exception_stubs:
	.set i, 0
	.rept 32
	.if (i == 8) || (i >= 10 && i <= 14) || (i == 17) || (i == 21)
	stub 1
	.else
	stub 0
	.endif
	.set i, i + 1
	.endr

exception_common:
	pushq	%rax
	pushq	%rcx
	movq	%gs:CPU_FIXUP, %rax
	testq	%rax, %rax
	jz	1f
	movq	16(%rsp), %rcx		/* vector */
	movl	%ecx, %gs:CPU_VECTOR
	movq	24(%rsp), %rcx
	movl	%ecx, %gs:CPU_ERROR
	movq	%rax, 32(%rsp)		/* return address */
	movq	$0, %gs:CPU_FIXUP
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq
1:	movq	16(%rsp), %rdi
	movq	24(%rsp), %rsi
	movq	32(%rsp), %rdx
	movq	%cr2, %rcx
	andq	$-16, %rsp
	call	unexpected_exception

/* int l2_enter(void): 0 = L2 ran and exited, 1 = VMfailInvalid, 2 = VMfailValid. GPRs in and out in struct cpu. */
	.globl l2_enter
l2_enter:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %gs:CPU_L1_RSP
	cmpb	$0, %gs:CPU_LAUNCHED
	movq	%gs:CPU_GPR+8*0, %rax
	movq	%gs:CPU_GPR+8*1, %rcx
	movq	%gs:CPU_GPR+8*2, %rdx
	movq	%gs:CPU_GPR+8*3, %rbx
	movq	%gs:CPU_GPR+8*5, %rbp
	movq	%gs:CPU_GPR+8*6, %rsi
	movq	%gs:CPU_GPR+8*7, %rdi
	movq	%gs:CPU_GPR+8*8, %r8
	movq	%gs:CPU_GPR+8*9, %r9
	movq	%gs:CPU_GPR+8*10, %r10
	movq	%gs:CPU_GPR+8*11, %r11
	movq	%gs:CPU_GPR+8*12, %r12
	movq	%gs:CPU_GPR+8*13, %r13
	movq	%gs:CPU_GPR+8*14, %r14
	movq	%gs:CPU_GPR+8*15, %r15
	jne	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	movl	$1, %eax
	jc	3f
	movl	$2, %eax
3:	movq	%gs:CPU_L1_RSP, %rsp
	jmp	l2_restore

	.globl l2_exit
l2_exit:
	movq	%rax, %gs:CPU_GPR+8*0
	movq	%rcx, %gs:CPU_GPR+8*1
	movq	%rdx, %gs:CPU_GPR+8*2
	movq	%rbx, %gs:CPU_GPR+8*3
	movq	%rbp, %gs:CPU_GPR+8*5
	movq	%rsi, %gs:CPU_GPR+8*6
	movq	%rdi, %gs:CPU_GPR+8*7
	movq	%r8, %gs:CPU_GPR+8*8
	movq	%r9, %gs:CPU_GPR+8*9
	movq	%r10, %gs:CPU_GPR+8*10
	movq	%r11, %gs:CPU_GPR+8*11
	movq	%r12, %gs:CPU_GPR+8*12
	movq	%r13, %gs:CPU_GPR+8*13
	movq	%r14, %gs:CPU_GPR+8*14
	movq	%r15, %gs:CPU_GPR+8*15
	movq	%gs:CPU_L1_RSP, %rsp
	movb	$1, %gs:CPU_LAUNCHED
	xorl	%eax, %eax
l2_restore:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* For costs: the exit handlers of an L1 that does next to nothing, CPU_COUNT times. */
	.globl l2_exit_bare
l2_exit_bare:
	decq	%gs:CPU_COUNT
	jz	l2_exit
	vmresume
	jmp	bench_failed

/* What a hypervisor of today does on an exit: ten reads, four writes. RIP moves past CPUID: L2 loops. */
	.globl l2_exit_10r4w
l2_exit_10r4w:
	decq	%gs:CPU_COUNT
	jz	l2_exit
	.irp field, 0x4402, 0x4404, 0x440c, 0x4408, 0x6400, 0x6820, 0x681c, 0x4824, 0x4816
	movl	$\field, %edx
	vmread	%rdx, %rax
	.endr
	movl	$0x681e, %edx
	vmread	%rdx, %rax
	addq	$2, %rax
	vmwrite	%rax, %rdx		/* GUEST_RIP */
	xorl	%eax, %eax
	movl	$0x4016, %edx
	vmwrite	%rax, %rdx		/* VM_ENTRY_INTR_INFO */
	movl	$0x4824, %edx
	vmwrite	%rax, %rdx		/* GUEST_INTERRUPTIBILITY */
	movl	$0x6c14, %edx
	vmwrite	%rsp, %rdx		/* HOST_RSP: nobody shadows it */
	vmresume
bench_failed:
	movq	%gs:CPU_L1_RSP, %rsp
	movl	$3, %eax
	jmp	l2_restore

/* ---- L2, 64-bit ---- */
	.macro l2 name
	.balign 16
	.globl \name
\name:
	.endm

	l2 l2_vmcall
	vmcall
	jmp	l2_vmcall

	l2 l2_cpuid
	cpuid
	jmp	l2_cpuid

/* 64-bit: proves the mode by an address and a register that 32 bits do not have. */
	l2 l2_mode64
	movabsq	$0x123456789abcdef0, %r15
	movq	%r15, %rax
	shrq	$32, %rax
	vmcall

/* RBX = first page, RCX = number of pages, RDI = where the ticks of each touch go. */
	l2 l2_touch
1:	rdtsc
	movl	%eax, %esi
	movb	(%rbx), %al
	rdtsc
	subl	%esi, %eax
	movl	%eax, (%rdi)
	addq	$4, %rdi
	addq	$4096, %rbx
	decq	%rcx
	jnz	1b
	vmcall

/* RBX = address: write it, read it back. */
	l2 l2_store
	movq	%rax, (%rbx)
	movq	(%rbx), %rdx
	vmcall

	l2 l2_fetch
	call	*%rbx
	vmcall

/* RBX = address of a word that counts: three before, three after the whole VM has moved. */
	l2 l2_save
	movl	$3, %ecx
1:	incl	(%rbx)
	loop	1b
	movl	$0x513, %edx
	outl	%eax, %dx
	movl	$3, %ecx
2:	incl	(%rbx)
	loop	2b
	vmcall

	l2 l2_rdmsr
	rdmsr
	vmcall

	l2 l2_wrmsr
	wrmsr
	vmcall

	l2 l2_ud
	ud2

	l2 l2_sti_hlt
	hlt
	vmcall

	l2 l2_movcr8
	movq	%cr8, %rax
	vmcall

	l2 l2_setcr8
	movq	%rax, %cr8
	movq	%cr8, %rdx
	vmcall

	l2 l2_vmxon
	vmxoff
	vmcall

	l2 l2_spin
	incq	%rax
	cmpq	$3000000, %rax
	jb	l2_spin
	vmcall			/* whatever was to end this did not come */

	l2 l2_io
	outb	%al, %dx
	vmcall

/* ---- L2, 32-bit protected mode, paging on or off ---- */
	.code32
	l2 l2_mode32
	movl	$0x7fffffff, %eax
	incl	%eax			/* in 64-bit mode these two bytes were prefixes */
	.byte	0x40			/* inc %eax; in 64-bit mode REX */
	vmcall

/* ---- L2, real mode; copied to PAYLOAD_LOW_CODE ---- */
	.code16
	.balign 16
	.globl l2_real, l2_real_end
l2_real:
	movw	$0x1234, %ax
	shlw	$4, %ax
	pushw	%cs
	popw	%bx
	vmcall
l2_real_end:
	.code64

	.section .note.GNU-stack, "", @progbits
