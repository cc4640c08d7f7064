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
        for ((i = 0; i < 1800; i++)); do
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
    # by its own kvm_amd, which its init has loaded
    assert_output --partial 'L1: l2 exit code 0'
    assert_output --partial 'L2: sum 5050'
    run on nestctl guest show chosen
    assert_output --regexp 'live: yes'
    assert_output --regexp 'l2_entries: [1-9]'
}

@test "the other has none" {
    run boot plain
    assert_output --partial 'CPU flags: neither vmx nor svm'
    refute_output --partial 'L2: sum'
    run on nestctl guest show plain
    assert_output --regexp 'live: no'
}

@test "both run: audit tells them apart, and its exit code does" {
    run on nestctl audit
    assert_success
    assert_output --regexp 'pass +chosen +yes +configured +yes .* guest expose'
    assert_output --regexp 'pass +plain +no +no +no '
    # the definition says no by now, the running QEMU still says yes
    on nestctl guest hide chosen
    run on nestctl audit
    assert_failure 7
    assert_output --regexp 'fail +chosen +yes +no +yes'
    on nestctl guest expose chosen
    run on nestctl audit
    assert_success
    there 'virsh -q destroy chosen; virsh -q destroy plain'
}

@test "a guest is started while its definition changes: it has the old CPU or the new, and is told apart" {
    for delay in 0 2; do
        run there '
            virsh -q start chosen & start=$!
            sleep $1
            nestctl guest hide --quiet chosen || exit
            wait $start || exit
            nestctl guest show chosen --json | python3 -c "
import json, sys
g = json.load(sys.stdin)
print(g[\"nest\"], g[\"live\"], g[\"needs_restart\"])"
            virsh -q destroy chosen || tail -n 5 /var/log/libvirt/qemu/chosen.{log,console}
            nestctl guest expose --quiet chosen' "$delay"
        assert_success
        assert_output --regexp '^no (yes True|no False)$'
    done
}

# race DELAY FIRST SECOND: FIRST in the background, SECOND after DELAY seconds. "CHANGE START NESTED FILE", and what they said.
race() {
    there '
        start() { virsh -q start plain >/tmp/start 2>&1; echo $? >/tmp/started; }
        change() { nestctl disable --yes >/tmp/change 2>&1; echo $? >/tmp/changed; }
        $2 & first=$!
        sleep $1
        $3
        wait $first
        changed=$(cat /tmp/changed)
        echo "$changed $(cat /tmp/started) $(cat /sys/module/kvm_amd/parameters/nested) $(test -e /etc/modprobe.d/nestd.conf && echo file)"
        stat -c "%F %a %U %G %t,%T" /dev/kvm
        cat /tmp/change /tmp/start
        # and a guest can be started, whatever came of it
        [ "$(virsh domstate plain)" = running ] || virsh -q start plain || exit
        virsh -q destroy plain
        [ "$changed" != 0 ] || nestctl undo --yes --quiet' "$@"
}

@test "a guest is started while the module is reloaded: one of both waits or is told why, nothing is half done" {
    device=$(there 'stat -c "%F %a %U %G %t,%T" /dev/kvm')
    for order in '0 change start' '0.3 start change' '2 start change'; do
        # shellcheck disable=SC2086 # words
        run race $order
        assert_success
        assert_line "$device"
        case ${lines[0]} in
            '0 0 0 file') ;;
            '0 1 0 file') assert_output --partial 'Failed to start domain' ;;
            '4 0 1 ') assert_output --regexp 'in use .*(guest plain|qemu-system)' ;;
            *) fail "$order: $output" ;;
        esac
        assert_parameter nested 1
    done
}

