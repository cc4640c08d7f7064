#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016 # dollars are for the host
# The same job through D-Bus: busctl, and a Python client as a cloud's agent has it; as root, as alice, whom polkit
# allows it, and as bob, whom it refuses.

load support

setup_file() {
    host_start
    nested_off_by_admin
    AMD_STDIN=1 on tee /etc/polkit-1/rules.d/50-nestd-tests.rules >/dev/null <<'RULE'
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.nestd1.") == 0 && subject.user == "alice")
        return polkit.Result.YES;
    if (action.id.indexOf("org.nestd1.") == 0 && subject.user == "bob")
        return polkit.Result.NO;
});
RULE
    # Not left to polkit's own watch of the directory
    there 'systemctl restart polkit'
    fingerprint >"$BATS_FILE_TMPDIR/before"
}

teardown_file() {
    host_stop
}

as() { # USER CMD ARG...
    local user=$1
    shift
    on runuser -u "$user" -- "$@"
}

assert_as_before() {
    run fingerprint
    assert_output "$(cat "$BATS_FILE_TMPDIR/before")"
}

@test "the bus starts nestd when it is called" {
    there 'systemctl stop nestd'
    run on busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host Vendor
    assert_output 's "amd"'
    run on systemctl is-active nestd
    assert_output active
}

@test "busctl: the interfaces are those of the manual" {
    run on busctl introspect org.nestd1 /org/nestd1 org.nestd1.Host
    assert_success
    for name in Describe Enable Disable Undo Version Vendor Extension NestedCapable NestedEnabled Persistent Pending Module; do
        assert_output --regexp "\\.$name +(method|property)"
    done
}

@test "busctl: Enable and Undo, followed through the job" {
    run there '
        set -e
        job=$(busctl --json=short call org.nestd1 /org/nestd1 org.nestd1.Host Enable "a{sv}" 1 nested b true |
              python3 -c "import json, sys; print(json.load(sys.stdin)[\"data\"][0])")
        state() { busctl get-property org.nestd1 "$job" org.nestd1.Job State; }
        for ((i = 0; i < 1500; i++)); do [ "$(state)" = "s \"running\"" ] || break; sleep 0.2; done
        state
        busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host NestedEnabled'
    assert_success
    assert_line 's "done"'
    assert_line 'b true'
    assert_parameter nested 1
    run on busctl call org.nestd1 /org/nestd1 org.nestd1.Host Undo 'a{sv}' 0
    assert_success
    eventually 300 '[ "$(cat /sys/module/kvm_amd/parameters/nested)" = 0 ] && [ ! -e /etc/modprobe.d/nestd.conf ]'
    eventually 300 'ls /dev/kvm'
    there 'udevadm settle'
    assert_as_before
}

@test "busctl: wrong options are refused by name, without effect" {
    run on busctl call org.nestd1 /org/nestd1 org.nestd1.Host Enable 'a{sv}' 1 nonsense b true
    assert_failure
    assert_output --partial nonsense
    run on busctl call org.nestd1 /org/nestd1 org.nestd1.Host Enable 'a{sv}' 1 nested s maybe
    assert_failure
    run on busctl call org.nestd1 /org/nestd1 org.nestd1.Host Undo 'a{sv}' 1 id s 4711
    assert_failure
    assert_output --partial 'no such change'
    assert_as_before
}

@test "an agent in Python, as root: enable, told of it by a signal, undo" {
    run on python3 /root/agent.py enable nested=on
    assert_success
    assert_output --partial '"state": "done"'
    assert_output --partial '"enabled": true'
    assert_output --regexp '"signals": \{.*"NestedEnabled": true'
    assert_parameter nested 1
    run on python3 /root/agent.py undo
    assert_success
    assert_output --partial '"enabled": false'
    assert_as_before
}

