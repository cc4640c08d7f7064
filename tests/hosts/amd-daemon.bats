#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016 # dollars are for the host
# nestd as a service, inside its sandbox: who uses KVM is still named, the kernel is still quoted, the watchdog bites,
# and at boot it is done before libvirt starts.

load support

setup_file() {
    host_start
}

teardown_file() {
    host_stop
}

@test "sandbox: a virtual machine that libvirt does not know is named by its process" {
    there 'usermod -aG kvm bob
           runuser -u bob -- qemu-system-x86_64 -accel kvm -display none -nodefaults -S </dev/null >/dev/null 2>&1 &
           for i in $(seq 600); do ls /sys/kernel/debug/kvm | grep -q ^[0-9] && break; sleep 0.1; done'
    run there 'busctl call org.nestd1 /org/nestd1 org.nestd1.Host Disable "a{sv}" 0'
    assert_failure
    assert_output --regexp 'process qemu-system-x86 \(pid [0-9]+\)'
    there 'pkill -u bob qemu; while pgrep -u bob qemu; do sleep 0.1; done'
    assert_parameter nested 1
}

@test "sandbox: while libvirt's daemon is stopped, its guest is named and the daemon stays stopped" {
    l1_start
    there 'systemctl stop libvirtd'
    run there 'busctl call org.nestd1 /org/nestd1 org.nestd1.Host Disable "a{sv}" 0'
    assert_failure
    assert_output --partial 'guest l1 (running)'
    run on systemctl is-active libvirtd
    assert_output inactive
    # libvirtd, started again by this, may give the guest up by itself
    there 'virsh destroy l1 || :; for i in $(seq 600); do [ "$(cat /sys/module/kvm_amd/refcnt)" = 0 ] && break; sleep 0.2; done'
}

@test "sandbox: a module that cannot be loaded: the kernel's own words" {
    there 'echo "options kvm_amd npt=purple" >/etc/modprobe.d/zz.conf'
    run on nestctl disable --yes
    assert_failure
    assert_output --partial "\`purple' invalid for parameter \`npt'"
    # The file keeps the module from being loaded as modprobe would, but not from coming back as it was.
    assert_parameter nested 1
    assert_parameter npt Y
    there 'rm /etc/modprobe.d/zz.conf'
    run on busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host NestedEnabled
    assert_output 'b true'
}

@test "the watchdog ends a nestd that hangs, and systemd starts it again" {
    there 'mkdir -p /run/systemd/system/nestd.service.d
           printf "[Service]\nWatchdogSec=4s\n" >/run/systemd/system/nestd.service.d/test.conf
           systemctl daemon-reload; systemctl restart nestd
           kill -STOP $(systemctl show -P MainPID nestd)
           for i in $(seq 600); do [ "$(systemctl show -P NRestarts nestd)" != 0 ] && break; sleep 0.2; done'
    run there 'journalctl -u nestd --no-pager'
    assert_output --partial "Failed with result 'watchdog'"
    run on busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host Vendor
    assert_output 's "amd"'
    there 'rm -r /run/systemd/system/nestd.service.d; systemctl daemon-reload'
}

@test "at boot, OnDrift=apply: udev has loaded the module, nestd makes it so, then libvirt starts" {
    there 'mkdir -p /etc/nestd; printf "[Boot]\nOnDrift=apply\n[Features]\nnested=off\n" >/etc/nestd/nestd.conf; systemctl enable -q libvirtd'
    host_reboot
    there 'systemctl start libvirtd; systemctl start nestd'
    assert_parameter nested 0
    run there 'journalctl -b -u nestd -o cat --no-pager'
    assert_output --partial 'nested: nestd.conf wants it off, it is on'
    assert_output --partial 'OnDrift=apply: nested=off'
    run there 'ready=$(systemctl show -P ActiveEnterTimestampMonotonic nestd)
               start=$(systemctl show -P InactiveExitTimestampMonotonic libvirtd)
               first=$(journalctl -b -u nestd -o json --no-pager | grep OnDrift | sed "s/.*\"__MONOTONIC_TIMESTAMP\":\"\([0-9]*\)\".*/\1/")
               echo "$first $ready $start"; [ "$first" -gt 0 ] && [ "$first" -lt "$start" ]'
    assert_success
}
