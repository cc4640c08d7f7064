#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# enable, disable, undo and monitor, through nestd and without it, on a machine made of files (tests/daemon).
# shellcheck disable=SC2030,SC2031,SC2154 # what bats does with subshells; what it and bus.bash set
bats_require_minimum_version 1.5.0
load ../daemon/bus
load support

setup() {
    cd "$TOP" || return
    new_host
    before=$(snapshot)
}

teardown() {
    [ -z "${bus_pid:-}" ] || stop_bus
    rm -rf "$host"
}

# directly ARGUMENTS...: nestctl without nestd
directly() {
    timeout 120 "$O/tests/fake-nestctl" "$@" --direct --root="$host"
}

through_nestd() {
    timeout 120 nestctl "$@"
}

with_nestd() {
    start_bus
    start_nestd
}

# without_time: outcome and list without what differs from run to run
without_time() {
    sed -E 's/"realtime_usec": [0-9]+/"realtime_usec": 0/; s/ [0-9-]{10} [0-9:]{8} / WHEN /'
}

A=6a7c9d2e-0000-4000-8000-00000000000a
B=6a7c9d2e-0000-4000-8000-00000000000b

# guest UUID STATE; guests: what they are now
guest() {
    mkdir -p "$host/fake/guests"
    echo "$1 $2" >"$host/fake/guests/$1"
}

guests() {
    grep -hs . "$host"/fake/guests/*
}

# happens WORD: to the machine; false: it is none of these
happens() {
    case $1 in
    in-use) "$O/tests/fake-host" use "$host" yes ;;
    idle) "$O/tests/fake-host" use "$host" no ;;
    guests-come)
        guest $A 'expose vmx custom Nehalem -'
        guest $B original
        guest 6a7c9d2e-0000-4000-8000-00000000000c 'hide vmx'
        ;;
    refuses) : >"$host/fake/refuses-$A" ;;
    accepts) rm "$host/fake/refuses-$A" ;;
    gone) rm "$host/fake/guests/$B" ;;
    others) guest $A 'expose vmx keep - esxi' ;;
    chosen) printf '[Guests]\nExpose=%s\n' "$A" >"$host/etc/nestd/nestd.conf" ;;
    not-chosen) rm "$host/etc/nestd/nestd.conf" ;;
    *) return 1 ;;
    esac
}

# story COMMAND: what the day on standard input prints, its exit codes, and the machine after each line
story() {
    local arguments
    while read -r arguments; do
        if ! happens "$arguments"; then
            echo "== $arguments"
            # shellcheck disable=SC2086 # words
            "$1" $arguments 2>&1 </dev/null | without_time
            echo "code ${PIPESTATUS[0]}"
        fi
        snapshot | grep -v /var/lib/nestd
        guests || true
    done
}

# same_story STORY: with nestd and without it, words, codes and machine; a fake machine is not "live"
same_story() {
    story directly <<<"$1" >"$BATS_TEST_TMPDIR/directly"
    rm -rf "$host"
    new_host
    with_nestd
    story through_nestd <<<"$1" >"$BATS_TEST_TMPDIR/through"
    diff -u <(sed "s|$host|HOST|g" "$BATS_TEST_TMPDIR/directly") <(sed "s|$host|HOST|g" "$BATS_TEST_TMPDIR/through")
}

@test "change: the same day through nestd and without it: words, codes, machine" {
    # nestctl undo --list would look at this machine: the list of nestd is compared with it below
    same_story "disable --dry-run
disable
disable --json
enable --dry-run --json
enable nested=on --json
undo --dry-run
undo
undo
undo --json
undo
undo 77
enable shadow_vmcs=off pml=off --runtime
enable ipiv --json
in-use
enable shadow_vmcs pml
enable shadow_vmcs pml --json --quiet
enable shadow_vmcs pml --when-idle --dry-run
enable shadow_vmcs pml --when-idle --json
undo --json
idle
enable --persistent shadow_vmcs pml vpid=off
enable
undo --quiet"
    run cat "$BATS_TEST_TMPDIR/through"
    for code in 0 2 3 4; do
        assert_line "code $code"
    done
    refute_line 'code 1'
    refute_line 'code 124'
}

@test "change: the plan and its result, as people read them" {
    run --separate-stderr directly disable --yes
    assert_success
    assert_output 'nested=off, now and at every boot'
    assert_equal "$(head -n 2 <<<"$stderr" | sed 's/^ *//')" \
        "1. write-options /etc/modprobe.d/nestd.conf: modprobe gives these options to kvm_intel whenever it is loaded, also after a reboot
+ options kvm_intel nested=0"
    assert_equal "$(cat "$host/sys/module/kvm_intel/parameters/nested")" N
    run --separate-stderr directly undo --quiet
    assert_success
    assert_output ''
    assert_equal "$stderr" ''
    assert_equal "$(snapshot | grep -v /var/lib/nestd)" "$(grep -v /var/lib/nestd <<<"$before")"
    run directly undo --list
    assert_line --regexp '^1 +[0-9-]+ [0-9:]+ disable +yes +nested=off'
    run directly undo --list --json
    assert_success
    assert_output --partial '"undone": true'
}

