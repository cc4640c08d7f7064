/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The payload on a CPU with nothing below it: what the VMM does otherwise. Entered in 64-bit mode with memory mapped one to one and
 * interrupts off; linked in front of the flat image as a kernel is, so any loader of kernels will do. */
#include "abi.h"

	.text
	.globl bare_start
bare_start:
	movq	$PAYLOAD_ARGS, %rdi
	movl	$PAYLOAD_MAGIC, (%rdi)
	movl	$(PAYLOAD_ENTRY | PAYLOAD_BARE), 4(%rdi)
	movl	$0, 8(%rdi)
	movl	$1, 12(%rdi)
	movq	$(64 << 20), 16(%rdi)
	movl	$PAYLOAD_LOAD_ADDRESS, %eax
	jmp	*%rax
