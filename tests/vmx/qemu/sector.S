/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A boot sector: says something through the firmware's debug port, then ends QEMU by isa-debug-exit with status 33. */
	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$message, %si
	movw	$0x402, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	movw	$0xf4, %dx
	movb	$16, %al
	outb	%al, %dx
3:	hlt
	jmp	3b
message:
	.asciz	"\nhello from the boot sector\n"
	.org	510
	.word	0xaa55
