#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs on the emulated Intel host. on-host.sh RUN...: each RUN is "ENGINE FLAGS VCPUS PARAMETERS", with + for spaces in it;
# ENGINE is kvm or nestvmx, PARAMETERS go to the module. "ENGINE/nest" runs nest.bin, an L1 that nests, not payload.bin.
# The payload's lines come out after "run RUN".
modules=/lib/modules/$(uname -r)/kernel

load() {
    case $1 in
    kvm) shift; /sbin/modprobe kvm_intel enable_apicv=0 "$@" ;; # Bochs 3.0 misjudges the posted-interrupt descriptor
    nestvmx) shift; insmod /nestvmx.ko "$@" ;;
    esac
}

unload() {
    case $1 in
    kvm) /sbin/rmmod kvm_intel ;;
    nestvmx)
        sed 's/^/leak /' /sys/kernel/debug/nestvmx/memory
        /sbin/rmmod nestvmx ;;
    esac
}

one() {
    engine=${1%/*} flags=$2 vcpus=$3 image=payload
    [ "$engine" = "$1" ] || image=${1#*/}
    shift 3
    load "$engine" "$@" || { echo "error load"; return; }
    case $engine in
    kvm) device=/dev/kvm ;;
    *) device=/dev/nestvmx ;;
    esac
    /l1run $device "/$image.bin" "$flags" "$vcpus"
    echo "status $?"
    unload "$engine"
}

mount -t debugfs none /sys/kernel/debug 2>/dev/null
dmesg -c >/dev/null # its complaints of the boot are not about us
[ -d "$modules" ] || exit 1
for run; do
    echo "run $run"
    # shellcheck disable=SC2046 # words
    one $(echo "$run" | tr + " ")
done
# What the kernel had to say against us.
dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|nestvmx: leaked|Call Trace' | sed 's/^/dmesg /'
exit 0
