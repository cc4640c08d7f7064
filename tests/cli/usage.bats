#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command line: what is wrong is told in one line with the remedy, exit code 2, and nothing is done.
bats_require_minimum_version 1.5.0
load support

@test "usage: an unknown verb gets the nearest one" {
    run --separate-stderr nestctl stats
    assert_complaint 2 "stats: no such verb; did you mean 'status'\\?"
    run --separate-stderr nestctl enbale
    assert_complaint 2 "did you mean 'enable'\\?"
    run --separate-stderr nestctl chek --json
    assert_complaint 2 "did you mean 'check'\\?"
}

@test "usage: what is like nothing gets no guess" {
    run --separate-stderr nestctl frobnicate
    assert_complaint 2 "frobnicate: no such verb; 'nestctl --help'"
    run --separate-stderr nestctl ''
    assert_complaint 2 'no such verb'
    run --separate-stderr nestctl "$(printf 'x%.0s' {1..5000})"
    assert_complaint 2 'no such verb'
}

@test "usage: an unknown option gets the nearest one" {
    run --separate-stderr nestctl status --jsno
    assert_complaint 2 '--jsno: no such option; did you mean --json\?'
    run --separate-stderr nestctl enable --dryrun
    assert_complaint 2 'did you mean --dry-run\?'
    run --separate-stderr nestctl --qqqq
    assert_complaint 2 "--qqqq: no such option; 'nestctl --help'"
    run --separate-stderr nestctl status -qZ
    assert_complaint 2 "-Z: no such option"
    run --separate-stderr nestctl status -Zq
    assert_complaint 2 "-Z: no such option"
}

@test "usage: options with and without arguments" {
    run --separate-stderr nestctl --root
    assert_complaint 2 '--root: wants an argument; write --root=DIR'
    run --separate-stderr nestctl status -H
    assert_complaint 2 '-H: wants an argument; write --host='
    run --separate-stderr nestctl status --json=yes
    assert_complaint 2 '--json=yes: takes no argument; write --json'
    run --separate-stderr nestctl status --root=
    assert_complaint 2 '--root'
    run --separate-stderr nestctl status --host=-oProxyCommand=id
    assert_complaint 2 '--host'
    run --separate-stderr nestctl status --host=
    assert_complaint 2 '--host'
}

@test "usage: an option of another verb is refused by name" {
    run --separate-stderr nestctl status --when-idle
    assert_complaint 2 "--when-idle: not an option of 'status'; see 'nestctl status --help'"
    run --separate-stderr nestctl --dry-run
    assert_complaint 2 "--dry-run: not an option of 'status'"
    run --separate-stderr nestctl monitor --root=/
    assert_complaint 2 "--root: not an option of 'monitor'"
}

@test "usage: too many arguments" {
    run --separate-stderr nestctl status now
    assert_complaint 2 "now: one argument too many for 'status'"
    run --separate-stderr nestctl disable nested
    assert_complaint 2 "nested: one argument too many for 'disable'"
    run --separate-stderr nestctl undo 1 2
    assert_complaint 2 "2: one argument too many for 'undo'"
    run --separate-stderr nestctl undo --list 3
    assert_complaint 2 '3: --list takes no ID'
}

@test "usage: options may stand before, between and behind" {
    run --separate-stderr nestctl --dry-run --root=/nonexistent enable --json nested=on --yes
    assert_equal "$status" 1
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr == 'nestctl: /nonexistent: '* ]]
}

@test "usage: help and version" {
    run --separate-stderr nestctl --help
    assert_success
    assert_equal "$stderr" ''
    assert_line 'Verbs:'
    run --separate-stderr nestctl --version
    assert_success
    assert_output --regexp '^nestctl [0-9.]+$'
    run --separate-stderr nestctl -h
    assert_success
    for verb in $(verbs); do
        run --separate-stderr nestctl "$verb" --help
        assert_success
        assert_equal "$stderr" ''
        assert_line --index 0 --regexp "^nestctl $verb( .*)? \\[OPTION\\.\\.\\.\\]\$"
        # Who asks for help gets help, whatever else is said.
        run nestctl "$verb" too many arguments --help
        assert_success
    done
    assert [ "$(verbs | wc -l)" -ge 7 ]
}

@test "usage: features and their values" {
    run --separate-stderr nestctl enable --dry-run shadow_vmc
    assert_complaint 2 "shadow_vmc: no such feature; did you mean 'shadow_vmcs'\\?"
    run --separate-stderr nestctl enable --dry-run nested=yes
    assert_complaint 2 "nested=yes: 'yes' is neither on nor off; write FEATURE=on or FEATURE=off"
    run --separate-stderr nestctl enable --dry-run nested=
    assert_complaint 2 'neither on nor off'
    run --separate-stderr nestctl enable --dry-run nested=on nested=off
    assert_complaint 2 'nested=off: both on and off are wanted'
    run --separate-stderr nestctl enable --dry-run ept=on npt=off
    assert_complaint 2 'npt=off: both on and off are wanted'
    run --separate-stderr nestctl enable --dry-run =on
    assert_complaint 2 'no such feature'
    run --separate-stderr nestctl enable --runtime --persistent
    assert_complaint 2 '--runtime: contradicts --persistent'
}

@test "usage: output that cannot be written is an error" {
    run --separate-stderr bash -c 'nestctl --help >/dev/full'
    assert_complaint 1 'standard output: No space left on device'
}
