# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What every test of nestctl needs.
bats_load_library bats-support
bats_load_library bats-assert

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
O=${O:-build}
[[ $O == /* ]] || O=$TOP/$O
export PATH=$O:$PATH
unset NO_COLOR NESTD_PAGER PAGER XDG_SESSION_ID
export LC_ALL=C.UTF-8 TERM=xterm

# No test reaches this machine's bus by accident.
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent

# assert_complaint CODE REGEX: one line on stderr "nestctl: THING: REASON; REMEDY", nothing on stdout
# shellcheck disable=SC2154 # status, output, stderr: set by run --separate-stderr
assert_complaint() {
    assert_equal "$status" "$1"
    assert_equal "$output" ''
    assert_equal "$(wc -l <<<"$stderr")" 1
    [[ $stderr =~ ^nestctl:\ .+ ]] || fail "not 'nestctl: THING: REASON': $stderr"
    [[ $stderr =~ $2 ]] || fail "'$2' is not in: $stderr"
}

verbs() {
    nestctl --help | awk '/^Verbs:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'
}

# options VERB: those of the verb alone; options_everywhere: those of each
options() {
    nestctl "$1" --help | awk '/^Options:/ { on = 1; next } /^$/ { on = 0 } on' | leading_options
}
options_everywhere() {
    nestctl --help | awk '/^Options of/ { on = 1; next } /^$/ { on = 0 } on' | leading_options
}
leading_options() {
    sed -nE 's/^ +(-[a-zA-Z] )?(--[a-z-]+=?).*/\2/p'
}

put() {
    mkdir -p "$(dirname "$1")"
    cat >"$1"
}

# make_host DIR: a small AMD host with kvm_amd loaded, nested off, as `collect` would dump it
make_host() {
    local dir=$1 cpu release=6.1.0-test name
    for cpu in 0 1; do
        printf '%s\t: %s\n' processor $cpu vendor_id AuthenticAMD 'cpu family' 23 'model name' 'AMD EPYC Test Processor' \
            flags 'fpu vme de pse tsc msr svm npt nrip_save avic vgif v_vmsave_vmload'
        echo
    done | put "$dir/proc/cpuinfo"
    put "$dir/proc/cmdline" <<<'BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet secret=hunter2 kvm.ignore_msrs=1'
    put "$dir/proc/sys/kernel/hostname" <<<host1
    put "$dir/proc/sys/kernel/osrelease" <<<$release
    put "$dir/proc/sys/kernel/arch" <<<x86_64
    put "$dir/sys/devices/system/cpu/present" <<<0-1
    put "$dir/sys/devices/system/cpu/vulnerabilities/itlb_multihit" <<<'Not affected'
    mkdir -p "$dir/sys/firmware" "$dir/sys/module/kvm/holders/kvm_amd" "$dir/sys/module/kvm_amd/holders"
    for name in kvm kvm_amd; do
        put "$dir/sys/module/$name/initstate" <<<live
        put "$dir/sys/module/$name/refcnt" <<<0
    done
    put "$dir/sys/module/kvm_amd/parameters/nested" <<<0
    put "$dir/sys/module/kvm_amd/parameters/npt" <<<Y
    put "$dir/sys/module/kvm_amd/parameters/avic" <<<N
    chmod 444 "$dir"/sys/module/kvm_amd/parameters/*
    put "$dir/etc/modprobe.d/kvm.conf" <<'EOF'
# password: hunter2
options kvm_amd nested=0
options wifi psk=hunter2
EOF
    put "$dir/lib/modules/$release/kernel/arch/x86/kvm/kvm-amd.ko" </dev/null
    put "$dir/lib/modules/$release/kernel/arch/x86/kvm/kvm.ko" </dev/null
    put "$dir/lib/modules/$release/nestd.modinfo" <<'EOF'
kvm.parmtype=ignore_msrs:bool
kvm_amd.parmtype=nested:int
kvm_amd.parmtype=npt:bool
kvm_amd.parmtype=avic:bool
EOF
    put "$dir/dev/kvm" </dev/null
    chmod 660 "$dir/dev/kvm"
}

# assert_golden NAME: the output is that of golden/NAME; UPDATE_GOLDEN=1 writes it, for a person to look at the diff
assert_golden() {
    local file=$TOP/tests/cli/golden/$1
    [[ -z ${UPDATE_GOLDEN-} ]] || printf '%s\n' "$output" >"$file"
    # shellcheck disable=SC2154 # set by run
    diff -u "$file" - <<<"$output"
}

# on_terminal COMMAND...: runs it on a terminal of 100 columns and prints what it wrote there; INPUT is typed
on_terminal() {
    python3 "$TOP/tests/cli/on-terminal.py" "$@"
}
