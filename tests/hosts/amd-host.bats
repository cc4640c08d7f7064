#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016 # dollars are for the host
# The main job on a real AMD host: Debian 12, systemd, polkit, libvirt, kvm_amd; the installed package.
# The tests build on each other, as the days of a host do.

load support

setup_file() {
    host_start
    nested_off_by_admin
    fingerprint >"$BATS_FILE_TMPDIR/before"
}

teardown_file() {
    host_stop
}

before() {
    cat "$BATS_FILE_TMPDIR/before"
}

@test "the package: nestd starts, says it is ready, and has nothing to complain about" {
    run on systemctl show -P ActiveState -P StatusText nestd
    assert_line "active"
    run on journalctl -u nestd -p warning --no-pager -q
    assert_success
    refute_output
}

@test "nested off: status says so, and why" {
    run on nestctl status
    assert_success
    assert_output --regexp 'Nested: off'
    assert_output --partial '/etc/modprobe.d/kvm.conf:2'
    run there 'nestctl status --json | python3 -c "
import json, sys
s = json.load(sys.stdin)
print(s[\"host\"][\"vendor\"], s[\"host\"][\"extension\"], s[\"host\"][\"cpus\"])
n = s[\"nested\"]
print(n[\"capable\"], n[\"enabled\"], n[\"persistent\"], n[\"module\"], n[\"module_state\"], n[\"pending\"])
print([r[\"code\"] for r in n[\"reasons\"]])"'
    assert_success
    assert_line "amd svm 2"
    assert_line "True False False kvm_amd loaded False"
    assert_output --partial "'nested-off'"
    run on nestctl check
    assert_output --regexp '(warn|fail) +nested .*kvm.conf:2'
}

@test "nested off: an L1 guest gets no svm, and libvirt knows" {
    run on virsh -q domcapabilities --virttype kvm
    assert_output --partial "<feature policy='disable' name='svm'/>"
    l1_start
    run l1_console
    assert_output --partial 'CPU flags: neither vmx nor svm'
    refute_output --partial 'L2: sum'
    l1_stop
}

@test "enable --dry-run: shows the plan and the other file's say, changes nothing" {
    run on nestctl enable --dry-run
    assert_success
    assert_output --partial '/etc/modprobe.d/nestd.conf'
    assert_output --partial 'unload-module kvm_amd'
    assert_output --partial '/etc/modprobe.d/kvm.conf:2'
    run fingerprint
    assert_output "$(before)"
}

@test "enable: kvm_amd is reloaded with nested=1, all else is kept, /dev/kvm is back as it was" {
    run on nestctl enable --yes
    assert_success
    run fingerprint
    # The only differences: nestd's own file, and the parameter.
    run diff <(before | grep -v 'parameters/nested:') \
        <(echo "$output" | grep -v -e etc/modprobe.d/nestd.conf -e 'parameters/nested:')
    assert_success
    assert_parameter nested 1
    assert_parameter intercept_smi N
    assert_parameter dump_invalid_vmcb Y
    run on grep -v '^#' /etc/modprobe.d/nestd.conf
    assert_output 'options kvm_amd nested=1'
    run on nestctl status
    assert_output --partial 'Nested: on, now and after the next boot'
    run on nestctl check --quiet
    assert_success
}

@test "enable: libvirt knows without being restarted" {
    # What it does not notice by itself (other parameters than "nested") it is told so; see common/actor-libvirt.c.
    run there '[ /usr/lib/x86_64-linux-gnu/qemu -nt /etc/modprobe.d/nestd.conf ]'
    assert_success
    run on virsh -q domcapabilities --virttype kvm
    assert_success
    # It is part of the model "EPYC", so that it is not named.
    assert_output --partial "<model fallback='forbid'>EPYC</model>"
    refute_output --partial "<feature policy='disable' name='svm'/>"
}

@test "enable again: already so, nothing is done" {
    fingerprint >"$BATS_TEST_TMPDIR/now"
    run on nestctl enable --yes
    assert_success
    assert_output --partial 'nothing to do'
    run fingerprint
    assert_output "$(cat "$BATS_TEST_TMPDIR/now")"
    run there 'nestctl undo --list --json | python3 -c "import json, sys; print(len(json.load(sys.stdin)[\"changes\"]))"'
    assert_output 1
}

@test "an L1 guest with svm runs its own KVM: L2 code computes" {
    l1_start
    run l1_console
    assert_output --partial 'CPU flags: svm'
    assert_output --partial 'L2: sum 5050'
    assert_output --partial 'L1: l2 exit code 0'
}

@test "with the L1 guest running: enable and disable exit 4, name it, and change nothing" {
    run on virsh -q list --name
    assert_output --partial l1
    fingerprint >"$BATS_TEST_TMPDIR/now"
    for change in 'enable npt=off' 'disable'; do
        # shellcheck disable=SC2086 # words
        run on nestctl $change --yes
        assert_failure 4
        assert_output --partial l1
        run fingerprint
        assert_output "$(cat "$BATS_TEST_TMPDIR/now")"
    done
}

@test "with it running: --when-idle waits, and completes after it stops" {
    run on nestctl disable --yes --when-idle
    # Blocked for now is still what it says; the change is kept.
    assert_success
    assert_output --partial l1
    run on busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host Pending
    assert_output 'b true'
    assert_parameter nested 1
    run on nestctl status
    assert_output --regexp '[Ww]ait|[Pp]ending'
    l1_stop
    eventually 300 '[ "$(cat /sys/module/kvm_amd/parameters/nested)" = 0 ]'
    eventually 300 'busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host Pending | grep -q false'
    assert_parameter intercept_smi N
    assert_parameter dump_invalid_vmcb Y
    # ... and what was waited for can be undone like any change.
    run on nestctl undo --yes
    assert_success
    assert_parameter nested 1
}

@test "reboot: still enabled" {
    host_reboot
    assert_parameter nested 1
    assert_parameter intercept_smi N
    run on nestctl status
    assert_output --partial 'Nested: on, now and after the next boot'
    run on journalctl -b -u nestd -p warning --no-pager -q
    refute_output
}

@test "undo: as before, byte for byte" {
    # A parameter that was set by hand does not survive a reboot; nestd has nothing to do with that.
    on sh -c 'echo 1 >/sys/module/kvm_amd/parameters/dump_invalid_vmcb'
    run on nestctl undo --yes
    assert_success
    run fingerprint
    assert_output "$(before)"
    run on nestctl status
    assert_output --partial 'Nested: off'
}

@test "the sandbox: systemd-analyze security says 2.0 or lower" {
    run on systemd-analyze security --no-pager --threshold=20 nestd.service
    assert_success
    assert_output --partial 'Overall exposure level'
}

@test "the power fails while a change is made: never a third state" {
    on systemd-run -q --no-block nestctl enable --yes
    sleep 0.4
    host_crash
    run on nestctl status
    assert_success
    case $(on cat /sys/module/kvm_amd/parameters/nested) in
        0)  run on test -e /etc/modprobe.d/nestd.conf
            assert_failure ;;
        1)  assert_output --partial 'on, now and after the next boot' ;;
    esac
    # Either way it can be enabled and undone.
    on nestctl enable --yes
    assert_parameter nested 1
    on nestctl undo --yes
    assert_parameter nested 0
}

@test "purge: nothing of nestd is left" {
    on nestctl enable --yes
    on dpkg --purge nestd
    run there 'find / -xdev -iname "*nestd*" ! -path "/root/*" ! -path "/var/lib/nestd-tests*" ! -path "/var/lib/dpkg/*" \
        ! -name "nestd-agent*" ! -path "/var/log/*" ! -path "/etc/initramfs-tools/*" ! -path "/usr/share/initramfs-tools/*" ! -path "/sys/*" ! -path "/tmp/*"'
    refute_output
    there 'dpkg -i /root/nestd_*_amd64.deb'
}
