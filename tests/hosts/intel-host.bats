#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# kvm_intel on real Intel CPUs as Bochs has them. There is no bus there: nestctl does it all itself.
# Each host is booted once, in setup_file; what its scripts printed is what the tests look at.

bats_load_library bats-support
bats_load_library bats-assert

setup_file() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    cd "$top" || return
    make -s install DESTDIR="$BATS_FILE_TMPDIR/root" >&2
    for host in skylake_x penryn ivy_bridge no-vmx; do
        boot $host
    done
}

# boot HOST: runs its script there. What it prints is kept in HOST.out.
boot() {
    local options=(--model "$1") script=$1
    case $1 in
        skylake_x) options+=(--cpus 2) ;;
        no-vmx)    options=(--no-vmx --cpus 2) ;;
        penryn | ivy_bridge) script=older ;;
    esac
    "$top/tests/hosts/intel" run "${options[@]}" --files "$BATS_FILE_TMPDIR/root" \
        "$BATS_TEST_DIRNAME/intel.d/$script" >"$BATS_FILE_TMPDIR/$1.out"
}

# section HOST TITLE: what HOST's script printed after the line "== TITLE"
section() {
    run awk -v title="== $2" '/^== / { on = $0 == title; next } on' "$BATS_FILE_TMPDIR/$1.out"
    [ -n "$output" ] || fail "nothing there: $(cat "$BATS_FILE_TMPDIR/$1.out")"
}

@test "skylake_x: every CPU has VMX, nested is on, on bare metal" {
    section skylake_x status
    assert_line 'exit code 0'
    assert_output --regexp 'CPU: .*\(2\)'
    assert_output --regexp 'Extension: VMX'
    assert_output --regexp 'Runs on: bare metal'
    for feature in nested ept shadow_vmcs apicv; do
        assert_output --regexp "$feature +[a-z_]+ +yes +on +keep +reload"
    done
}

# switched FEATURE PARAMETER: off and on again, read back from the kernel, all other parameters kept
switched() {
    section skylake_x "$1=off"
    assert_line 'exit code 0'
    assert_line "$2: N"
    assert_line 'changed: 1'
    assert_line "status: off"
    assert_line --regexp "^options kvm_intel( .*)? $2=0( |\$)"
    section skylake_x "$1=on"
    assert_line 'exit code 0'
    assert_line "$2: Y"
    assert_line 'changed: 1'
    assert_line "status: on"
}

@test "skylake_x: nested off and on" {
    switched nested nested
}

@test "skylake_x: shadow_vmcs off and on" {
    switched shadow_vmcs enable_shadow_vmcs
}

@test "skylake_x: apicv off and on" {
    switched apicv enable_apicv
}

@test "skylake_x: ept off and on" {
    switched ept ept
}

@test "skylake_x: all of it undone, one by one: as before" {
    section skylake_x undo
    assert_line 'undone: 8'
    assert_line 'as before'
}

@test "skylake_x: a change while /dev/kvm is held exits 4 and names the process; afterwards it works" {
    section skylake_x busy
    assert_line 'exit code 4'
    assert_line --regexp "^nestctl: .*in use.*$(sed -n 's/^holder: //p' <<<"$output")"
    assert_line 'nested: Y'
    section skylake_x idle
    assert_line 'exit code 0'
    assert_line 'nested: N'
}

lacks() { # HOST FEATURE PARAMETER
    section "$1" status
    assert_output --regexp "$2 +$3 +no +(off|absent) +keep +no"
    section "$1" "$2=on"
    assert_line 'exit code 3'
    assert_output --regexp "$2.*(CPU|hardware|processor)"
    assert_line 'as before'
}

@test "penryn lacks EPT: hardware no, enabling it exits 3 with the reason" {
    lacks penryn ept ept
}

@test "penryn lacks shadow VMCS: hardware no, enabling it exits 3 with the reason" {
    lacks penryn shadow_vmcs enable_shadow_vmcs
}

@test "ivy_bridge has EPT, but no shadow VMCS" {
    section ivy_bridge status
    assert_output --regexp 'ept +ept +yes +on'
    lacks ivy_bridge shadow_vmcs enable_shadow_vmcs
}

@test "VMX locked off by the BIOS: told as such, not as a CPU without VMX; enable exits 3" {
    section no-vmx msr
    assert_line ' 0000000000000001'
    section no-vmx status
    assert_output --regexp -- '(BIOS|firmware)'
    assert_output --regexp 'Nested: .*(not|off|no)'
    section no-vmx json
    assert_output --regexp '"capable": *false'
    assert_output --regexp '"code": *"bios-disabled"'
    section no-vmx enable
    assert_line 'exit code 3'
    assert_output --regexp '(BIOS|firmware)'
}
