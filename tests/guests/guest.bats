#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# nestctl guest: on a file, and with a libvirtd of the test's own and QEMU without KVM, which emulates svm.
bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

setup() {
    O=$(realpath "${O:-build}")
    here=$BATS_TEST_DIRNAME
    nestctl=$O/nestctl
    doc=$here/nasties/crlf.xml
    cd "$BATS_TEST_TMPDIR" || exit
    chmod 755 "$BATS_TEST_TMPDIR"
}

@test "guest --file: expose and undo give the original back byte for byte" {
    "$nestctl" guest expose --extension=svm --file "$doc" >exposed 2>notes
    grep -q "<feature policy='require' name='svm'/>" exposed
    test -s notes
    "$nestctl" guest expose --extension=svm --file - <exposed >again 2>/dev/null
    cmp again exposed
    "$nestctl" guest undo --file exposed 2>/dev/null | cmp - "$doc"
    "$nestctl" guest hide --extension=svm -f exposed 2>/dev/null | grep -q "policy='disable' name='svm'"
}

@test "guest --file: --dry-run and diff print what would change, and --json says it" {
    run --separate-stderr "$nestctl" guest expose --extension=vmx --file "$doc" --dry-run
    assert_success
    assert_output --partial "+    <feature policy='require' name='vmx'/>"
    run --separate-stderr "$nestctl" guest diff --extension=vmx --file "$doc"
    assert_output --partial "+    <feature policy='require' name='vmx'/>"
    "$nestctl" guest expose --json --extension=svm --file "$doc" | python3 -c '
import json, sys
o = json.load(sys.stdin)
assert o["schema"] == 1 and o["changed"] is True and o["notes"] and "svm" in o["document"]'
}

@test "guest --file: exit codes tell why not" {
    run -2 "$nestctl" guest expose --extension=svm --file /etc/passwd
    assert_output --partial "not a well-formed XML document"
    run -3 "$nestctl" guest expose --extension=svm --file - <<<"<domain type='xen'/>"
    assert_output --partial "'xen'"
    run -3 "$nestctl" guest expose --extension=vmx --file - <<<"<domain type='qemu'/>"
    run -1 "$nestctl" guest expose --extension=svm --file missing.xml
    run -2 "$nestctl" guest expose --extension=avx --file "$doc"
    run -2 "$nestctl" guest expose --mode=fast --extension=svm --file "$doc"
    run -2 "$nestctl" guest hide --mode=host-model --extension=svm --file "$doc"
    run -2 "$nestctl" guest steal --file "$doc"
    run -2 "$nestctl" guest expose
    run -2 "$nestctl" guest list --file "$doc"
}

@test "guest --file: a profile's extras; what the guest cannot have is refused" {
    cat >q35.xml <<'EOS'
<domain type='kvm'>
  <name>a</name>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
  </os>
  <features>
    <acpi/>
  </features>
  <devices>
    <memballoon model='none'/>
  </devices>
</domain>
EOS
    "$nestctl" guest expose --extension=vmx --profile=hyperv+viommu+hugepages+locked+numa=0 --file q35.xml >exposed 2>notes
    virt-xml-validate exposed domain
    tr -d '\n ' <exposed | grep -q "<memoryBacking><hugepages/><locked/></memoryBacking>.*<iommumodel='intel'><driverintremap='on'caching_mode='on'/></iommu></devices>"
    grep -q 'huge pages' notes
    assert_equal "$("$nestctl" guest show --file exposed --extension=vmx | sed -n 's/ *profile: //p')" \
        hyperv+viommu+hugepages+locked+numa=0
    "$nestctl" guest undo --file exposed 2>/dev/null | cmp - q35.xml
    sed 's/q35/pc/' q35.xml >pc.xml
    run -3 "$nestctl" guest expose --extension=svm --profile=kvm+viommu --file pc.xml
    assert_output "nestctl: pc.xml: profile viommu: QEMU has the Intel IOMMU on machine type q35 only: define it anew with machine='q35'"
    run -2 "$nestctl" guest expose --extension=svm --profile=viommu --file q35.xml
    assert_output --partial 'kvm+viommu'
}

