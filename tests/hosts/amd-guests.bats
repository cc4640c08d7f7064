#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016 # dollars are for the host
# Guests on a real AMD host: one is chosen and runs an L2, the other has no svm; nestd keeps it so.
# The tests build on each other.

load support

setup_file() {
    host_start
    there '
        set -e
        for name in chosen plain; do
            sed "s/<name>l1</<name>$name</; s/l1\.console/$name.console/; /<uuid>/d" /root/l1.xml >/root/$name.xml
            virsh -q define /root/$name.xml
        done'
}

teardown_file() {
    host_stop
}

# boot GUEST: starts it and waits until it has said what it can do
boot() {
    there '
        set -e
        log=/var/log/libvirt/qemu/$1.console
        rm -f "$log"
        virsh -q start "$1"
        for ((i = 0; i < 600; i++)); do
            grep -q "^L1: done" "$log" && break
            sleep 0.5
        done
        tr -d "\r" <"$log"' "$1"
}

@test "audit: host-passthrough exposes both, which nobody chose" {
    run on nestctl audit
    assert_failure 7
    assert_output --partial '2 exposed that nobody chose'
}

@test "one is exposed, one hidden: audit is content" {
    run on nestctl guest expose chosen
    assert_success
    run on nestctl guest hide plain
    assert_success
    run on nestctl audit
    assert_success
    assert_output --regexp 'pass +chosen +yes'
    assert_output --regexp 'pass +plain +no'
}

@test "the chosen one has svm and runs an L2, which is seen from outside" {
    run boot chosen
    assert_output --partial 'CPU flags: svm'
    assert_output --partial 'L2: sum 5050'
    run on nestctl guest show chosen
    assert_output --regexp 'live: yes'
    assert_output --regexp 'l2_entries: [1-9]'
    on virsh -q destroy chosen
}

@test "the other has none" {
    run boot plain
    assert_output --partial 'CPU flags: neither vmx nor svm'
    run on nestctl guest show plain
    assert_output --regexp 'live: no'
    on virsh -q destroy plain
}

@test "another client redefines it: nestd restores it, also after libvirtd was killed" {
    there '
        set -e
        mkdir -p /etc/nestd/nestd.conf.d
        printf "[Guests]\nExpose=chosen\nHide=*\n" >/etc/nestd/nestd.conf.d/guests.conf
        systemctl restart nestd'
    there 'sed "s|<cpu .*|<cpu mode=\"host-passthrough\"><feature policy=\"disable\" name=\"svm\"/></cpu>|; s|<name>chosen</name>|&<uuid>$(virsh domuuid chosen)</uuid>|" /root/chosen.xml >/root/again.xml
        virsh -q define /root/again.xml'
    run eventually 60 'virsh dumpxml --inactive chosen | grep -q "require.*svm"'
    assert_success
    there 'systemctl kill -s KILL libvirtd; sleep 2; virsh -q define /root/again.xml'
    run eventually 120 'virsh dumpxml --inactive chosen | grep -q "require.*svm"'
    assert_success
}

@test "undo gives the definition back" {
    there '
        set -e
        rm /etc/nestd/nestd.conf.d/guests.conf
        systemctl restart nestd
        virsh -q undefine plain
        virsh -q define /root/plain.xml
        virsh dumpxml --inactive --security-info plain >/root/before
        nestctl guest expose plain
        nestctl guest hide plain
        nestctl guest undo plain
        virsh dumpxml --inactive --security-info plain | cmp - /root/before'
}

@test "a guest with a profile and all extras starts, runs an L2, and undo gives its definition back" {
    there '
        set -e
        sed "s/<name>l1</<name>profiled</; s/l1\.console/profiled.console/; /<uuid>/d; s/machine=.pc./machine=\"q35\"/" /root/l1.xml >/root/profiled.xml
        virsh -q define /root/profiled.xml
        virsh dumpxml --inactive --security-info profiled >/root/before
        nestctl guest expose profiled --profile=hyperv+viommu+hugepages+locked+numa=0
        # KVM on AMD offers no evmcs, and stimer it does
        virsh dumpxml --inactive profiled | grep -q "<stimer state"
        ! virsh dumpxml --inactive profiled | grep -q evmcs
        echo 3 >/proc/sys/vm/drop_caches
        echo 1 >/proc/sys/vm/compact_memory
        echo 192 >/proc/sys/vm/nr_hugepages
        [ "$(cat /proc/sys/vm/nr_hugepages)" = 192 ]'
    run boot profiled
    assert_output --partial 'CPU flags: svm'
    assert_output --partial 'L2: sum 5050'
    # what the kernel and QEMU say of it: 384 MiB of huge pages, locked, bound to node 0; an IOMMU that remaps
    run there '
        qemu=/proc/$(cat /run/libvirt/qemu/profiled.pid)
        grep -E "^(VmLck|HugetlbPages):" $qemu/status
        grep -o "bind:0 .* huge " $qemu/numa_maps
        virsh -q qemu-monitor-command --hmp profiled "info qtree" | grep -A 20 "dev: intel-iommu" | grep -E "intremap|caching-mode"
        virsh -q destroy profiled
        echo 0 >/proc/sys/vm/nr_hugepages'
    assert_success
    assert_output --regexp 'VmLck:[[:space:]]+[3-9][0-9]{5} kB'
    assert_output --regexp 'HugetlbPages:[[:space:]]+393216 kB'
    assert_output --partial 'bind:0'
    assert_output --partial 'intremap = "on"'
    assert_output --partial 'caching-mode = true'
    there '
        set -e
        nestctl guest undo profiled
        virsh dumpxml --inactive --security-info profiled | cmp - /root/before'
    # another machine type cannot, and stays as it is
    there 'virsh dumpxml --inactive --security-info plain >/root/before'
    run on nestctl guest expose plain --profile=kvm+viommu
    assert_failure 3
    assert_output --partial q35
    there 'virsh dumpxml --inactive --security-info plain | cmp - /root/before'
}
