#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs on the emulated Intel host: what tests/vmx/check-qemu put there.
mount -t debugfs none /sys/kernel/debug 2>/dev/null
insmod /nestvmx.ko || exit 1
ln -s nestvmx /dev/kvm # QEMU before 9.0 knows no other name

machine() {
    timeout 400 qemu-system-x86_64 -accel kvm,kernel-irqchip=off -M pc -cpu host -nodefaults -display none -vga none \
        -L /usr/share/seabios -L /usr/share/qemu -no-reboot "$@"
}

machine -m 32 -drive if=floppy,format=raw,file=/floppy.img -boot a -chardev stdio,id=d \
    -device isa-debugcon,iobase=0x402,chardev=d -device isa-debug-exit,iobase=0xf4,iosize=4
echo "sector $?"
if [ -e /vmlinux ]; then
    machine -m 256 -kernel /vmlinux -initrd /initrd -serial stdio -append "console=ttyS0 quiet printk.devkmsg=on nokaslr \
mitigations=off tsc=reliable tsc_early_khz=50000 lpj=1000000 init_on_alloc=0 rodata=off cryptomgr.notests random.trust_cpu=1 \
audit=0 apparmor=0 ipv6.disable=1 panic=-1"
fi
sed 's/^/leak /' /sys/kernel/debug/nestvmx/memory
/sbin/rmmod nestvmx || exit 1
dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|nestvmx: leaked|Call Trace' | sed 's/^/dmesg /'
exit 0
