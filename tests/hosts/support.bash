# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For the suites that need the AMD host. In a suite:
#
#   load support
#   setup_file() { host_start; }
#   teardown_file() { host_stop; }
#
# Then `on CMD ARG...` runs a command there as root and `there 'LINE OF BASH'` runs a line, for bats's `run` or without.
bats_load_library bats-support
bats_load_library bats-assert

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
O=${O:-build}
case $O in /*) ;; *) O=$top/$O ;; esac
export O

# A host of this suite's own, with the package installed as an administrator would.
host_start() {
    AMD_HOST=$O/hosts/$(basename "$BATS_TEST_FILENAME" .bats)
    export AMD_HOST
    "$top/tests/hosts/amd" start
    "$top/tests/hosts/amd" push "$O"/deb/nestd_*_amd64.deb "$top"/tests/hosts/l1.xml "$top"/tests/hosts/agent.py /root
    there 'dpkg -i /root/nestd_*_amd64.deb'
}

host_stop() {
    "$top/tests/hosts/amd" stop
}

host_reboot() {
    "$top/tests/hosts/amd" reboot
    libvirt_settle
}

host_crash() {
    "$top/tests/hosts/amd" crash
    libvirt_settle
}

# When libvirt has just started, it may still be running QEMU to learn its abilities, which keeps kvm_amd in use.
libvirt_settle() {
    there 'virsh -q domcapabilities --virttype kvm >/dev/null 2>&1 || :'
}

on() {
    "$top/tests/hosts/amd" run "$@"
}

there() {
    "$top/tests/hosts/amd" sh "$@"
}

# parameter NAME VALUE: what kvm_amd runs with
assert_parameter() {
    run on cat "/sys/module/kvm_amd/parameters/$1"
    assert_success
    assert_output "$2"
}

# The administrator switched nesting off, in a file of their own, and set some more that nobody may lose.
nested_off_by_admin() {
    there '
        set -e
        rm -f /etc/modprobe.d/nestd.conf
        printf "# ours\noptions kvm_amd nested=0 intercept_smi=0\n" >/etc/modprobe.d/kvm.conf
        # libvirt may still be looking at QEMU.
        for ((i = 0; i < 1800; i++)); do
            modprobe -r kvm_amd 2>/dev/null && break
            sleep 0.2
        done
        modprobe kvm_amd
        echo 1 >/sys/module/kvm_amd/parameters/dump_invalid_vmcb
        udevadm settle'
}

# Everything that a change of the host may touch, as text
fingerprint() {
    there '
        cd / && find etc/modprobe.d etc/nestd usr/lib/nestd etc/default etc/initramfs-tools -type f -exec sha256sum {} + 2>/dev/null | sort -k2
        stat -c "%n %a %U %G" etc/modprobe.d etc/modprobe.d/*
        grep . /sys/module/kvm{,_amd}/parameters/* | grep -v "not permitted"
        stat -c "%n %F %a %U %G %t,%T" /dev/kvm'
}

# l1_start: an L1 guest that runs an L2 and stays; l1_console: what it said
l1_start() {
    there '
        set -e
        rm -f /var/log/libvirt/qemu/l1.console
        virsh -q destroy l1 2>/dev/null || :
        virsh -q define /root/l1.xml
        virsh -q start l1
        for ((i = 0; i < 1800; i++)); do
            grep -q "^L1: done" /var/log/libvirt/qemu/l1.console && exit 0
            sleep 0.5
        done
        echo "the L1 guest did not come up:" >&2
        cat /var/log/libvirt/qemu/l1.console >&2
        exit 1'
}

l1_console() {
    there "tr -d '\\r' </var/log/libvirt/qemu/l1.console"
}

l1_stop() {
    there 'virsh -q destroy l1 2>/dev/null || :'
}

# eventually SECONDS 'LINE OF BASH': waits until it succeeds there
eventually() {
    # shellcheck disable=SC2016 # for the other side
    there 'end=$((SECONDS + $1)); until eval "$2"; do [ $SECONDS -lt $end ] || exit 1; sleep 0.3; done' "$1" "$2"
}