@test "another client redefines it: nestd restores it, also after libvirtd was killed" {
    there '
        set -e
        mkdir -p /etc/nestd/nestd.conf.d
        printf "[Guests]\nExpose=chosen\nHide=*\n" >/etc/nestd/nestd.conf.d/guests.conf
        systemctl restart nestd'
    there 'sed "s|<cpu .*|<cpu mode=\"host-passthrough\"><feature policy=\"disable\" name=\"svm\"/></cpu>|; s|<name>chosen</name>|&<uuid>$(virsh domuuid chosen)</uuid>|" /root/chosen.xml >/root/again.xml
        virsh -q define /root/again.xml'
    run eventually 300 'virsh dumpxml --inactive chosen | grep -q "require.*svm"'
    assert_success
    there 'systemctl kill -s KILL libvirtd; sleep 2; virsh -q define /root/again.xml'
    run eventually 300 'virsh dumpxml --inactive chosen | grep -q "require.*svm"'
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
        for ((i = 0; i < 100; i++)); do
            echo 3 >/proc/sys/vm/drop_caches
            echo 1 >/proc/sys/vm/compact_memory
            echo 192 >/proc/sys/vm/nr_hugepages
            [ "$(cat /proc/sys/vm/nr_hugepages)" != 192 ] || break
            sleep 0.5
        done
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

# states: both guests' definitions, the module's parameter and nestd's own file
states() {
    there '
        for guest in chosen plain; do virsh dumpxml --inactive --security-info $guest; done
        cat /sys/module/kvm_amd/parameters/nested
        ls /etc/modprobe.d'
}

@test "disable --guests closes all and the host; undo opens what was open" {
    # one that nobody chose, and one that was given another mode
    there 'virsh -q undefine profiled; virsh -q undefine chosen; virsh -q define /root/chosen.xml; nestctl guest expose --mode=host-model plain'
    before=$(states)
    run on nestctl disable --guests --dry-run
    assert_success
    assert_output --regexp 'change-guest [0-9a-f-]{36} chosen: it can nest'
    assert_output --regexp 'change-guest [0-9a-f-]{36} plain: it can nest'
    assert_output --partial 'unload-module kvm_amd'
    run states
    assert_output "$before"
    run on nestctl disable --guests --yes
    assert_success
    assert_output --partial 'nested=off, 2 guests hidden'
    assert_parameter nested 0
    run on nestctl audit
    assert_success
    assert_output --regexp 'pass +chosen +no'
    assert_output --regexp 'pass +plain +no'
    run on nestctl undo --yes
    assert_success
    run states
    assert_output "$before"
}

@test "disable --guests: libvirt refuses one guest: it is named, and nothing has changed" {
    # libvirt reads what it has on disk without its emulator, but takes no definition anew
    there '
        set -e
        ln -sf qemu-system-x86_64 /usr/bin/qemu-of-plain
        virsh dumpxml --inactive --security-info plain | sed "s|/usr/bin/qemu-system-x86_64|/usr/bin/qemu-of-plain|" >/root/other.xml
        virsh -q define /root/other.xml
        rm /usr/bin/qemu-of-plain'
    before=$(states)
    run on nestctl disable --guests --yes
    assert_failure 1
    assert_output --partial 'guest plain: libvirt refuses the new definition'
    assert_output --partial 'everything is as it was before'
    run states
    assert_output "$before"
    there 'ln -sf qemu-system-x86_64 /usr/bin/qemu-of-plain'
}

# killed WHEN: nestd, at "disable --guests", WHEN (a line of bash) is done; then it is started anew.
killed() {
    there '
        nestctl disable --guests --yes >/tmp/change 2>&1 & change=$!
        eval "$1"
        systemctl kill -s KILL nestd
        wait $change
        systemctl reset-failed nestd
        systemctl start nestd
        ! grep -lE "\"state\": *\"(running|rolling-back)\"" /var/lib/nestd/changes/*.json' "$1"
}

# assert_old_or_new OLD
assert_old_or_new() {
    [ "$(states)" = "$1" ] || {
        assert_parameter nested 0
        run on nestctl audit
        assert_success
        on nestctl undo --yes
        run states
        assert_output "$1"
    }
}

@test "disable --guests: nestd is killed in the middle: guests and host are old or new after its next start" {
    before=$(states)
    for delay in 0.3 0.8 1.5; do
        killed "sleep $delay"
        assert_old_or_new "$before"
    done
    on nestctl disable --guests --yes
    on nestctl undo --yes
    run states
    assert_output "$before"
}

@test "disable --guests: nestd is killed while libvirt is still at a definition: guests and host are old or new for good" {
    there '
        set -e
        printf "#!/bin/sh\nsleep 3\nexec /usr/bin/qemu-system-x86_64 \"\$@\"\n" >/usr/bin/slow-qemu
        chmod +x /usr/bin/slow-qemu
        sed s/qemu-system-x86_64/slow-qemu/ /root/chosen.xml >/root/slow.xml
        virsh -q undefine chosen
        virsh -q define /root/slow.xml'
    before=$(states)
    # libvirt asks an emulator anew that is not what it was
    there 'touch /usr/bin/slow-qemu'
    killed 'until pgrep -x slow-qemu; do sleep 0.1; done'
    # this has to wait for the same
    there 'virsh domcapabilities --virttype kvm --emulatorbin /usr/bin/slow-qemu >/dev/null; sleep 2'
    assert_old_or_new "$before"
}
