#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nestctl status and check over dumped hosts.
bats_require_minimum_version 1.5.0
load support

setup() {
    H=$BATS_TEST_TMPDIR/host
    make_host "$H"
}

# member PATH: a member of the JSON in $output
member() {
    python3 -c '
import functools, json, sys
print(functools.reduce(lambda o, k: o[int(k) if k.isdigit() else k], sys.argv[2].split("."), json.loads(sys.argv[1])))' \
        "$output" "$1"
}

@test "status: the table of a host with nested off" {
    run nestctl --root="$H"
    assert_success
    assert_golden status-off.txt
}

@test "status: the JSON of every host of the fixtures, and a table of each" {
    for fixture in "$TOP"/tests/fixtures/hosts/*.host; do
        name=$(basename "$fixture" .host)
        "$TOP/tests/fixtures/hosts/unpack" "$fixture" "$BATS_TEST_TMPDIR/$name"
        run --separate-stderr nestctl status --root="$BATS_TEST_TMPDIR/$name" --json
        assert_success
        # test-hosts compares more than this object has
        python3 -c '
import json, sys
expected, actual = (json.load(open(f)) for f in sys.argv[1:])
assert actual == {k: expected[k] for k in actual} and {"host", "nested", "features"} <= set(actual)' \
            "${fixture%.host}.json" /dev/stdin <<<"$output"
        run --separate-stderr nestctl status --root="$BATS_TEST_TMPDIR/$name"
        assert_success
        assert_line --regexp '^Next: '
    done
    run find "$BATS_TEST_TMPDIR" -mindepth 1 -maxdepth 1 -type d
    assert [ "${#lines[@]}" -gt 20 ]
}

@test "status: tables of an Intel host and of no x86" {
    for name in intel-skylake-x s390x; do
        "$TOP/tests/fixtures/hosts/unpack" "$TOP/tests/fixtures/hosts/$name.host" "$BATS_TEST_TMPDIR/$name"
        run nestctl --root="$BATS_TEST_TMPDIR/$name"
        assert_success
        assert_golden "status-$name.txt"
        run nestctl check --root="$BATS_TEST_TMPDIR/$name"
        assert_golden "check-$name.txt"
    done
}

@test "status: nested on" {
    echo 1 >"$H/sys/module/kvm_amd/parameters/nested"
    rm "$H/etc/modprobe.d/kvm.conf"
    run nestctl status --root="$H"
    assert_success
    assert_golden status-on.txt
    run nestctl status --root="$H" --json
    assert_equal "$(member nested.enabled)" True
}

@test "status: no extension" {
    sed -i 's/ svm / /' "$H/proc/cpuinfo"
    run nestctl status --root="$H"
    assert_success
    assert_golden status-none.txt
}

@test "status: everything of the table is in the JSON and the reverse" {
    run nestctl --root="$H" --json
    names=$(python3 -c 'import json,sys; [print(f["name"]) for f in json.load(sys.stdin)["features"]]' <<<"$output")
    run nestctl --root="$H"
    assert_equal "$(awk '/^FEATURE/ { on = 1; next } /^$/ { on = 0 } on { print $1 }' <<<"$output")" "$names"
}

@test "status: no colour when piped, on a terminal it has, NO_COLOR and dumb terminals have none" {
    run nestctl --root="$H"
    refute_output --partial $'\033'
    run on_terminal nestctl --root="$H" --no-pager
    assert_success
    assert_output --partial $'\033[33m'
    NO_COLOR=1 run on_terminal nestctl --root="$H" --no-pager
    refute_output --partial $'\033'
    NO_COLOR='' run on_terminal nestctl --root="$H" --no-pager
    assert_output --partial $'\033'
    TERM=dumb run on_terminal nestctl --root="$H" --no-pager
    refute_output --partial $'\033'
    run on_terminal nestctl --root="$H" --no-pager --json
    refute_output --partial $'\033'
}

@test "status: a terminal cuts the last column only, a pipe nothing" {
    run on_terminal nestctl --root="$H" --no-pager
    assert_line --regexp '^nested +nested +yes +off +keep +reload +lets guests'
    run awk '/^FEATURE/ { on = 1 } /^$/ { on = 0 } on && length > 100' <<<"$output"
    assert_output ''
    run nestctl --root="$H"
    assert [ "$(awk 'length > 100' <<<"$output" | wc -l)" -gt 0 ]
}

@test "status: the pager, and who does not want it" {
    cat >"$BATS_TEST_TMPDIR/pager" <<'EOF'
#!/bin/sh
echo "paged by $*"
cat
EOF
    chmod +x "$BATS_TEST_TMPDIR/pager"
    export PAGER="$BATS_TEST_TMPDIR/pager -x y"
    run on_terminal nestctl --root="$H"
    assert_success
    assert_line 'paged by -x y'
    assert_line --regexp 'Host: host1'
    run on_terminal nestctl --root="$H" --no-pager
    refute_output --partial paged
    run on_terminal nestctl --root="$H" --json
    refute_output --partial paged
    run nestctl --root="$H"
    refute_output --partial paged
    NESTD_PAGER='cat' run on_terminal nestctl --root="$H"
    assert_success
    refute_output --partial paged
    NESTD_PAGER=/nonexistent/pager run on_terminal nestctl --root="$H"
    assert_success
    assert_line --regexp 'Host: host1'
    # left early; and the code of the verb comes through
    NESTD_PAGER=true run on_terminal nestctl --root="$H"
    assert_success
    rm "$H/proc/cpuinfo"
    run on_terminal nestctl check --root="$H"
    assert_equal "$status" 7
}

@test "status: what a host calls itself cannot steer a terminal" {
    printf 'evil\033[2J\xc2\x9b31m\n' >"$H/proc/sys/kernel/hostname"
    sed -i 's/AMD EPYC Test/\x1b]0;owned\x07/' "$H/proc/cpuinfo"
    for option in --json --quiet; do
        run nestctl --root="$H" $option
        assert_success
        refute_output --partial $'\033'
        refute_output --partial $'\xc2\x9b'
        refute_output --partial $'\a'
    done
}

@test "status: directories that are no host" {
    run --separate-stderr nestctl --root="$BATS_TEST_TMPDIR/missing"
    assert_complaint 1 'missing: No such file or directory; --root wants a directory'
    run --separate-stderr nestctl --root="$H/proc/cpuinfo"
    assert_complaint 1 'Not a directory'
    ln -s loop "$BATS_TEST_TMPDIR/loop"
    run --separate-stderr nestctl --root="$BATS_TEST_TMPDIR/loop"
    assert_complaint 1 'loop: Too many levels of symbolic links'
    mkdir "$BATS_TEST_TMPDIR/empty"
    run --separate-stderr nestctl --root="$BATS_TEST_TMPDIR/empty"
    assert_success
    assert_line --regexp 'Nested: not possible here'
    run nestctl check --root="$BATS_TEST_TMPDIR/empty"
    assert_equal "$status" 7
}

@test "status: hostile files in every place end in an answer, in little memory" {
    files=$(cd "$H" && find . -type f)
    before=$(nestctl status --root="$H" --json)
    # shellcheck disable=SC2086 # names without blanks
    set -- $files
    for kind in empty binary directory loop outside fifo huge; do
        for file; do
            path=$H/$file
            mv "$path" "$BATS_TEST_TMPDIR/kept"
            case $kind in
            empty) : >"$path" ;;
            binary) head -c 3000 /dev/urandom >"$path" ;;
            directory) mkdir "$path" ;;
            loop) ln -s "$(basename "$path")" "$path" ;;
            outside) ln -s ../../../../../../../../../../etc/shadow "$path" ;;
            fifo) mkfifo "$path" ;;
            huge) truncate -s 4G "$path" ;;
            esac
            # shellcheck disable=SC2016
            run bash -c 'ldd "$(type -p nestctl)" | grep -q libasan || ulimit -v 400000; timeout 100 nestctl --root="$1" --json' - "$H"
            [[ $status == [01] ]] || fail "$kind $file: exit code $status: $output"
            refute_output --partial root:
            rm -rf "$path"
            mv "$BATS_TEST_TMPDIR/kept" "$path"
        done
    done
    assert_equal "$(nestctl status --root="$H" --json)" "$before"
}

@test "status: a wrong line of nestd.conf is told, and the rest holds" {
    put "$H/etc/nestd/nestd.conf" <<'EOF'
[Features]
nested=maybe
npt=off
EOF
    run --separate-stderr nestctl --root="$H" --json
    assert_success
    assert_equal "$(member features.1.wanted)" off
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr == */etc/nestd/nestd.conf:2:* ]] || fail "$stderr"
    run --separate-stderr nestctl --root="$H" --json --quiet
    assert_equal "$stderr" ''
}

