#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nestctl collect: what is unpacked says what the host said, and holds no secret.
bats_require_minimum_version 1.5.0
load support

setup() {
    H=$BATS_TEST_TMPDIR/host
    make_host "$H"
    cd "$BATS_TEST_TMPDIR" || return
}

# unpack FILE: into $BATS_TEST_TMPDIR/dump
unpack() {
    rm -rf dump
    mkdir dump
    tar -xf "$1" -C dump --no-same-owner
}

same_answers() {
    local verb
    for verb in status check; do
        diff <(nestctl $verb --json --root="$1" 2>&1) <(nestctl $verb --json --root="$2" 2>&1)
    done
    diff <(nestctl enable --dry-run --json --root="$1" 2>&1) <(nestctl enable --dry-run --json --root="$2" 2>&1)
}

@test "collect: status, check and plan of the dump are those of the host" {
    run nestctl collect --root="$H" x.tar
    assert_success
    assert_output --regexp '^x\.tar: [0-9]+ files, [0-9]+ KiB\.'
    unpack x.tar
    same_answers "$H" dump
}

@test "collect: the same for every host of the fixtures, and for a dump of a dump" {
    for file in "$TOP"/tests/fixtures/hosts/*.host; do
        fixture=$BATS_TEST_TMPDIR/$(basename "$file" .host)
        "$TOP/tests/fixtures/hosts/unpack" "$file" "$fixture"
        rm -f x.tar y.tar
        nestctl collect --quiet --root="$fixture" x.tar
        unpack x.tar
        same_answers "$fixture" dump || fail "$fixture"
        nestctl collect --quiet --root=dump y.tar
        rm -rf again
        mkdir again
        tar -xf y.tar -C again --no-same-owner
        same_answers dump again
    done
}

@test "collect: the same with configuration, drop-ins, masks and a merged /usr" {
    mkdir -p "$H/usr"
    mv "$H/lib" "$H/usr/lib"
    ln -s usr/lib "$H/lib"
    put "$H/usr/lib/modprobe.d/kvm.conf" <<<'options kvm_amd avic=1'
    put "$H/usr/lib/modprobe.d/other.conf" <<<$'options kvm_amd \\\n  npt=0 # kvm\nblacklist pcspkr\ninstall kvm_amd /bin/true'
    ln -s /dev/null "$H/etc/modprobe.d/masked.conf"
    put "$H/usr/lib/modprobe.d/masked.conf" <<<'options kvm_amd nested=1'
    put "$H/usr/lib/nestd/nestd.conf" <<<$'[Features]\nnested=on'
    put "$H/etc/nestd/nestd.conf.d/50-x.conf" <<<$'[Features]\nnpt=wrong\navic=off'
    put "$H/etc/initramfs-tools/modules" <<<$'# comment\nkvm_amd\n'
    put "$H/sys/kernel/security/lockdown" <<<'none [integrity] confidentiality'
    put "$H/dev/cpu/0/cpuid" <<<'00000001 00800f12 00020800 fffa3203 178bfbff'
    put "$H/dev/cpu/0/msr" <<<'0xc0010114 0x0000000000000008'
    put "$H/dev/cpu/1/msr" <<<'0xc0010114 0x0000000000000000'
    run nestctl collect --root="$H" x.tar
    assert_success
    unpack x.tar
    same_answers "$H" dump
    # as other unpackers do it
    rm -rf dump
    mkdir dump
    python3 -c 'import tarfile; tarfile.open("x.tar").extractall("dump")'
    same_answers "$H" dump
}

@test "collect: no secrets" {
    put "$H/etc/modprobe.d/secret.conf" <<<$'options foo key=hunter2\n#hunter2 kvm\noptions bar \\\n   psk=hunter2\n'
    put "$H/etc/machine-id" <<<hunter2
    put "$H/etc/libvirt/qemu/web1.xml" <<<'<domain>hunter2</domain>'
    put "$H/etc/dracut.conf.d/x.conf" <<<'kernel_cmdline="rd.luks.key=hunter2"'
    put "$H/proc/cmdline" <<<'root=/dev/sda1 pw="a hunter2" kvm_amd.nested=1 user.token=hunter2 modprobe.blacklist=pcspkr -- kvm=hunter2'
    put "$H/usr/lib/modprobe.d/long.conf" <<<"options x $(printf 'hunter2 %.0s' {1..1000})"
    run nestctl collect --root="$H" x.tar
    assert_success
    run grep -a hunter2 x.tar
    assert_failure
    unpack x.tar
    assert_equal "$(cat dump/proc/cmdline)" 'kvm_amd.nested=1 modprobe.blacklist=pcspkr'
    assert_equal "$(cat dump/etc/modprobe.d/secret.conf)" $'options foo\n\noptions bar'
    # line numbers stay
    assert_equal "$(wc -l <dump/etc/modprobe.d/secret.conf)" "$(wc -l <"$H/etc/modprobe.d/secret.conf")"
    run tar -tf x.tar
    refute_output --partial machine-id
    refute_output --partial libvirt
    assert_equal "$(stat -c %a x.tar)" 600
}

@test "collect: standard output, and a name of its own" {
    nestctl collect --root="$H" - >x.tar
    unpack x.tar
    same_answers "$H" dump
    run nestctl collect --root="$H"
    assert_success
    run ls
    assert_line --regexp '^nestd-host1-[0-9]{8}-[0-9]{6}\.tar$'
    echo '../../evil' >"$H/proc/sys/kernel/hostname"
    run nestctl collect --root="$H"
    assert_success
    assert_output --regexp '^nestd-\.\._\.\._evil-'
}

@test "collect: --json and --quiet" {
    run nestctl collect --root="$H" --json x.tar
    assert_success
    assert_equal "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["size"])' <<<"$output")" "$(stat -c %s x.tar)"
    run nestctl collect --root="$H" --quiet y.tar
    assert_success
    assert_output ''
}

@test "collect: nobody's file is overwritten, and no part of one is left" {
    echo mine >x.tar
    run --separate-stderr nestctl collect --root="$H" x.tar
    assert_complaint 1 'x\.tar: File exists; name another file'
    assert_equal "$(cat x.tar)" mine
    run --separate-stderr nestctl collect --root="$H" missing/x.tar
    assert_complaint 1 'missing/x\.tar: No such file or directory'
    # shellcheck disable=SC2016
    run --separate-stderr bash -c 'nestctl collect --root="$1" - >/dev/full' - "$H"
    assert_complaint 1 'No space left on device'
    # shellcheck disable=SC2016
    run --separate-stderr bash -c 'ulimit -f 8; trap "" XFSZ; nestctl collect --root="$1" y.tar' - "$H"
    assert_complaint 1 'y\.tar: File too large'
    assert [ ! -e y.tar ]
    run --separate-stderr nestctl collect --host=there
    assert_complaint 2 "--host: a dump does not come over the bus; run 'ssh HOST nestctl collect -"
    run --separate-stderr nestctl collect --json -
    assert_complaint 2 '--json'
    run on_terminal nestctl collect --root="$H" -
    assert_equal "$status" 2
}

@test "collect: hostile sizes and names end in an archive" {
    truncate -s 8G "$H/proc/cmdline"
    for i in {1..300}; do : >"$H/etc/modprobe.d/$(printf '%0200d' "$i").conf"; done
    : >"$H/etc/modprobe.d/$(printf 'x%.0s' {1..250}).conf"
    ln -s "$(printf '/y%.0s' {1..200})" "$H/etc/modprobe.d/far.conf"
    mkfifo "$H/etc/modprobe.d/fifo.conf"
    run --separate-stderr timeout 60 nestctl collect --root="$H" x.tar
    assert_success
    # shellcheck disable=SC2154 # set by run --separate-stderr
    [[ $stderr == */proc/cmdline:\ left\ out:\ File\ too\ large* ]] || fail "$stderr"
    assert [ "$(stat -c %s x.tar)" -lt 2000000 ]
    run tar -tf x.tar
    assert_success
}

@test "collect: this machine" {
    run nestctl collect x.tar
    assert_success
    unpack x.tar
    assert_equal "$(nestctl --root=dump --json 2>/dev/null)" "$(nestctl --json 2>/dev/null)"
}
