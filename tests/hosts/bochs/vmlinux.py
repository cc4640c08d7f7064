#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vmlinux.py VMLINUZ OUT OUT_WITHOUT_BTF: unpacks the kernel inside an xz bzImage.

Bochs would spend 100 s in the decompressor, and some more in parsing the .BTF section, which is zeroed in the second file.
Such a kernel refuses to load any BPF program, which libvirt wants to do, hence the first.
"""
import lzma
import struct
import sys


def unpack(image):
    start = image.find(b"\xfd7zXZ\0")
    while start >= 0:
        try:
            kernel = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(image[start:])
            if kernel[:4] == b"\x7fELF":
                return bytearray(kernel)
        except lzma.LZMAError:
            pass
        start = image.find(b"\xfd7zXZ\0", start + 1)
    sys.exit("vmlinux.py: no xz-compressed ELF kernel in there")


def zero_section(elf, wanted):
    shoff, = struct.unpack_from("<Q", elf, 40)
    shentsize, shnum, shstrndx = struct.unpack_from("<HHH", elf, 58)
    # Elf64_Shdr: name, type, flags, addr, offset, size
    headers = [struct.unpack_from("<IIQQQQ", elf, shoff + i * shentsize) for i in range(shnum)]
    names = headers[shstrndx][4]
    for name, _, _, _, offset, size in headers:
        begin = names + name
        if elf[begin:elf.index(0, begin)] == wanted:
            elf[offset:offset + size] = bytes(size)


vmlinux = unpack(open(sys.argv[1], "rb").read())
open(sys.argv[2], "wb").write(vmlinux)
zero_section(vmlinux, b".BTF")
open(sys.argv[3], "wb").write(vmlinux)
