#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may change the host: root always, others as polkit says, without polkit nobody else.
# shellcheck disable=SC2030,SC2031,SC2154 # what bats does with subshells; bus.bash
load bus

setup() {
    need_root
    start_bus
    new_host
    start_nestd
    before=$(snapshot)
}

teardown() {
    [ -z "${dir:-}" ] || stop_bus
    rm -rf "$host"
}

# as_nobody_error METHOD SIGNATURE ARGUMENTS...: the error's name
as_nobody_error() {
    as_nobody /usr/bin/python3 tests/daemon/error-name "$@"
}

unchanged() {
    assert_equal "$(snapshot)" "$before"
    run busctl --system get-property org.nestd1 /org/nestd1/job/1 org.nestd1.Job State
    assert_failure
}

@test "daemon: polkit not running: root only" {
    assert_equal "$(as_nobody_error Disable 'a{sv}')" org.freedesktop.DBus.Error.AccessDenied
    run as_nobody_error Disable 'a{sv}'
    assert_output --partial 'org.nestd1.reload-module: not authorised; polkit is not there to ask, so only root may'
    unchanged
    call Disable 'a{sv}' 0
    wait_job 1 'done'
}

@test "daemon: polkit says no: nothing happens" {
    start_polkit no
    assert_equal "$(as_nobody_error Enable 'a{sv}')" org.freedesktop.DBus.Error.AccessDenied
    assert_equal "$(as_nobody_error Disable 'a{sv}')" org.freedesktop.DBus.Error.AccessDenied
    as_nobody_error Undo 'a{sv}' # there is nothing to undo, which everybody may know
    unchanged
}

@test "daemon: polkit says yes: the job runs, and root need not be asked about" {
    start_polkit yes
    run as_nobody busctl --system call "${HOST[@]}" Disable 'a{sv}' 0
    assert_success
    wait_job 1 'done'
    run cat "$dir/polkit"
    assert_output --partial '"org.nestd1.reload-module"'
    call Enable 'a{sv}' 1 nested b true
    wait_job 2 'done'
    assert_equal "$(grep -c CheckAuthorization "$dir/polkit")" 1
}

@test "daemon: polkit is told who asks, what for and whether it may ask back" {
    start_polkit yes
    as_nobody busctl --system --allow-interactive-authorization=no call "${HOST[@]}" Disable 'a{sv}' 0
    wait_job 1 'done'
    as_nobody busctl --system --allow-interactive-authorization=yes call "${HOST[@]}" Undo 'a{sv}' 0
    wait_job 2 'done'
    run grep CheckAuthorization "$dir/polkit"
    assert_line --index 0 --regexp 'system-bus-name.*name.*:1\.[0-9]+.*"org.nestd1.reload-module".*"verb": "disable", "change": "nested=off".* 0 ""$'
    assert_line --index 1 --regexp '"org.nestd1.undo".*"verb": "undo".* 1 ""$'
}

@test "daemon: a change without a reload takes the lesser action" {
    start_polkit yes
    as_nobody busctl --system call "${HOST[@]}" Enable 'a{sv}' 2 nested b true persistent b true
    wait_job 1 'done'
    run grep CheckAuthorization "$dir/polkit"
    assert_output --partial '"org.nestd1.set-host"'
    refute_output --partial reload
}

@test "daemon: a password is asked for only if the call allows it" {
    start_polkit password
    run as_nobody busctl --system --allow-interactive-authorization=no call "${HOST[@]}" Disable 'a{sv}' 0
    assert_failure
    assert_output --partial 'it takes a password'
    assert_equal "$(as_nobody_error Disable 'a{sv}')" org.freedesktop.DBus.Error.InteractiveAuthorizationRequired
    unchanged
    run as_nobody busctl --system --allow-interactive-authorization=yes call "${HOST[@]}" Disable 'a{sv}' 0
    assert_success
    wait_job 1 'done'
}

@test "daemon: polkit that fails is a no" {
    start_polkit error
    assert_equal "$(as_nobody_error Disable 'a{sv}')" org.freedesktop.DBus.Error.AccessDenied
    grep -F 'Action is not registered' "$dir/log"
    unchanged
}

@test "daemon: while polkit thinks, others are served; a caller that goes leaves nothing behind" {
    start_polkit silent
    setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups busctl --system call "${HOST[@]}" Disable 'a{sv}' 0 >"$dir/caller" 2>&1 3>&- &
    caller=$!
    retry grep -q CheckAuthorization "$dir/polkit"
    run timeout 100 busctl --system call "${HOST[@]}" Describe
    assert_success
    kill "$caller"
    unchanged
    call Disable 'a{sv}' 0
    wait_job 1 'done'
    # and nestd stops in good order with the question open
    stop_nestd
    assert_equal "${nestd_status:-0}" 0
}

@test "daemon: calls that wait are bounded" {
    start_polkit silent
    callers=()
    for _ in $(seq 16); do
        setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups busctl --system call "${HOST[@]}" Disable 'a{sv}' 0 >/dev/null 2>&1 3>&- &
        callers+=($!)
    done
    # one that comes before all of those waits as they do, until it is given up
    limited() {
        [ "$(timeout 15 setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups \
            /usr/bin/python3 tests/daemon/error-name Disable 'a{sv}')" = org.freedesktop.DBus.Error.LimitsExceeded ]
    }
    retry limited
    call Describe >/dev/null
    kill "${callers[@]}"
}

@test "daemon: Cancel() is for who started the job, and for whoever may start one" {
    touch "$dir/gate"
    call Disable 'a{sv}' 0
    start_polkit no
    run as_nobody busctl --system call org.nestd1 /org/nestd1/job/1 org.nestd1.Job Cancel
    assert_failure
    assert_output --partial 'Access denied'
    assert_equal "$(job_property 1 State)" '"running"'
    stop_polkit
    start_polkit yes
    as_nobody busctl --system call org.nestd1 /org/nestd1/job/1 org.nestd1.Job Cancel
    rm "$dir/gate"
    wait_job 1 cancelled
}

@test "daemon: only root may be nestd" {
    stop_nestd
    run as_nobody timeout 100 "$O/nestd" --root /usr
    assert_failure
    assert_output --partial 'Cannot own org.nestd1 on the system bus: Permission denied'
}

@test "daemon: polkit is asked for the guests, too, where they are changed with the host" {
    mkdir -p "$host/fake/guests"
    echo "6a7c9d2e-0000-4000-8000-00000000000a original" >"$host/fake/guests/6a7c9d2e-0000-4000-8000-00000000000a"
    start_polkit yes
    as_nobody busctl --system call "${HOST[@]}" Disable 'a{sv}' 1 guests b true
    wait_job 1 'done'
    grep -F 'hide vmx' "$host/fake/guests/6a7c9d2e-0000-4000-8000-00000000000a"
    run grep CheckAuthorization "$dir/polkit"
    assert_line --index 0 --partial '"org.nestd1.reload-module"'
    assert_line --index 1 --partial '"org.nestd1.expose-guest"'
    # what undoes both is one thing
    as_nobody busctl --system call "${HOST[@]}" Undo 'a{sv}' 0
    wait_job 2 'done'
    assert_equal "$(grep -c CheckAuthorization "$dir/polkit")" 3
}
