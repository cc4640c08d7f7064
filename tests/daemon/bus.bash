# SPDX-License-Identifier: LGPL-2.1-or-later
# A private bus, a polkit that says what it is told, and nestd over a machine made of files.
bats_load_library bats-support
bats_load_library bats-assert

O=$(realpath "${O:-build}")
HOST=(org.nestd1 /org/nestd1 org.nestd1.Host)
NOBODY=65534

# The bus has nestd's own policy. Its socket is for everybody: polkit is what tells callers apart.
start_bus() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/nestd-bus.XXXXXX")
    chmod 755 "$dir"
    mkdir "$dir/services"
    cat >"$dir/bus.conf" <<EOF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=$dir/bus</listen>
  <limit name="service_start_timeout">120000</limit>
  <auth>EXTERNAL</auth>
  <servicedir>$dir/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow send_type="signal"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>$PWD/conf/org.nestd1.conf</include>
</busconfig>
EOF
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$dir/bus # for what it starts, too
    dbus-daemon --config-file="$dir/bus.conf" --nofork --nopidfile --nosyslog 2>"$dir/bus.log" 3>&- &
    bus_pid=$!
    # The socket is there before anyone listens on it: a client that comes in between is refused.
    retry busctl status org.freedesktop.DBus || { cat "$dir/bus.log"; return 1; }
    chmod 777 "$dir/bus"
}

stop_bus() {
    stop_nestd
    stop_polkit
    kill "$bus_pid"
    wait "$bus_pid" || true
    rm -rf "$dir"
}

# retry COMMAND...: until it succeeds; the limit is for what hangs, not for what is slow
retry() {
    local end=$((SECONDS + 120))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            echo "in vain: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

new_host() {
    host=$("$O/tests/fake-host" new)
    mkdir -p "$host/etc/nestd" "$host/dev"
    # What the facts tell of /dev/kvm and what inotify watches; only root can make it the device that is put back as it was.
    if mknod -m 0660 "$host/dev/kvm" c 1 3 2>/dev/null; then
        chown 0:104 "$host/dev/kvm"
    else
        : >"$host/dev/kvm"
    fi
}

snapshot() {
    "$O/tests/fake-host" snapshot "$host" | if [ -c "$host/dev/kvm" ]; then cat; else grep -v '^kvm:'; fi
}

# start_nestd [PROGRAM]; its log is $dir/log
start_nestd() {
    FAKE_DIR=$dir "${1:-$O/tests/fake-nestd}" --root "$host" >"$dir/log" 2>&1 3>&- &
    nestd_pid=$!
    retry busctl status org.nestd1 || { cat "$dir/log"; return 1; }
}

# serve [VARIABLE=VALUE...]: the bus starts nestd, with these in its environment, when somebody calls it. For tests in which
# it goes soon by itself: after start_nestd it could be gone before the first call.
serve() {
    cat >"$dir/services/org.nestd1.service" <<EOF
[D-BUS Service]
Name=org.nestd1
Exec=/usr/bin/env $* $O/tests/fake-nestd --root $host
EOF
}

# The one that serves now
pid_on_bus() {
    busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus GetConnectionUnixProcessID s org.nestd1 |
        cut -d' ' -f2
}

# monitor FILE ARGUMENTS...: what busctl sees from now on goes to FILE, a line each
monitor() {
    busctl --system --json=short monitor "${@:2}" >"$1" 2>"$1.err" 3>&- &
    monitor_pid=$!
    retry grep -q Monitoring "$1.err"
}

wakeups() {
    awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$nestd_pid/status"
}

# asleep SECONDS: nestd does not wake up once for that long. To be retried: on a busy machine what came before is late.
asleep() {
    local before
    before=$(wakeups)
    sleep "$1"
    [ "$(wakeups)" = "$before" ]
}

# After killall-KIND: the worker, which dies after nestd, no longer holds the lock.
worker_gone() {
    retry flock -n "$host/run/nestd/lock" true
}

stop_nestd() {
    [ -n "${nestd_pid:-}" ] || return 0
    rm -f "$dir/gate"
    kill "$nestd_pid" 2>/dev/null || true
    wait "$nestd_pid" || nestd_status=$?
    nestd_pid=
    # with SAN=1, the workers' reports, too
    if grep -sE 'Sanitizer|runtime error' "$dir/log"; then
        cat "$dir/log"
        return 1
    fi
}

# start_polkit yes|no|password|error
start_polkit() {
    tests/daemon/fake-polkit "$1" >"$dir/polkit" 2>&1 3>&- &
    polkit_pid=$!
    retry busctl status org.freedesktop.PolicyKit1
}

stop_polkit() {
    [ -n "${polkit_pid:-}" ] || return 0
    kill "$polkit_pid" 2>/dev/null || true
    wait "$polkit_pid" || true
    polkit_pid=
}

call() {
    busctl --system call "${HOST[@]}" "$@"
}

# JSON comes as busctl prints a string: unwrap it.
call_text() {
    busctl --system --json=short call "${HOST[@]}" "$@" | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0])'
}

property() {
    busctl --system get-property "${HOST[@]}" "$1" | sed 's/^[a-z] //'
}

job_property() {
    busctl --system get-property org.nestd1 "/org/nestd1/job/$1" org.nestd1.Job "$2" | sed 's/^[a-z] //'
}

state_is() {
    [ "$(job_property "$1" State)" = "\"$2\"" ]
}

# wait_job N STATE
wait_job() {
    retry state_is "$1" "$2" || {
        job_property "$1" State
        job_property "$1" Error
        cat "$dir/log"
        return 1
    }
}

property_is() {
    [ "$(property "$1")" = "$2" ]
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "takes root, to call as another user"
}

as_nobody() {
    setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$@"
}