@test "with libvirt: expose, live in QEMU, hide, undo back to where it was" {
    cat >script <<'EOS'
set -eux
virsh -q define "$1/nasties/tcg.xml"
cat >"$HOME/b.xml" <<E
<domain type='qemu'><name>chosen</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><cpu mode='host-model'/></domain>
E
virsh -q define "$HOME/b.xml"
virsh -q dumpxml --inactive --security-info chosen >"$HOME/before"
x=--extension=svm
"$N" guest expose chosen $x --dry-run | grep -q '^+.*require.*svm'
virsh -q dumpxml --inactive --security-info chosen | cmp - "$HOME/before"
"$N" guest expose chosen $x
"$N" guest expose chosen $x 2>&1 | grep -q 'already so'
virsh -q dumpxml --inactive chosen | grep -q "<feature policy='require' name='svm'/>"
member() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
[ "$("$N" guest show chosen $x --json | member live)" = - ]
virsh -q start chosen
[ "$("$N" guest show chosen $x --json | member live)" = yes ]
# QEMU's own word, asked directly
path=$(virsh -q qemu-monitor-command chosen '{"execute":"query-cpus-fast"}' | grep -o '/machine/[^"]*' | head -1)
virsh -q qemu-monitor-command chosen "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"$path\",\"property\":\"svm\"}}" | grep -q true
# hidden while it runs: the definition changes, the guest is not restarted, and both are told
id=$(virsh -q domid chosen)
"$N" guest hide chosen $x --now 2>&1 | grep -q 'virsh shutdown chosen'
[ "$(virsh -q domid chosen)" = "$id" ]
[ "$("$N" guest show chosen $x --json | member needs_restart)" = True ]
virsh -q destroy chosen
virsh -q start chosen
[ "$("$N" guest show chosen $x --json | member live)" = no ]
virsh -q destroy chosen
"$N" guest undo chosen
virsh -q dumpxml --inactive --security-info chosen | cmp - "$HOME/before"
# passthrough-like modes say nothing in the definition: QEMU is asked
virsh -q start nasty
[ "$("$N" guest show nasty $x --json | member live)" = yes ]
[ "$("$N" guest show nasty $x --json | member nest)" = passthrough ]
virsh -q destroy nasty
"$N" guest list $x | grep -q '^chosen'
! "$N" guest expose missing $x || false
EOS
    N=$nestctl run "$here/with-libvirtd" bash script "$here"
    assert_success
}

@test "with libvirt: no such guest is 6, no libvirt is 1, what libvirt refuses stays as it was" {
    N=$nestctl run -6 "$here/with-libvirtd" "$nestctl" guest expose missing --extension=svm
    LIBVIRT_DEFAULT_URI=qemu:///session XDG_RUNTIME_DIR=/nonexistent HOME=/nonexistent LIBVIRT_AUTOSTART=0 \
        run -1 "$nestctl" guest list --extension=svm
    cat >script <<'EOS'
set -eux
cat >"$HOME/c.xml" <<E
<domain type='qemu'><name>c</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>
E
virsh -q define "$HOME/c.xml"
virsh -q dumpxml --inactive --security-info c >"$HOME/before"
# host-passthrough needs KVM
r=0; "$N" guest expose c --extension=svm --mode=host-passthrough || r=$?
[ $r = 3 ]
r=0; "$N" guest expose c --extension=vmx || r=$?
[ $r = 3 ]
virsh -q dumpxml --inactive --security-info c | cmp - "$HOME/before"
# each of several is tried
r=0; "$N" guest expose missing c --extension=svm || r=$?
[ $r = 6 ]
virsh -q dumpxml --inactive c | grep -q "require.*svm"
EOS
    N=$nestctl run "$here/with-libvirtd" bash script
    assert_success
}

