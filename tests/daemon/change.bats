#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Enable(), Disable(), Undo() and their jobs.
# shellcheck disable=SC2030,SC2031,SC2154 # what bats does with subshells; bus.bash
load bus

setup() {
    start_bus
    new_host
    start_nestd
    before=$(snapshot)
}

teardown() {
    stop_bus
    rm -rf "$host"
}

# refuses ERROR MESSAGE METHOD SIGNATURE ARGUMENTS...: and nothing has happened
refuses() {
    local error=$1 message=$2 method=$3 signature=$4
    shift 4
    run busctl --system --json=short call "${HOST[@]}" "$method" "$signature" "$@"
    assert_failure
    assert_output --partial "$message"
    # busctl hides the error's name
    /usr/bin/python3 tests/daemon/error-name "$method" "$signature" "$@" >"$dir/error"
    assert_equal "$(cat "$dir/error")" "$error"
    assert_equal "$(snapshot)" "$before"
}

@test "daemon: Disable() and Enable() reload the module; the properties are right when the job ends" {
    run call Disable 'a{sv}' 0
    assert_output 'o "/org/nestd1/job/1"'
    wait_job 1 'done'
    assert_equal "$(property NestedEnabled)" false
    assert_equal "$(cat "$host/sys/module/kvm_intel/parameters/nested")" N
    assert_equal "$(job_property 1 Kind)" '"disable"'
    assert_equal "$(job_property 1 Progress)" 1
    assert_equal "$(job_property 1 Error)" '""'

    call Enable 'a{sv}' 1 nested s on
    wait_job 2 'done'
    assert_equal "$(property NestedEnabled)" true
    assert_equal "$(cat "$host/sys/module/kvm_intel/parameters/nested")" Y
}

@test "daemon: Undo() puts back what was, byte for byte" {
    call Disable 'a{sv}' 1 shadow_vmcs b false
    wait_job 1 'done'
    [ "$(snapshot)" != "$before" ]
    assert_equal "$(property NestedEnabled)" true
    call Undo 'a{sv}' 1 id s 1
    wait_job 2 'done'
    # the journal remembers; the machine is as it was
    assert_equal "$(snapshot | grep -v /var/lib/nestd)" "$(echo "$before" | grep -v /var/lib/nestd)"
    before=$(snapshot)
    refuses org.nestd1.Error.Invalid '77: no such change' Undo 'a{sv}' 1 id s 77
    refuses org.nestd1.Error.Invalid '1: no such change, or it is undone already; Host.ListChanges() lists them' Undo 'a{sv}' 1 id s 1
    refuses org.nestd1.Error.Invalid 'nothing is left to undo' Undo 'a{sv}' 0
    refuses org.nestd1.Error.Invalid '?[31m: no such change' Undo 'a{sv}' 1 id s $'\e[31m'
}

@test "daemon: what is so already is a job that is done, and changes nothing" {
    call Enable 'a{sv}' 1 nested b true
    wait_job 1 'done'
    job_property 1 Result | grep -F '\"id\":null'
    assert_equal "$(snapshot)" "$before"
}

@test "daemon: wrong options are refused, each with its reason" {
    refuses org.nestd1.Error.Invalid 'warp: no such option' Enable 'a{sv}' 1 warp b true
    refuses org.nestd1.Error.Invalid 'when-idle: must be a boolean' Enable 'a{sv}' 1 when-idle s yes
    refuses org.nestd1.Error.Invalid 'nested: must be "on" or "off"' Enable 'a{sv}' 1 nested s maybe
    refuses org.nestd1.Error.Invalid 'nested: must be "on" or "off"' Enable 'a{sv}' 1 nested i 1
    refuses org.nestd1.Error.Invalid 'npt: this feature is named twice' Enable 'a{sv}' 2 ept b true npt b false
    refuses org.nestd1.Error.Invalid 'runtime: contradicts' Enable 'a{sv}' 2 runtime b true persistent b true
    refuses org.nestd1.Error.Invalid 'id: not an option of "enable"' Enable 'a{sv}' 1 id s 1
    refuses org.nestd1.Error.Invalid 'runtime: not an option of "undo"' Undo 'a{sv}' 1 runtime b true
    refuses org.nestd1.Error.Invalid 'id: must be a string' Undo 'a{sv}' 1 id u 1
    refuses org.nestd1.Error.Invalid 'nested: no such option' Undo 'a{sv}' 1 nested b true
    refuses org.freedesktop.DBus.Error.InvalidArgs '' Enable 's' nested
}

@test "daemon: what the hardware lacks is NotSupported" {
    sed -i 's/ shadow_vmcs//' "$host/proc/cpuinfo"
    "$O/tests/fake-host" lacks "$host" enable_shadow_vmcs
    "$O/tests/fake-host" boot "$host"
    before=$(snapshot)
    refuses org.nestd1.Error.NotSupported shadow_vmcs Enable 'a{sv}' 1 shadow_vmcs b true
}

@test "daemon: a module in use is Blocked, and who uses it is named" {
    "$O/tests/fake-host" use "$host" yes
    before=$(snapshot)
    refuses org.nestd1.Error.Blocked 'guest web1' Disable 'a{sv}' 0
}

