#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs on the emulated Intel host for tests/vmx/check-kut: kut.sh LINE..., lines of kut-tests. /vmx.flat, each line in a QEMU of its own.

load() {
    case $1 in
    kvm) /sbin/modprobe kvm_intel enable_apicv=0 ;; # Bochs 3.0 misjudges the posted-interrupt descriptor
    nestvmx) insmod /nestvmx.ko && ln -s nestvmx /dev/kvm ;; # QEMU before 9.0 knows no other name
    esac
}

unload() {
    case $1 in
    kvm) /sbin/rmmod kvm_intel kvm ;;
    nestvmx)
        sed 's/^/leak /' /sys/kernel/debug/nestvmx/memory
        rm /dev/kvm
        /sbin/rmmod nestvmx ;;
    esac
}

machine() {
    timeout 400 qemu-system-x86_64 -accel kvm,kernel-irqchip=off -M pc -nodefaults -display none -vga none \
        -L /usr/share/seabios -L /usr/share/qemu -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 "$@"
}

# Thousands of results would take the serial line longer than the tests do: of what passed only the number comes out.
digest() {
    awk '{ sub(/\r$/, "") }
        /^filter = / { next }
        sub(/^.*Test suite: /, "") { if (suite++) print "passed " n + 0; n = 0; print "suite " $0; next }
        /^PASS/ { n++; next }
        /^(FAIL|SKIP|XFAIL|XPASS)/ { print; next }
        /^SUMMARY/ { print "passed " n + 0; print "summary"; next }
        /[Uu]nhandled|[Ff]ailure|internal error|Assert/ { print "note " $0 }'
}

kut() {
    engine=$1 cpu=host
    shift
    [ "$engine" = nestvmx ] || cpu=host,kvm-asyncpf-int=off # QEMU sets its MSR, which KVM has with its own APIC only
    set -f # ept_access* is for the tests
    load "$engine" || return 1
    for line; do
        # shellcheck disable=SC2086 # words
        set -- $line
        memory=$1 cpus=$2 engines=$3
        shift 3
        case ,$engines, in
        *,"$engine",*) ;;
        *) continue ;;
        esac
        echo "run $engine"
        machine -cpu $cpu -m "$memory" -smp "$cpus" -device pc-testdev -serial stdio -kernel /vmx.flat -append "$*" 2>&1 | digest
    done
    unload "$engine"
}

mount -t debugfs none /sys/kernel/debug 2>/dev/null
dmesg -c >/dev/null
echo 1 >/proc/sys/vm/overcommit_memory # the [ept] group's guests have more memory than this host, and use little of it
kut kvm "$@" && kut nestvmx "$@" || exit 1
dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|nestvmx: leaked|Call Trace' | sed 's/^/dmesg /'
exit 0
