# SPDX-License-Identifier: LGPL-2.1-or-later
# Boots an uncompressed x86-64 Linux from a flat disk under Bochs: the BIOS's job ends at E820, the rest is plain ATA PIO.
#
# Sectors: 0-7 code; 8-15 segment table (LBA, sectors, address, 0)... 0 and, in its last 16 bytes, the entry point;
# 16-23 boot_params; 24... data. mkdisk.py fills in all but the code.
# Memory: 0x7c00 this, 0x80000 page tables, 0x90000 boot_params, 0x91000 the command line.
.intel_syntax noprefix
.code16
.globl _start
_start:
    cli
    xor ax,ax
    mov ds,ax
    mov es,ax
    mov ss,ax
    mov sp,0x7000
    mov si,offset dap           # INT 13h extended read of sectors 1-23
    mov ah,0x42
    int 0x13
    jc fail
    mov ax,0x9000
    mov es,ax
    mov si,offset bp_template
    xor di,di
    mov cx,2048
    cld
    rep movsw
    xor ebx,ebx                 # boot_params.e820_table, e820_entries
    mov di,0x2d0
    xor bp,bp
1:  mov eax,0xe820
    mov edx,0x534d4150
    mov ecx,20
    int 0x15
    jc 2f
    inc bp
    add di,20
    test ebx,ebx
    jnz 1b
2:  mov ax,bp
    mov es:[0x1e8],al
    in al,0x92                  # A20
    or al,2
    out 0x92,al
    cli
    lgdt gdtr
    mov eax,cr0
    or al,1
    mov cr0,eax
    ljmp 0x10,pm
fail:
    mov dx,0x3f8
    mov al,'F'
    out dx,al
    hlt
    jmp fail
.align 4
dap: .byte 16,0
     .word 23
     .word 0x7e00,0
     .quad 1
.align 8
gdt: .quad 0, 0
     .quad 0x00cf9a000000ffff   # 0x10: 32-bit code
     .quad 0x00cf92000000ffff   # 0x18: data
     .quad 0x00af9a000000ffff   # 0x20: 64-bit code
gdtr: .word 39
      .long gdt
.org 510
.word 0xaa55
.code32
pm: mov ax,0x18
    mov ds,ax
    mov es,ax
    mov ss,ax
    mov esp,0x7000
    mov esi,offset segtab
nextseg:
    mov ebx,[esi]               # LBA
    mov ebp,[esi+4]             # sectors left
    mov edi,[esi+8]             # address
    add esi,16
    test ebp,ebp
    jz done
rd: mov ecx,256                 # ATA READ SECTORS, 256 at most
    cmp ebp,ecx
    jae 1f
    mov ecx,ebp
1:  push ecx
    mov dx,0x1f2
    mov al,cl
    out dx,al
    inc dx
    mov al,bl
    out dx,al
    inc dx
    mov al,bh
    out dx,al
    inc dx
    mov eax,ebx
    shr eax,16
    out dx,al
    inc dx
    shr eax,8
    and al,0x0f
    or al,0xe0
    out dx,al
    inc dx
    mov al,0x20
    out dx,al
    pop ecx
    add ebx,ecx
    sub ebp,ecx
2:  mov edx,0x1f7
3:  in al,dx                    # until not BSY and DRQ
    test al,0x80
    jnz 3b
    test al,0x08
    jz 3b
    push ecx
    mov ecx,128
    mov edx,0x1f0
    rep insd
    pop ecx
    dec ecx
    jnz 2b
    test ebp,ebp
    jnz rd
    jmp nextseg
done:
    mov edi,0x80000             # identity map of 4 GB with 2 MB pages
    xor eax,eax
    mov ecx,0x6000/4
    rep stosd
    mov dword ptr [0x80000],0x81003
    mov dword ptr [0x81000],0x82003
    mov dword ptr [0x81008],0x83003
    mov dword ptr [0x81010],0x84003
    mov dword ptr [0x81018],0x85003
    mov edi,0x82000
    mov eax,0x83
    mov ecx,2048
5:  mov [edi],eax
    mov dword ptr [edi+4],0
    add eax,0x200000
    add edi,8
    loop 5b
    mov eax,0x80000
    mov cr3,eax
    mov eax,0x20
    mov cr4,eax
    mov ecx,0xc0000080          # EFER.LME
    rdmsr
    or eax,0x100
    wrmsr
    mov eax,cr0
    or eax,0x80000001
    mov cr0,eax
    ljmp 0x20,lm
.code64
lm: mov ax,0x18
    mov ds,ax
    mov es,ax
    mov ss,ax
    lgdt [gdtr2]                # __BOOT_CS 0x10, __BOOT_DS 0x18
    mov esi,0x90000
    mov rax,[entry]
    jmp rax
.align 8
gdt2: .quad 0,0
     .quad 0x00af9a000000ffff
     .quad 0x00cf92000000ffff
gdtr2: .word 31
      .quad gdt2
.org 0x1000
segtab:
entry = segtab+0xff0
.org 0x2000
bp_template:
.org 0x3000
