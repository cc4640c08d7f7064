#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# org.nestd1.Guest: nestd on a private bus, over an AMD machine made of files and a libvirtd of the test's own.
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # what bats does with subshells; bus.bash
bats_require_minimum_version 1.5.0
load ../daemon/bus

UUID=6a7c9d2e-0000-4000-8000-000000000001
OTHER=6a7c9d2e-0000-4000-8000-000000000002
GUEST=/org/nestd1/guest/${UUID//-/_}
NOT_THERE=/org/nestd1/guest/6a7c9d2e_0000_4000_8000_00000000dead

setup() {
    need_root
    start_bus
    host=$dir/host
    mkdir -p "$host/proc" "$host/etc/nestd"
    printf 'processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 23\nflags\t\t: fpu svm npt\n\n' >"$host/proc/cpuinfo"
    mkdir -m 777 "$dir/shared"
    touch "$dir/run"
    # Its socket is for everybody: nestd has given up the right to pass over modes.
    # shellcheck disable=SC2016 # it is for the other shell
    tests/guests/with-libvirtd bash -c 'r=$XDG_RUNTIME_DIR; chmod 711 "$HOME" "$r"; chmod 755 "$r/libvirt"; chmod 666 "$r/libvirt/libvirt-sock"
        env | grep -E "^(HOME|XDG_[A-Z_]*|LIBVIRT_[A-Z_]*)=" >"$1/shared/new"
        mv "$1/shared/new" "$1/shared/env"; while [ -e "$1/run" ]; do sleep 0.2; done' - "$dir" >/dev/null 2>&1 3>&- &
    libvirtd_pid=$!
    retry test -e "$dir/shared/env"
    set -a
    # shellcheck disable=SC1091
    . "$dir/shared/env"
    set +a
    define chosen "$UUID" "<cpu mode='host-model'/>"
    define other "$OTHER" ""
    before=$(definition chosen)
    restart_nestd ''
}

# restart_nestd CONFIGURATION: libvirt takes root's "session" for the system's, unless told where the socket is
restart_nestd() {
    stop_nestd
    printf '%b' "$1" >"$host/etc/nestd/nestd.conf"
    LIBVIRT_DEFAULT_URI="qemu+unix:///session?socket=$XDG_RUNTIME_DIR/libvirt/libvirt-sock" start_nestd "$O/nestd"
}

teardown() {
    [ -n "${dir:-}" ] || return 0
    rm -f "$dir/run"
    wait "$libvirtd_pid" || true
    stop_bus
}

# define NAME UUID ELEMENTS
define() {
    printf "<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os>%s</domain>" \
        "$@" >"$dir/shared/d.xml"
    as_nobody virsh -q define "$dir/shared/d.xml"
}

definition() {
    as_nobody virsh -q dumpxml --inactive --security-info "$1"
}

guest() {
    busctl --system call org.nestd1 "${object:-$GUEST}" org.nestd1.Guest "$@"
}

value() {
    busctl --system get-property org.nestd1 "${object:-$GUEST}" org.nestd1.Guest "$1"
}

# guest_error PATH METHOD SIGNATURE ARGUMENTS...: the error's name
guest_error() {
    /usr/bin/python3 tests/daemon/error-name --object="$1" "${@:2}"
}

@test "guests on the bus: list, get, read" {
    run call ListGuests # in libvirt's order
    assert_output --partial 'a(sso) 2 '
    assert_output --partial "\"chosen\" \"$UUID\" \"$GUEST\""
    assert_output --partial "\"other\" \"$OTHER\" \"/org/nestd1/guest/${OTHER//-/_}\""
    assert_equal "$(call GetGuest s chosen)" "o \"$GUEST\""
    assert_equal "$(as_nobody busctl --system call "${HOST[@]}" GetGuest s "$UUID")" "o \"$GUEST\""
    assert_equal "$(value Name)" 's "chosen"'
    assert_equal "$(value UUID)" "s \"$UUID\""
    assert_equal "$(value Exposed)" 's "configured"' # host-model: this host decides
    assert_equal "$(value Mode)" 's "host-model"'
    assert_equal "$(value Profile)" 's ""'
    assert_equal "$(value NeedsRestart)" 'b false'
    run guest Describe
    assert_output --partial '\"nest\":\"host-model\"'
    run busctl --system call org.nestd1 /org/nestd1/guest org.freedesktop.DBus.ObjectManager GetManagedObjects
    assert_output --partial 'a{oa{sa{sv}}} 2 '
    assert_output --regexp "\"$GUEST\" 1 \"org.nestd1.Guest\" 6 \"Name\" s \"chosen\" .*\"NeedsRestart\" b false"
    run busctl --system call org.nestd1 "$GUEST" org.freedesktop.DBus.Properties GetAll s org.nestd1.Guest
    assert_output --partial 'a{sv} 6 "Name" s "chosen"'
    # nothing is remembered: what others do is seen at once
    define chosen "$UUID" "<cpu mode='host-model'><feature policy='disable' name='svm'/></cpu>"
    assert_equal "$(value Exposed)" 's "no"'
}

@test "guests on the bus: what is not there" {
    assert_equal "$(guest_error /org/nestd1 GetGuest s missing 2>&1)" "org.nestd1.Error.NoSuchGuest
missing: no such guest; 'nestctl guest list' names them all"
    assert_equal "$(guest_error $NOT_THERE Expose 'a{sv}')" org.nestd1.Error.NoSuchGuest
    assert_equal "$(guest_error $NOT_THERE Undo '')" org.nestd1.Error.NoSuchGuest
    object=$NOT_THERE run value Name
    assert_output --partial 'no such guest'
    assert_equal "$(guest_error /org/nestd1/guest/nonsense Describe '')" org.freedesktop.DBus.Error.UnknownObject
    run value Nonsense
    assert_failure
    run busctl --system set-property org.nestd1 "$GUEST" org.nestd1.Guest Name s new
    assert_failure
    # a guest with another one's UUID for a name does not stand in for it
    define "$UUID" 6a7c9d2e-0000-4000-8000-000000000003 ""
    assert_equal "$(value Name)" 's "chosen"'
}

@test "guests on the bus: expose, hide, undo" {
    monitor "$dir/signals" --match="type='signal',member='PropertiesChanged'"
    run guest Expose 'a{sv}' 0
    assert_success
    assert_output --partial '\"changed\":true,\"done\":true,\"needs_restart\":false'
    definition chosen | grep -q "<feature policy='require' name='svm'/>"
    run guest Expose 'a{sv}' 0
    assert_output --partial '\"changed\":false'
    run guest Expose 'a{sv}' 1 profile s kvm
    assert_success
    assert_equal "$(value Profile)" 's "kvm"'
    retry grep -q '"Profile":{"type":"s","data":"kvm"}' "$dir/signals"
    run guest Hide 'a{sv}' 0
    assert_success
    assert_equal "$(value Exposed)" 's "no"'
    retry grep -q '"Exposed":{"type":"s","data":"no"}' "$dir/signals"
    grep '"Exposed":{"type":"s","data":"no"}' "$dir/signals" | grep -q "$GUEST"
    kill "$monitor_pid"
    run guest Undo
    assert_success
    assert_equal "$(definition chosen)" "$before"
}

@test "guests on the bus: live, and needs a restart" {
    as_nobody virsh -q start chosen
    guest Hide 'a{sv}' 0
    guest Expose 'a{sv}' 0
    as_nobody virsh -q destroy chosen
    as_nobody virsh -q start chosen
    assert_equal "$(value Exposed)" 's "live"'
    run guest Hide 'a{sv}' 0
    assert_output --partial '\"needs_restart\":true'
    assert_equal "$(value Exposed)" 's "live"'
    assert_equal "$(value NeedsRestart)" 'b true'
    as_nobody virsh -q destroy chosen
    assert_equal "$(value Exposed)" 's "no"'
}

# watch: nestd keeps [Guests], and the signals about guests go to $dir/signals
watch() {
    printf '[Guests]\nExpose=lab-*\n' >"$host/etc/nestd/nestd.conf"
    kill -HUP "$nestd_pid"
    monitor "$dir/signals" --match="type='signal',sender='org.nestd1'"
    # once this one is exposed it has seen all that were there, and what comes later is new
    define lab-0 6a7c9d2e-0000-4000-8000-000000000010 "<cpu mode='host-model'/>"
    retry exposed lab-0
}

exposed() {
    definition "$1" | grep -q "<feature policy='require' name='svm'/>"
}

# signal MEMBER TEXT...: has come with all these
signal() {
    local lines text
    lines=$(grep "\"member\":\"$1\"" "$dir/signals") || return
    shift
    for text in "$@"; do
        lines=$(grep -F "$text" <<<"$lines") || return
    done
}

@test "guests on the bus: what virsh does is told by signals, without asking" {
    NEW=6a7c9d2e-0000-4000-8000-000000000009
    path=/org/nestd1/guest/${NEW//-/_}
    watch
    define new "$NEW" "<cpu mode='host-model'><feature policy='require' name='svm'/></cpu>"
    retry signal InterfacesAdded '"path":"/org/nestd1/guest"' "\"$path\"" '"Name":{"type":"s","data":"new"}' \
        '"Exposed":{"type":"s","data":"configured"}'
    as_nobody virsh -q start new
    retry signal PropertiesChanged "$path" '"Exposed":{"type":"s","data":"live"}'
    # redefined while it runs: what is not said has not changed
    define new "$NEW" "<cpu mode='host-model'><feature policy='disable' name='svm'/></cpu>"
    retry signal PropertiesChanged "$path" '["org.nestd1.Guest",{"NeedsRestart":{"type":"b","data":true}},[]]'
    as_nobody virsh -q destroy new
    retry signal PropertiesChanged "$path" '"Exposed":{"type":"s","data":"no"},"NeedsRestart":{"type":"b","data":false}'
    as_nobody virsh -q undefine new
    retry signal InterfacesRemoved "\"$path\"" '"org.nestd1.Guest"'
    # those that were there before were not announced
    run signal InterfacesAdded "\"$GUEST\""
    assert_failure
    kill "$monitor_pid"
}

@test "guests on the bus: libvirtd was gone: what changed meanwhile is told, and nothing else" {
    watch
    define lab-1 6a7c9d2e-0000-4000-8000-000000000011 ""
    retry signal InterfacesAdded '"data":"lab-1"'
    added=$(grep -c '"member":"InterfacesAdded"' "$dir/signals")
    pid=$(cat "$XDG_RUNTIME_DIR/libvirt/libvirtd.pid")
    kill -KILL "$pid"
    retry_gone() { ! kill -0 "$pid" 2>/dev/null; }
    retry retry_gone
    # virsh starts another, whose socket is for nobody else at first
    define chosen "$UUID" "<cpu mode='host-model'><feature policy='disable' name='svm'/></cpu>"
    as_nobody virsh -q undefine other
    chmod 666 "$XDG_RUNTIME_DIR/libvirt/libvirt-sock"
    retry signal PropertiesChanged "$GUEST" '"Exposed":{"type":"s","data":"no"}'
    retry signal InterfacesRemoved "${OTHER//-/_}"
    assert_equal "$(grep -c '"member":"InterfacesAdded"' "$dir/signals")" "$added"
    kill "$monitor_pid" "$(cat "$XDG_RUNTIME_DIR/libvirt/libvirtd.pid")"
}

# configure ENTRY: the guests that nestd is to expose
configure() {
    printf '[Guests]\nExpose=%s\n' "$1" >"$host/etc/nestd/nestd.conf"
    kill -HUP "$nestd_pid"
}

value_is() {
    [ "$(value "$1")" = "$2" ]
}

# says COUNT TEXT: that often in the log
says() {
    [ "$(grep -cF "$2" "$dir/log")" = "$1" ]
}

@test "guests on the bus: another profile in nestd.conf alone is applied" {
    locked() { definition chosen | grep -q '<locked/>'; }
    configure chosen
    retry exposed chosen
    assert_equal "$(value Profile)" 's ""'
    as_nobody virsh -q start chosen
    assert_equal "$(value Exposed) $(value NeedsRestart)" 's "live" b false'
    configure chosen:kvm+locked
    retry value_is Profile 's "kvm+locked"'
    locked
    # it has svm already, but the memory is not locked while it runs
    assert_equal "$(value NeedsRestart)" 'b true'
    retry says 1 'Guest chosen is exposed with profile kvm+locked as nestd.conf wants; it runs and has it after its next start'
    as_nobody virsh -q destroy chosen
    assert_equal "$(value NeedsRestart)" 'b false'
    # another tool takes out what the profile set
    definition chosen | sed '/<locked\/>/d' >"$dir/shared/d.xml"
    as_nobody virsh -q define "$dir/shared/d.xml"
    retry locked
    retry says 2 'Guest chosen is exposed with profile kvm+locked as nestd.conf wants'
    # as it is already: nothing is done
    as_nobody virsh -q dumpxml --inactive chosen >"$dir/is"
    configure 'other chosen:kvm+locked'
    retry exposed other
    as_nobody virsh -q dumpxml --inactive chosen | cmp - "$dir/is"
    # none any more: what nestd.conf asked for goes with it
    configure chosen
    retry value_is Profile 's ""'
    run ! locked
    exposed chosen
    restart_nestd '[Guests]'
    guest Undo
    assert_equal "$(definition chosen)" "$before"
}

@test "guests on the bus: a profile that is refused is told once" {
    refused='Guest chosen cannot be exposed with profile hyperv as nestd.conf wants: profile hyperv: '
    configure 'lab-* chosen:kvm'
    retry value_is Profile 's "kvm"'
    kept=$(definition chosen)
    configure 'lab-* chosen:hyperv'
    retry says 1 "$refused"
    # libvirt's events about this guest, and one behind them
    as_nobody virsh -q start chosen
    as_nobody virsh -q destroy chosen
    define lab-0 6a7c9d2e-0000-4000-8000-000000000010 "<cpu mode='host-model'/>"
    retry exposed lab-0
    says 1 "$refused"
    assert_equal "$(definition chosen)" "$kept"
    # another definition is another question
    definition chosen | sed 's|<memory .*|<memory>70000</memory>|' >"$dir/shared/d.xml"
    as_nobody virsh -q define "$dir/shared/d.xml"
    retry says 2 "$refused"
    configure chosen:nonsense
    retry says 1 'Guest chosen cannot be exposed with profile nonsense as nestd.conf wants: no such profile; there are kvm'
    assert_equal "$(value Exposed)" 's "configured"'
}

@test "guests on the bus: nestd sleeps while nothing happens" {
    restart_nestd '[Daemon]\nIdleExitSec=1\n[Guests]\nExpose=lab-*\n'
    define lab-0 6a7c9d2e-0000-4000-8000-000000000010 "<cpu mode='host-model'/>"
    retry exposed lab-0
    # the idle timer, which does not end it, and what it is told of the guests; then nothing: its worker answers libvirtd's pings
    sleep 4
    retry asleep 8
}

@test "guests on the bus: wrong options change nothing" {
    for wrong in '1 colour s red' '1 mode b true' '1 mode s maximum' '1 profile s nonsense'; do
        # shellcheck disable=SC2086
        assert_equal "$wrong: $(guest_error "$GUEST" Expose 'a{sv}' $wrong)" "$wrong: org.nestd1.Error.Invalid"
    done
    assert_equal "$(guest_error "$GUEST" Hide 'a{sv}' 1 mode s custom)" org.nestd1.Error.Invalid
    # a dictionary of python's cannot say it twice
    run guest Expose 'a{sv}' 2 mode s host-model mode s custom
    assert_output --partial 'mode: given twice'
    # host-passthrough takes KVM
    assert_equal "$(guest_error "$GUEST" Expose 'a{sv}' 1 mode s host-passthrough)" org.nestd1.Error.NotSupported
    assert_equal "$(definition chosen)" "$before"
}

@test "guests on the bus: polkit decides, and is told which guest" {
    as_nobody_error() {
        as_nobody /usr/bin/python3 tests/daemon/error-name --object="$1" "${@:2}"
    }
    assert_equal "$(as_nobody_error "$GUEST" Expose 'a{sv}')" org.freedesktop.DBus.Error.AccessDenied
    start_polkit no
    for method in Expose Hide; do
        assert_equal "$(as_nobody_error "$GUEST" $method 'a{sv}')" org.freedesktop.DBus.Error.AccessDenied
    done
    assert_equal "$(as_nobody_error "$GUEST" Undo '')" org.freedesktop.DBus.Error.AccessDenied
    # what cannot be is not asked for
    assert_equal "$(as_nobody_error "$GUEST" Expose 'a{sv}' 1 profile s nonsense)" org.nestd1.Error.Invalid
    assert_equal "$(as_nobody_error "$NOT_THERE" Hide 'a{sv}')" org.nestd1.Error.NoSuchGuest
    assert_equal "$(grep -c CheckAuthorization "$dir/polkit")" 3
    assert_equal "$(definition chosen)" "$before"
    stop_polkit
    start_polkit yes
    as_nobody busctl --system --allow-interactive-authorization=no call org.nestd1 "$GUEST" org.nestd1.Guest Expose 'a{sv}' 0
    as_nobody busctl --system --allow-interactive-authorization=yes call org.nestd1 "$GUEST" org.nestd1.Guest Undo
    assert_equal "$(definition chosen)" "$before"
    run grep CheckAuthorization "$dir/polkit"
    assert_line --index 0 --regexp "\"org.nestd1.expose-guest\".*\"verb\": \"expose\", \"guest\": \"chosen\", \"uuid\": \"$UUID\".* 0 \"\"$"
    assert_line --index 1 --regexp "\"org.nestd1.undo\".*\"uuid\": \"$UUID\".*, \"change\": \"undo guest chosen\".* 1 \"\"$"
    as_nobody busctl --system call org.nestd1 "$GUEST" org.nestd1.Guest Expose 'a{sv}' 1 profile s xen+locked
    run -0 grep '"profile": "xen+locked", "change": "expose guest chosen for xen+locked"' "$dir/polkit"
    definition chosen | grep -q '<locked/>'
    as_nobody busctl --system call org.nestd1 "$GUEST" org.nestd1.Guest Undo
}

# user_nestctl ARGUMENTS...: as a user whom libvirt does not know
user_nestctl() {
    env -u LIBVIRT_DEFAULT_URI setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups "$O/nestctl" guest "$@"
}

@test "nestctl guest: a user's change goes through nestd, in the same words" {
    start_polkit no
    run -5 user_nestctl expose chosen
    assert_output --partial 'not authorised; polkit refuses it'
    assert_equal "$(definition chosen)" "$before"
    stop_polkit
    start_polkit yes
    run -6 user_nestctl expose missing
    assert_output "nestctl: missing: no such guest; 'nestctl guest list' names them all"
    run -3 user_nestctl expose chosen --mode=host-passthrough
    assert_output --partial 'nestctl: chosen: '
    run -0 user_nestctl expose chosen --profile=kvm
    by_nestd=$output
    # a profile shows what it changed
    assert_line --regexp "^\\+ +<feature policy='require' name='svm'/>"
    definition chosen | grep -q "<feature policy='require' name='svm'/>"
    assert_equal "$(value Profile)" 's "kvm"'
    run -0 user_nestctl hide chosen --json
    assert_output --partial '"done":'
    assert_equal "$(value Exposed)" 's "no"'
    run -0 user_nestctl undo chosen
    assert_equal "$(definition chosen)" "$before"
    run -0 as_nobody "$O/nestctl" guest expose chosen --profile=kvm --extension=svm --direct
    assert_equal "$by_nestd" "$output"
}