@test "change: --dry-run changes nothing, with whatever else" {
    for arguments in disable 'enable shadow_vmcs=off' 'disable --yes' 'disable --when-idle' 'disable --runtime' undo; do
        # shellcheck disable=SC2086 # words
        run directly $arguments --dry-run
        assert_success
        assert_equal "$(snapshot)" "$before"
    done
    with_nestd
    run through_nestd disable --dry-run
    assert_success
    assert_line 'Nothing was changed; without --dry-run it is done.'
    assert_equal "$(snapshot)" "$before"
}

@test "change: a real nestctl changes only the running machine" {
    run --separate-stderr nestctl disable --root="$host"
    assert_complaint 2 "--root: 'disable' changes only the running machine; add --dry-run"
    assert_equal "$(snapshot)" "$before"
}

@test "change: without root and without nestd: 5, and nothing happened" {
    need_root
    cp "$O/nestctl" "$BATS_TEST_TMPDIR/nestctl"
    for verb in enable disable undo; do
        run --separate-stderr as_nobody bash -c 'exec /proc/self/fd/9 "$@"' - "$verb" --yes 9<"$BATS_TEST_TMPDIR/nestctl"
        assert_complaint 5 "$verb: only root can do it without nestd; run it as root, or start nestd"
    done
}

@test "change: who polkit refuses gets 5, who it allows gets it done" {
    need_root
    with_nestd
    start_polkit no
    cp "$O/nestctl" "$BATS_TEST_TMPDIR/nestctl"
    as_user() {
        as_nobody timeout 120 bash -c 'exec /proc/self/fd/9 "$@"' - "$@" 9<"$BATS_TEST_TMPDIR/nestctl"
    }
    run --separate-stderr as_user disable --quiet
    assert_complaint 5 'Disable: .*not authorised'
    assert_equal "$(snapshot)" "$before"
    # looking is free
    run as_user disable --dry-run
    assert_success
    run as_user undo --list
    assert_success
    stop_polkit
    start_polkit yes
    run as_user disable --quiet
    assert_success
    assert_equal "$(cat "$host/sys/module/kvm_intel/parameters/nested")" N
    # the journal is root's: nestd tells it
    run as_user undo --list
    assert_line --regexp '^1 .* disable +no +nested=off'
}

@test "change: on a terminal a reload is asked about, and only that" {
    INPUT='n\n' INPUT_AFTER='[y/N]' run on_terminal "$O/tests/fake-nestctl" disable --direct --root="$host"
    assert_equal "$status" 1
    assert_output --partial 'not confirmed; nothing was changed'
    assert_equal "$(snapshot | grep -v /var/lib/nestd)" "$(grep -v /var/lib/nestd <<<"$before")"
    INPUT='y\n' INPUT_AFTER='[y/N]' run on_terminal "$O/tests/fake-nestctl" disable --direct --root="$host"
    assert_success
    assert_output --partial 'nested=off, now and at every boot'
    run on_terminal "$O/tests/fake-nestctl" enable --yes --direct --root="$host"
    assert_success
    refute_output --partial '[y/N]'
    # nothing to reload, nothing to ask
    run on_terminal "$O/tests/fake-nestctl" enable --direct --root="$host"
    assert_success
    refute_output --partial '[y/N]'
}