@test "daemon: a load that fails is a failed job, and everything is as before" {
    touch "$dir/fail-load"
    call Disable 'a{sv}' 0
    wait_job 1 failed
    run job_property 1 Error
    assert_output --partial 'kvm_intel could not be loaded'
    job_property 1 Result | grep -F '\"rolled_back\":true'
    assert_equal "$(snapshot)" "$before"
    assert_equal "$(property NestedEnabled)" true
}

@test "daemon: a job outlives its caller, and there is one at a time" {
    touch "$dir/gate"
    call Disable 'a{sv}' 0
    # busctl has gone; the job stays and waits
    assert_equal "$(job_property 1 State)" '"running"'
    refuses org.nestd1.Error.Blocked '/org/nestd1/job/1 is changing this host' Disable 'a{sv}' 0
    # the loop does not wait for it
    run timeout 100 busctl --system call "${HOST[@]}" Describe
    assert_success
    rm "$dir/gate"
    wait_job 1 'done'
}

@test "daemon: Finished follows the last PropertiesChanged, which has all of it" {
    monitor "$dir/signals" org.nestd1
    call Disable 'a{sv}' 0
    wait_job 1 'done'
    retry grep -q '"Finished"' "$dir/signals"
    kill "$monitor_pid"
    /usr/bin/python3 - "$dir/signals" <<'EOF'
import json, sys
seen = [json.loads(line) for line in open(sys.argv[1])]
job = [m for m in seen if m.get("path") == "/org/nestd1/job/1" and m["type"] == "signal"]
assert job[-1]["member"] == "Finished" and job[-1]["payload"]["data"] == ["done"], job[-1]
last = job[-2]["payload"]["data"][1]
assert {"State", "Progress", "Error", "Result"} <= set(last) and last["State"]["data"] == "done", last
host = [i for i, m in enumerate(seen) if m.get("path") == "/org/nestd1" and m.get("member") == "PropertiesChanged"]
assert host and host[0] < seen.index(job[-2]), "the host's properties come first"
progress = [m["payload"]["data"][1]["Progress"]["data"] for m in job if m["member"] == "PropertiesChanged" and "Progress" in m["payload"]["data"][1]]
assert progress == sorted(progress) and progress[-1] == 1 and len(progress) > 2, progress
EOF
}

@test "daemon: Cancel() takes back what was done" {
    touch "$dir/gate"
    call Disable 'a{sv}' 0
    busctl --system call org.nestd1 /org/nestd1/job/1 org.nestd1.Job Cancel
    rm "$dir/gate"
    wait_job 1 cancelled
    assert_equal "$(snapshot)" "$before"
    run busctl --system call org.nestd1 /org/nestd1/job/1 org.nestd1.Job Cancel
    assert_failure
    assert_output --partial 'has finished'
}

# Killed between the old module and the new one, with the new options on disk.
@test "daemon: a worker that is killed is a failed job, and its change is dealt with at once" {
    touch "$dir/kill-load"
    call Disable 'a{sv}' 0
    wait_job 1 failed
    run job_property 1 Error
    assert_output --partial 'killed by signal 9'
    assert_output --regexp 'interrupted and has been (finished|rolled back)"$'
    assert_equal "$(snapshot)" "$before"
    assert_equal "$(property NestedEnabled)" true
    call Disable 'a{sv}' 0
    wait_job 2 'done'
}

@test "daemon: a worker that is killed, and its change cannot be put back: that is said, and tried again" {
    touch "$dir/kill-load" "$dir/fail-settle"
    call Disable 'a{sv}' 0
    wait_job 1 failed
    run job_property 1 Error
    assert_output --partial 'killed by signal 9'
    assert_output --partial '/dev/kvm did not come back: Input/output error'
    refute_output --partial 'changed nothing'
    # what is done already can be asked for again: it puts back first
    call Enable 'a{sv}' 1 nested b true
    wait_job 2 'done'
    assert_equal "$(snapshot)" "$before"
}

@test "daemon: a daemon that is killed says at its next start what became of the change" {
    touch "$dir/killall-load"
    call Disable 'a{sv}' 0
    wait "$nestd_pid" || true
    worker_gone
    [ ! -e "$host/sys/module/kvm_intel" ]
    start_nestd
    grep -E 'interrupted and has been (finished|rolled back)' "$dir/log"
    assert_equal "$(snapshot)" "$before"
}

off_bus() {
    ! busctl --system list --acquired | grep -q '^org.nestd1 '
}

@test "daemon: SIGTERM takes back what is being done" {
    touch "$dir/gate"
    call Disable 'a{sv}' 0
    kill -TERM "$nestd_pid"
    # it has left the bus: the worker has been told
    retry off_bus
    stop_nestd
    assert_equal "${nestd_status:-0}" 0
    assert_equal "$(snapshot)" "$before"
}

@test "daemon: the last 16 finished jobs stay" {
    for i in $(seq 20); do
        call Enable 'a{sv}' 1 nested b true
        retry state_is "$i" 'done'
    done
    run busctl --system get-property org.nestd1 /org/nestd1/job/4 org.nestd1.Job State
    assert_failure
    assert_equal "$(job_property 5 State)" '"done"'
}