@test "with libvirt: a change that is refused, not kept or overtaken leaves the definition as it was" {
    run "$here/with-libvirtd" "$O/tests/guests/faults"
    assert_success
    assert_output '11 of 11 as expected'
}

@test "with libvirt: neither a daemon nor a QEMU that hangs holds anybody up" {
    cat >script <<'EOS'
set -eux
root=$HOME/root
mkdir -p "$root/proc" "$root/etc/nestd"
printf 'processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 23\nflags\t\t: fpu svm npt\n\n' >"$root/proc/cpuinfo"
printf '[Guests]\nExpose=a\n' >"$root/etc/nestd/nestd.conf"
printf "<domain type='qemu'><name>a</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><cpu mode='maximum'/></domain>" >"$HOME/a.xml"
virsh -q define "$HOME/a.xml"
virsh -q start a
qemu=$(cat "$XDG_RUNTIME_DIR/libvirt/qemu/run/a.pid")
live() { timeout 300 "$N" guest show a --extension=svm --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["live"])'; }
[ "$(live)" = yes ]
kill -STOP "$qemu"
[ "$(live)" = unknown ]
kill -CONT "$qemu"
timeout -k 1 -s KILL 600 "$KEEP" "$root" >"$HOME/kept" & # it blocks SIGTERM
keep=$!
for _ in $(seq 1200); do grep -q 'Guest a is exposed' "$HOME/kept" && break; sleep 0.1; done
grep 'Guest a is exposed' "$HOME/kept"
# It still asks about the guest. A daemon that stops in the middle of that leaves two calls waiting for each other in libvirt, which
# this is not about: until nothing but libvirtd's pings, 5 s apart, wakes it up, and no other thread waits for QEMU.
wakeups() { awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$(pgrep -P $keep)/status"; }
for _ in $(seq 100); do
    before=$(wakeups)
    sleep 3
    [ "$(wakeups)" != "$before" ] || [ "$(ls "/proc/$(pgrep -P $keep)/task" | wc -l)" != 1 ] || break
done
libvirtd=$(cat "$XDG_RUNTIME_DIR/libvirt/libvirtd.pid")
kill -STOP "$libvirtd"
trap 'kill -CONT "$libvirtd"' EXIT
r=0; timeout 300 "$N" guest show a --extension=svm 2>"$HOME/said" || r=$?
[ $r = 1 ]
[ "$(wc -l <"$HOME/said")" = 1 ]
grep 'nestctl: libvirt: its daemon takes the call but has not answered for 45 s: restart it' "$HOME/said"
# nestd's worker was connected: the pings stay unanswered, and it cannot come back
r=0; wait $keep || r=$?
[ $r = 1 ]
grep '^libvirt: its daemon takes the call' "$HOME/kept"
kill -CONT "$libvirtd"
[ "$(live)" = yes ]
EOS
    N=$nestctl KEEP=$O/tests/guests/keep run "$here/with-libvirtd" bash script
    assert_success
}

@test "audit: who is exposed, who chose it, and exit 7" {
    cat >script <<'EOS'
set -eux
x=--extension=svm
define() {
    printf "<domain type='qemu'><name>%s</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>%s</domain>" "$1" "$2" >"$HOME/d.xml"
    virsh -q define "$HOME/d.xml"
}
audit() { r=0; "$N" audit $x --json >"$HOME/audit" || r=$?; [ $r = "$1" ]; }
field() { python3 -c 'import json, sys
print(next(g[sys.argv[2]] for g in json.load(open(sys.argv[1]))["guests"] if g["name"] == sys.argv[3]))' "$HOME/audit" "$2" "$1"; }
audit 0
define safe "<cpu><model>Nehalem</model></cpu>"
audit 0
[ "$(field safe exposed)" = no ]
[ "$(field safe migration)" = "safe: nothing is nested" ]
define leaks ""
audit 7
[ "$(field leaks exposed) $(field leaks nest) $(field leaks chosen_by)" = "yes model None" ]
[ "$(field leaks migration)" = "should work, as no guest runs inside; on AMD it may fail when one starts afterwards" ]
"$N" guest expose leaks $x
audit 0
[ "$(field leaks chosen_by)" = "guest expose" ]
"$N" guest undo leaks
audit 7
"$N" guest hide leaks $x
audit 0
# running with it although the definition says no by now
define fast "<cpu mode='maximum'/>"
virsh -q start fast
"$N" guest hide fast $x
audit 7
[ "$(field fast exposed) $(field fast live) $(field fast nest)" = "yes yes no" ]
# QEMU without KVM has no counters
field fast migration | grep -q '^safe only while .* this QEMU does not tell; between identical hosts only'
"$N" audit $x | grep -q '^fast: nobody chose it'
virsh -q destroy fast
audit 0
EOS
    N=$nestctl run "$here/with-libvirtd" bash script
    assert_success
}

@test "nestd keeps the choice: redefined, started, libvirtd killed" {
    cat >script <<'EOS'
set -eux
root=$HOME/root
mkdir -p "$root/proc" "$root/etc/nestd"
printf 'processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 23\nflags\t\t: fpu svm npt\n\n' >"$root/proc/cpuinfo"
printf '[Guests]\nExpose=lab-*\nHide=*\n' >"$root/etc/nestd/nestd.conf"
define() {
    printf "<domain type='qemu'><name>%s</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>%s</domain>" "$1" "$2" >"$HOME/d.xml"
    virsh -q define "$HOME/d.xml"
}
says() { virsh -q dumpxml --inactive "$1" | grep -q "<feature policy='$2' name='svm'/>"; }
eventually() { for _ in $(seq 1200); do "$@" && return; sleep 0.1; done; false; }
define lab-1 "<cpu mode='host-model'/>"
define other ""
"$KEEP" "$root" >"$HOME/kept" &
keep=$!
# it holds bats's pipe, so a test that fails would wait for it
trap 'kill $keep' EXIT
eventually says lab-1 require
eventually says other disable
# said when libvirt has been asked whether it kept it
eventually grep -q '^Guest lab-1 is exposed' "$HOME/kept"
# another tool redefines it, without svm and without our mark
define lab-1 "<uuid>$(virsh domuuid lab-1)</uuid><cpu mode='host-model'><feature policy='disable' name='svm'/></cpu>"
eventually says lab-1 require
define lab-2 ""
eventually says lab-2 require
define leaky "<cpu mode='maximum'/>"
eventually says leaky disable
# what somebody chose by hand in another way, and has the extension, is not touched
define lab-3 ""
eventually says lab-3 require
"$N" guest expose lab-3 --extension=svm --mode=host-model
virsh -q start lab-3
virsh -q dumpxml --inactive lab-3 | grep -q "mode='host-model'"
virsh -q destroy lab-3
# libvirtd is killed; a new one comes up, and guests change while nobody looks
kill -9 "$(cat "$XDG_RUNTIME_DIR/libvirt/libvirtd.pid")"
sleep 0.5
define lab-4 ""
eventually says lab-4 require
# somebody who never stops is not fought for ever
uuid=$(virsh domuuid lab-4)
left_alone() { grep -q 'lab-4: somebody changes it back again and again' "$HOME/kept"; }
answered() { says lab-4 require || left_alone; }
# five changes within a minute are too many
for _ in $(seq 60); do
    define lab-4 "<uuid>$uuid</uuid><cpu mode='host-model'/>"
    eventually answered
    left_alone && break
done
left_alone
r=0; says lab-4 require || r=$?
[ $r = 1 ]
# but nobody changes it any more: after the minute it is put right, without another event
eventually says lab-4 require
kill $keep
trap - EXIT
wait $keep
EOS
    N=$nestctl KEEP=$O/tests/guests/keep run "$here/with-libvirtd" bash script
    assert_success
}