@test "change: a load that fails is exit 1, and everything is as before" {
    dir=$BATS_TEST_TMPDIR
    touch "$dir/fail-load"
    FAKE_DIR=$dir run --separate-stderr directly disable --quiet
    assert_complaint 1 'could not be loaded.*everything is as it was before'
    assert_equal "$(snapshot | grep -v /var/lib/nestd)" "$(grep -v /var/lib/nestd <<<"$before")"
    touch "$dir/fail-load"
    FAKE_DIR=$dir run --separate-stderr directly disable --quiet --json
    assert_equal "$status" 1
    assert_output --partial '"rolled_back": true'
}

@test "change: killed in the middle, the next nestctl puts it right and says so" {
    dir=$BATS_TEST_TMPDIR
    touch "$dir/kill-load"
    FAKE_DIR=$dir run directly disable --quiet
    assert_equal "$status" 137
    run --separate-stderr directly enable nested=on
    assert_success
    [[ $stderr == *'was interrupted and has been'* ]] || fail "$stderr"
    assert_equal "$(cat "$host/sys/module/kvm_intel/parameters/nested")" Y
}

@test "change: what another one has in hand is not taken for what a killed one left behind: 4" {
    dir=$BATS_TEST_TMPDIR
    touch "$dir/kill-load"
    FAKE_DIR=$dir run directly disable --quiet
    assert_equal "$status" 137
    # as if it were still at it
    run --separate-stderr flock "$host/run/nestd/lock" timeout 120 "$O/tests/fake-nestctl" enable --direct --root="$host"
    assert_complaint 4 'another nestd or nestctl is changing this host; try again when it is done'
}

# finishes PID CODE
finishes() {
    local code=0
    wait "$1" || code=$?
    assert_equal "$code" "$2"
}

@test "change: Ctrl-C without nestd undoes what was done" {
    dir=$BATS_TEST_TMPDIR
    touch "$dir/gate"
    FAKE_DIR=$dir "$O/tests/fake-nestctl" disable --direct --root="$host" --yes >"$dir/out" 2>&1 3>&- &
    pid=$!
    # a background process of a script ignores SIGINT; by then nestctl has asked for it
    retry test -e "$dir/waits"
    kill -INT $pid
    rm "$dir/gate"
    finishes $pid 1
    run cat "$dir/out"
    assert_output --partial 'as it was before'
    assert_equal "$(snapshot | grep -v /var/lib/nestd)" "$(grep -v /var/lib/nestd <<<"$before")"
}

# follows JOB PID: the job runs, and nestctl no longer ignores SIGINT
follows() {
    retry state_is "$1" running
    retry takes_sigint "$2"
}
takes_sigint() {
    (((0x$(awk '/^SigBlk/ { print $2 }' "/proc/$1/status") & 2) != 0))
}

@test "change: Ctrl-C with nestd cancels the job; twice leaves it" {
    with_nestd
    touch "$dir/gate"
    nestctl disable --yes >"$dir/out" 2>&1 3>&- &
    pid=$!
    follows 1 $pid
    kill -INT $pid
    retry grep -q 'Ctrl-C again leaves the job to nestd' "$dir/out"
    state_is 1 running # an answer to this, and nestd has seen what came before it
    rm "$dir/gate"
    finishes $pid 1
    wait_job 1 cancelled
    assert_equal "$(snapshot | grep -v /var/lib/nestd)" "$(grep -v /var/lib/nestd <<<"$before")"

    touch "$dir/gate"
    nestctl disable --yes >"$dir/out" 2>&1 3>&- &
    pid=$!
    follows 2 $pid
    kill -INT $pid
    retry grep -q 'Ctrl-C again' "$dir/out"
    kill -INT $pid
    finishes $pid 1
    run tail -n 1 "$dir/out"
    assert_output "nestctl: /org/nestd1/job/2: still being cancelled by nestd; 'nestctl monitor' follows it, 'nestctl status' says how it ended"
    rm "$dir/gate"
    wait_job 2 cancelled
}

@test "change: nestd that dies in the middle is told, and what then happens" {
    with_nestd
    touch "$dir/gate" "$dir/killall-load"
    nestctl disable --yes --quiet >"$dir/out" 2>&1 3>&- &
    pid=$!
    retry state_is 1 running
    rm "$dir/gate"
    finishes $pid 1
    run cat "$dir/out"
    assert_output "nestctl: nestd: stopped before the job ended; its next start finishes the change or rolls it back; see 'nestctl status'"
}

