# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lays out a flat disk image for loader.S: kernel segments, initramfs, command line, boot_params."""
import struct

INITRD = 0x10000000     # below the end of 512 MB, above anything the kernel unpacks early
CMDLINE = 0x91000
CHUNK = 65536           # runs of zeroes of this size are left out: the machine's memory is zero
SECTOR = 512
CYLINDER = 16 * 63 * SECTOR
PT_LOAD = 1


def _segments(address, data):
    """[(address, bytes)] for the parts of data that are not zero."""
    parts = []
    for i in range(0, len(data), CHUNK):
        block = data[i:i + CHUNK]
        if not any(block):
            continue
        if parts and parts[-1][0] + len(parts[-1][1]) == address + i:
            parts[-1][1].extend(block)
        else:
            parts.append((address + i, bytearray(block)))
    return parts


def _kernel(elf):
    entry, phoff = struct.unpack_from("<QQ", elf, 24)
    phnum, = struct.unpack_from("<H", elf, 56)
    segments = []
    for i in range(phnum):
        kind, _, offset, _, paddr, filesz = struct.unpack_from("<IIQQQQ", elf, phoff + 56 * i)
        if kind == PT_LOAD:
            segments += _segments(paddr, elf[offset:offset + filesz])
    return entry & 0x7fffffff, segments     # the entry is a virtual address, __START_KERNEL_map + physical


def _write(out, loader, entry, segments, params):
    disk = bytearray(loader)
    assert len(disk) == 0x3000, "loader.bin is not what mkdisk.py was written for"
    lba = len(disk) // SECTOR
    table = b""
    for address, data in segments:
        sectors = -(-len(data) // SECTOR)
        table += struct.pack("<IIII", lba, sectors, address, 0)
        lba += sectors
    assert len(table) + 16 <= 0xff0, "too many segments"
    disk[0x1000:0x1000 + len(table)] = table
    struct.pack_into("<Q", disk, 0x1ff0, entry)
    disk[0x2000:0x3000] = params
    with open(out, "wb") as f:
        f.write(disk)
        for _, data in segments:
            f.write(data)
            f.write(bytes(-len(data) % SECTOR))
        f.write(bytes(-f.tell() % CYLINDER))


def make(out, loader, vmlinux, vmlinuz, initrd, cmdline):
    """Writes the image to the file named out. loader, vmlinux, vmlinuz and initrd are bytes, cmdline a string."""
    entry, segments = _kernel(vmlinux)
    segments.append((INITRD, initrd))
    segments.append((CMDLINE, cmdline.encode() + b"\0"))

    # Linux Documentation/arch/x86/boot.rst: the setup header comes from the bzImage
    params = bytearray(4096)
    end = 0x202 + vmlinuz[0x201]
    params[0x1f1:end] = vmlinuz[0x1f1:end]
    params[0x210] = 0xff                                    # type_of_loader
    params[0x211] |= 1                                      # LOADED_HIGH
    struct.pack_into("<II", params, 0x218, INITRD, len(initrd))
    struct.pack_into("<I", params, 0x228, CMDLINE)
    _write(out, loader, entry, segments, params)


def make_bare(out, loader, program):
    """The same for a program (the bytes of a 64-bit ELF file) that is no Linux and wants nothing but to be entered."""
    _write(out, loader, *_kernel(program), bytes(4096))