@test "the options file's ACL and attributes go through a change and its undo, in nestd's sandbox" {
    # <linux/posix_acl_xattr.h>, version 2: user rw-, nobody r--, group r--, mask r--, other ---
    on python3 -c 'import os, struct
path = "/etc/modprobe.d/nestd.conf"
open(path, "w").write("# by hand\n")
none = 0xffffffff
acl = [(1, 6, none), (2, 4, 65534), (4, 4, none), (16, 4, none), (32, 0, none)]
os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in acl))
os.setxattr(path, "user.kept", b"1")'
    attributes() {
        on python3 -c 'import os
path = "/etc/modprobe.d/nestd.conf"
print(oct(os.stat(path).st_mode), {name: os.getxattr(path, name) for name in sorted(os.listxattr(path))})'
    }
    before=$(attributes)
    grep posix_acl_access <<<"$before" | grep -q user.kept
    run on python3 /root/agent.py enable nested=on
    assert_success
    assert_parameter nested 1
    there 'grep -q nested=1 /etc/modprobe.d/nestd.conf'
    assert_equal "$(attributes)" "$before"
    run on python3 /root/agent.py undo
    assert_success
    assert_equal "$(on cat /etc/modprobe.d/nestd.conf)" '# by hand'
    assert_equal "$(attributes)" "$before"
    there 'rm /etc/modprobe.d/nestd.conf'
    assert_as_before
}

@test "a user whom polkit allows: through the agent and through nestctl" {
    on install -m 755 /root/agent.py /home/alice/agent.py
    run as alice python3 /home/alice/agent.py enable nested=on
    assert_success
    assert_output --partial '"enabled": true'
    assert_parameter nested 1
    run as alice nestctl undo --yes
    assert_success
    assert_as_before
    run as alice nestctl enable --yes
    assert_success
    assert_parameter nested 1
    run as alice python3 /home/alice/agent.py undo
    assert_success
    assert_as_before
}

@test "a user whom polkit refuses: exit 5, AccessDenied, nothing changed; looking is free" {
    on install -m 755 /root/agent.py /home/bob/agent.py
    for change in 'enable' 'enable nested=on' 'enable npt=off' 'disable'; do
        # shellcheck disable=SC2086 # words
        run as bob nestctl $change --yes
        assert_failure 5
    done
    run as bob python3 /home/bob/agent.py enable nested=on
    assert_failure 1
    assert_output --partial '"refused": "org.freedesktop.DBus.Error.AccessDenied"'
    run as bob nestctl enable --yes --direct
    assert_failure 5
    assert_as_before
    run as bob nestctl status
    assert_success
    run as bob nestctl enable --dry-run
    assert_success
    run as bob python3 /home/bob/agent.py describe
    assert_success
}

@test "bob cannot cancel or undo what root did" {
    on nestctl enable --yes
    run as bob nestctl undo --yes
    assert_failure 5
    assert_parameter nested 1
    on nestctl undo --yes
    assert_as_before
}

@test "without polkit: root only" {
    there 'systemctl mask --now --runtime polkit'
    run as alice nestctl enable --yes
    assert_failure 5
    assert_as_before
    run on nestctl enable --yes
    assert_success
    run on nestctl undo --yes
    assert_success
    there 'systemctl unmask --runtime polkit'
    assert_as_before
}

@test "with an L1 guest running: Blocked, naming it; when-idle completes after it stops, without the caller" {
    on nestctl enable --yes
    l1_start
    run on python3 /root/agent.py disable
    assert_failure
    assert_output --partial l1
    assert_parameter nested 1
    run on python3 /root/agent.py disable when-idle=true
    assert_output --partial '"pending": true'
    assert_parameter nested 1
    l1_stop
    eventually 300 '[ "$(cat /sys/module/kvm_amd/parameters/nested)" = 0 ]'
    eventually 300 'busctl get-property org.nestd1 /org/nestd1 org.nestd1.Host Pending | grep -q false'
    # Back through both changes
    on nestctl undo --yes
    assert_parameter nested 1
    on nestctl undo --yes
    assert_as_before
}

@test "idle: nestd leaves, and wakes nothing up" {
    there 'mkdir -p /etc/nestd/nestd.conf.d && printf "[Daemon]\nIdleExitSec=3\n" >/etc/nestd/nestd.conf.d/test.conf && systemctl restart nestd'
    eventually 300 '! systemctl is-active -q nestd'
    run on systemctl show -P Result nestd
    assert_output success
    there 'rm -r /etc/nestd'
}
