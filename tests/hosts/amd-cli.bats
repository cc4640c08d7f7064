#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2016,SC2154 # dollars are for the host; support.bash sets top
# What nestctl needs a whole machine for: the kernel's events, polkit's agent on a terminal, a dump of a real host.

load support # sets top

setup_file() {
    host_start
    "$top/tests/hosts/amd" push "$top/tests/cli/on-terminal.py" /root
}

teardown_file() {
    host_stop
}

@test "monitor sees what others do to the module, without nestd" {
    run there '
        systemctl stop nestd
        nestctl monitor --direct >/tmp/seen 2>&1 &
        pid=$!
        until grep -q Following /tmp/seen; do sleep 0.2; done
        modprobe -r kvm_amd
        until grep -q "nested.module_state: loaded -> available" /tmp/seen; do sleep 0.2; done
        modprobe kvm_amd nested=0
        until grep -q "nested.module_state: available -> loaded" /tmp/seen; do sleep 0.2; done
        echo "options kvm_amd nested=0" >/etc/modprobe.d/other.conf
        until grep -q "nested.persistent: true -> false" /tmp/seen; do sleep 0.2; done
        kill -INT $pid
        wait $pid
        echo "code $?"
        rm /etc/modprobe.d/other.conf
        modprobe -r kvm_amd
        modprobe kvm_amd
        systemctl start nestd'
    assert_success
    assert_output 'code 0'
}

@test "a dump of the host says what the host says" {
    run there '
        cd /root
        nestctl collect --quiet x.tar && mkdir x && tar -xf x.tar -C x || exit
        diff <(nestctl --json) <(nestctl --root=x --json) && diff <(nestctl check --json) <(nestctl check --root=x --json)'
    assert_success
    assert_output ''
}

@test "a user sees what root sees" {
    run there 'diff <(nestctl --json) <(setpriv --reuid=alice --regid=alice --init-groups nestctl --json)'
    assert_success
    assert_output ''
}

@test "on a terminal polkit asks for the password; nobody there to ask is 5" {
    run there 'setpriv --reuid=alice --regid=alice --init-groups nestctl disable --quiet </dev/null'
    assert_equal "$status" 5
    assert_output --partial 'not authorised'
    run there '
        echo root:for-this-test | chpasswd
        INPUT="for-this-test\n" INPUT_AFTER=assword TERM=xterm python3 /root/on-terminal.py systemd-run -q --pty \
            --uid=alice -p PAMName=login -E TERM=xterm nestctl disable --yes
        cat /sys/module/kvm_amd/parameters/nested
        nestctl undo --quiet
        cat /sys/module/kvm_amd/parameters/nested'
    assert_success
    assert_output --partial 'AUTHENTICATING FOR org.nestd1.reload-module'
    assert_output --partial 'nested=off, now and at every boot'
    assert_equal "$(tail -n 2 <<<"$output")" $'0\n1'
}

@test "the same outcome with and without nestd, on the real module" {
    run there '
        nestctl disable --json --quiet | sed "s/\"id\".*/id/" >/root/nestd.json
        nestctl undo --quiet
        nestctl disable --json --quiet --direct | sed "s/\"id\".*/id/" >/root/direct.json
        nestctl undo --quiet --direct
        cat /sys/module/kvm_amd/parameters/nested
        ls /etc/modprobe.d/nestd.conf 2>&1
        diff /root/nestd.json /root/direct.json'
    assert_success
    assert_line --index 0 1
    assert_line --index 1 --partial 'No such file'
}
