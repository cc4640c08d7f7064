#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# org.nestd1.Host: looking. Nothing here takes a privilege or changes anything.
# shellcheck disable=SC2030,SC2031,SC2154 # what bats does with subshells; bus.bash
load bus

setup() {
    start_bus
    new_host
}

teardown() {
    stop_bus
    rm -rf "$host"
}

@test "daemon: the properties are those of the host, and of Describe()" {
    start_nestd
    assert_equal "$(property Version)" "\"$("$O/nestd" --version | cut -d' ' -f2)\""
    assert_equal "$(property Vendor)" '"intel"'
    assert_equal "$(property Extension)" '"vmx"'
    assert_equal "$(property Module)" '"kvm_intel"'
    for p in NestedCapable:capable NestedEnabled:enabled Persistent:persistent Pending:pending; do
        call_text Describe | /usr/bin/python3 -c '
import json, sys
d = json.load(sys.stdin)
assert d["schema"] == 1 and d["host"]["vendor"] == "intel" and d["nested"]["module"] == "kvm_intel", d
print(json.dumps(d["nested"][sys.argv[1]]))' "${p#*:}" >"$dir/said"
        assert_equal "$(property "${p%:*}")" "$(cat "$dir/said")"
    done
}

@test "daemon: Check() and ListChanges() are JSON documents" {
    start_nestd
    call_text Check | /usr/bin/python3 -c 'import json, sys; assert len(json.load(sys.stdin)["checks"]) > 5'
    call_text ListChanges | /usr/bin/python3 -c 'import json, sys; assert json.load(sys.stdin)["changes"] == []'
}

@test "daemon: anybody may look" {
    need_root
    start_nestd
    run as_nobody busctl --system call "${HOST[@]}" Describe
    assert_success
    run as_nobody busctl --system call "${HOST[@]}" Plan 'sa{sv}' disable 0
    assert_success
    assert_output --partial unload-module
}

@test "daemon: a host that cannot nest says so, and does not break" {
    sed -i 's/ vmx / /; /^vmx flags/d' "$host/proc/cpuinfo"
    start_nestd
    assert_equal "$(property NestedCapable)" false
    assert_equal "$(property Extension)" '"none"'
    run call Enable 'a{sv}' 0
    assert_failure
    assert_output --regexp 'vmx|svm'
}

@test "daemon: a machine with no files at all is described" {
    rm -rf "$host"
    mkdir "$host"
    start_nestd
    assert_equal "$(property Vendor)" '"none"'
    call_text Describe | /usr/bin/python3 -m json.tool
}

@test "daemon: Plan() says what would be done and does nothing" {
    start_nestd
    before=$(snapshot)
    run call_text Plan 'sa{sv}' disable 0
    assert_success
    assert_output --partial '"nested=off"'
    assert_equal "$(snapshot)" "$before"
    run call Plan 'sa{sv}' when-idle 0
    assert_failure
    assert_output --partial 'no such verb'
}

@test "daemon: a file in modprobe.d that changes is seen, and announced" {
    start_nestd
    assert_equal "$(property Persistent)" true
    monitor "$dir/signals" org.nestd1 --match "type=signal,member=PropertiesChanged"
    echo 'options kvm_intel nested=0' >"$host/etc/modprobe.d/zz.conf"
    retry property_is Persistent false
    retry grep -q '"Persistent":{"type":"b","data":false}' "$dir/signals"
    kill "$monitor_pid"
}

@test "daemon: a wrong line of nestd.conf is named with its file and number, and the rest holds" {
    printf '[Daemon]\nIdleExitSec=soon\n[Features]\nnested=off\nwarp=on\n' >"$host/etc/nestd/nestd.conf"
    start_nestd
    run cat "$dir/log"
    assert_output --partial '/etc/nestd/nestd.conf:2: '
    assert_output --partial '/etc/nestd/nestd.conf:5: '
    refute_output --partial '/etc/nestd/nestd.conf:4: '
    call_text Describe | /usr/bin/python3 -c '
import json, sys
assert [f["wanted"] for f in json.load(sys.stdin)["features"] if f["name"] == "nested"] == ["off"]'
}

@test "daemon: SIGHUP reads nestd.conf again" {
    start_nestd
    printf 'nonsense\n' >"$host/etc/nestd/nestd.conf"
    kill -HUP "$nestd_pid"
    retry grep -q '/etc/nestd/nestd.conf:1: ' "$dir/log"
}

@test "daemon: at most 6 MiB resident, after work" {
    if ldd "$O/nestd" | grep -q libasan; then skip "not with a sanitizer"; fi
    start_nestd "$O/nestd"
    for _ in 1 2 3; do call Describe >/dev/null; done
    rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$nestd_pid/status")
    echo "VmRSS $rss kB"
    [ "$rss" -le 6144 ]
}

@test "daemon: no capability but the two, and none in use" {
    need_root
    start_nestd
    run grep -E '^Cap(Inh|Eff|Amb)' "/proc/$nestd_pid/status"
    refute_output --regexp '[1-9a-f]$'
    # CAP_SYS_MODULE 16, CAP_SYS_RAWIO 17
    run grep -cE '^Cap(Prm|Bnd):.0000000000030000$' "/proc/$nestd_pid/status"
    assert_output 2
}

@test "daemon: --help and --version need no bus; a wrong option is told" {
    DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere run "$O/nestd" --version
    assert_success
    assert_output --regexp '^nestd [0-9]'
    run "$O/nestd" --help
    assert_success
    run "$O/nestd" --warp
    assert_failure 2
    run "$O/nestd" warp
    assert_failure 2
    DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere run "$O/nestd"
    assert_failure 1
    assert_output --partial 'system bus'
    run "$O/nestd" --root /nowhere
    assert_failure 1
    assert_output --partial '/nowhere: No such file'
}