@test "check: the table and the verdict" {
    run nestctl check --root="$H"
    assert_success
    assert_golden check-off.txt
    run nestctl check --root="$H" --json
    assert_success
    assert_equal "$(member checks.6.code) $(member checks.6.result)" 'nested warn'
    sed -i 's/ svm / /' "$H/proc/cpuinfo"
    run nestctl check --root="$H"
    assert_equal "$status" 7
    assert_golden check-none.txt
    run nestctl check --root="$H" --json
    assert_equal "$status" 7
    assert_equal "$(member checks.0.result)" fail
}

@test "check: --quiet says it by the exit code" {
    run nestctl check --quiet --root="$H"
    assert_success
    assert_output ''
    rm "$H/proc/cpuinfo"
    run nestctl check --quiet --root="$H"
    assert_equal "$status" 7
    assert_output ''
}

@test "status: this machine, as root and as nobody" {
    run nestctl status --json
    assert_success
    assert_equal "$(member host.kernel)" "$(uname -r)"
    if [[ $(id -u) == 0 ]]; then
        # the build tree may be closed to others
        cp "$O/nestctl" "$BATS_TEST_TMPDIR/nestctl"
        run setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'exec /proc/self/fd/9 status --json' 9<"$BATS_TEST_TMPDIR/nestctl"
        assert_success
        assert_equal "$(member host.kernel)" "$(uname -r)"
    fi
}