@test "change: progress on a terminal, none on a pipe" {
    with_nestd
    run on_terminal nestctl disable --yes
    assert_success
    assert_output --regexp '\[ *[0-9]+%\]'
    run through_nestd enable
    assert_success
    refute_output --partial '%]'
}

@test "change: one at a time: 4, and who is at it" {
    with_nestd
    touch "$dir/gate"
    nestctl disable --yes >"$dir/out" 2>&1 3>&- &
    pid=$!
    retry state_is 1 running
    run --separate-stderr through_nestd enable shadow_vmcs=off --quiet
    assert_complaint 4 '/org/nestd1/job/1 is changing this host'
    rm "$dir/gate"
    finishes $pid 0
}

@test "change: --host asks nestd there, over ssh" {
    with_nestd
    mkdir "$dir/bin"
    cat >"$dir/bin/ssh" <<EOF
#!/bin/bash
# what ssh would run there: systemd-stdio-bridge, on the private bus
printf '%s\n' "\$*" >>"$dir/ssh.log"
[[ "\$*" == *gone* ]] && { echo "ssh: gone" >&2; exit 255; }
exec systemd-stdio-bridge -p "$DBUS_SYSTEM_BUS_ADDRESS"
EOF
    chmod +x "$dir/bin/ssh"
    PATH=$dir/bin:$PATH
    unset DBUS_SYSTEM_BUS_ADDRESS
    run nestctl status --host=root@there
    assert_success
    assert_line --regexp 'CPU: Fake'
    run cat "$dir/ssh.log"
    assert_output --partial 'root@there systemd-stdio-bridge'
    run nestctl check -H there --json
    assert_output --partial '"checks"'
    run nestctl disable -H there
    assert_success
    assert_line 'nested=off, now and at every boot'
    assert_equal "$(cat "$host/sys/module/kvm_intel/parameters/nested")" N
    run nestctl undo --list -H there
    assert_line --regexp '^1 .* disable +no +nested=off'
    run --separate-stderr nestctl enable -H gone
    assert_equal "$status" 1
    assert_equal "$output" ''
    [[ $stderr == *'gone: '* ]] || fail "$stderr"
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$dir/bus
}

@test "change: without libkmod it is libkmod that is missing, not the parameter" {
    H=$BATS_TEST_TMPDIR/host
    make_host "$H"
    rm -r "$H/sys/module/kvm_amd" "$H"/lib/modules/*/nestd.modinfo
    cp /bin/true "$H/lib/modules/6.1.0-test/kernel/arch/x86/kvm/kvm-amd.ko"
    mkdir "$BATS_TEST_TMPDIR/lib"
    : >"$BATS_TEST_TMPDIR/lib/libkmod.so.2"
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/lib run --separate-stderr nestctl enable --root="$H" --dry-run
    assert_complaint 3 'nested .*the parameters of kvm_amd are not known: libkmod .*is not installed; install it: .*libkmod2'
    LD_LIBRARY_PATH=$BATS_TEST_TMPDIR/lib run nestctl check --root="$H"
    assert_output --partial 'kvm-amd.ko: its parameters are not known: libkmod'
    # it is asked where it is there
    run --separate-stderr nestctl enable --root="$H" --dry-run
    assert_complaint 3 'the parameters of kvm_amd are not known: No data available'
    run nestctl check --root="$H"
    refute_output --partial libkmod
    # and a module that tells its parameters may lack this one
    put "$H/lib/modules/6.1.0-test/nestd.modinfo" <<<kvm_amd.parmtype=npt:bool
    run --separate-stderr nestctl enable --root="$H" --dry-run
    assert_complaint 3 'kvm_amd of kernel 6.1.0-test has no parameter for it'
}

@test "change: a bus without nestd is no bus" {
    start_bus
    run through_nestd status
    assert_success
    run --separate-stderr through_nestd undo 77
    assert_complaint 2 '77: no such change'
}

@test "monitor: a change of nestd and a file that changes; JSON a line each" {
    with_nestd
    nestctl monitor --json >"$dir/seen" 2>"$dir/err" 3>&- &
    pid=$!
    retry grep -q 'Following changes' "$dir/err"
    through_nestd disable --quiet
    retry grep -q '"what":"job/1 State","before":null,"after":"done"' "$dir/seen"
    kill -INT $pid
    finishes $pid 0
    /usr/bin/python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' <"$dir/seen"
}

@test "monitor: of another host, what its nestd says" {
    with_nestd
    mkdir "$dir/bin"
    printf '#!/bin/sh\nexec systemd-stdio-bridge -p "%s"\n' "$DBUS_SYSTEM_BUS_ADDRESS" >"$dir/bin/ssh"
    chmod +x "$dir/bin/ssh"
    PATH=$dir/bin:$PATH nestctl monitor -H there >"$dir/seen" 2>"$dir/err" 3>&- &
    pid=$!
    retry grep -q 'Following changes' "$dir/err"
    through_nestd disable --quiet
    retry grep -qE '^[0-9:]{8} nested.enabled: true -> false$' "$dir/seen"
    retry grep -qE '^[0-9:]{8} features.nested.current: on -> off$' "$dir/seen"
    kill -TERM $pid
    finishes $pid 0
}

@test "disable --guests: one change, with nestd and without: all or nothing, undone as one" {
    same_story "guests-come
disable --guests --dry-run
disable --guests --dry-run --json
in-use
disable --guests
idle
chosen
disable --guests
not-chosen
refuses
disable --guests
accepts
disable --guests
disable --guests
refuses
undo
accepts
undo --dry-run
undo
disable
disable --guests --json
others
undo
gone
disable --guests
undo"
    grep -q "^$A hide vmx" "$BATS_TEST_TMPDIR/through"
}

@test "disable --guests: a guest that refuses is named, and nothing has changed" {
    guest $A original
    guest $B 'expose vmx keep - -'
    before=$(snapshot; guests)
    # the second of two, when the first is hidden already
    : >"$host/fake/refuses-$B"
    run --separate-stderr directly disable --guests --quiet
    assert_complaint 1 "guest $B: libvirt refuses the new definition, the old one stays; everything is as it was before"
    assert_equal "$(snapshot | grep -v /var/lib/nestd; guests)" "$(grep -v /var/lib/nestd <<<"$before")"
    rm "$host/fake/refuses-$B"
    run directly disable --guests --dry-run
    assert_success
    assert_line --regexp "1\. change-guest $A $A: it can nest; vmx will be disabled in its definition"
    run --separate-stderr directly disable --guests
    assert_success
    assert_output 'nested=off, 2 guests hidden, now and at every boot'
    assert_equal "$(guests | cut -d' ' -f2- | uniq)" 'hide vmx'
    run directly undo --quiet
    assert_success
    assert_equal "$(snapshot | grep -v /var/lib/nestd; guests)" "$(grep -v /var/lib/nestd <<<"$before")"
}

@test "disable --guests: killed in the middle, the next start puts the guests back and says so; at boot once libvirt runs" {
    guest $A original
    guest $B 'expose vmx keep - -'
    before=$(guests)
    with_nestd
    # the event after the first guest was hidden
    : >"$dir/killall-unload"
    run through_nestd disable --guests --quiet
    assert_failure
    stop_nestd
    worker_gone
    assert_equal "$(guests | cut -d' ' -f2- | uniq)" 'hide vmx'
    # as at boot: libvirt's daemon waits for nestd
    : >"$host/fake/no-libvirtd"
    rm -f "$host/run/nestd/boot-checked"
    start_nestd
    retry grep -F 'Change 1 (disable nested=off, 2 guests hidden) was interrupted and has been rolled back' -i "$dir/log"
    grep -F 'could not be put back' "$dir/log"
    assert_equal "$(guests)" "$before"
    assert_equal "$(property NestedEnabled)" true
}

@test "disable --guests --when-idle: guests and host wait together, and change together" {
    guest $A original
    with_nestd
    "$O/tests/fake-host" use "$host" yes
    run through_nestd disable --guests --when-idle --quiet
    assert_success
    assert_equal "$(property Pending)" true
    assert_equal "$(guests)" "$A original"
    "$O/tests/fake-host" use "$host" no
    : <"$host/dev/kvm"
    retry property_is Pending false
    assert_equal "$(property NestedEnabled)" false
    assert_equal "$(guests)" "$A hide vmx"
    run through_nestd undo --quiet
    assert_success
    assert_equal "$(guests)" "$A original"
}
