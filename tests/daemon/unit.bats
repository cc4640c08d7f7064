#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The files around nestd agree with it and with each other.
# shellcheck disable=SC2030,SC2031,SC2154 # what bats does with subshells; bus.bash
load bus

@test "unit: systemd-analyze security gives 2.0 or lower" {
    run systemd-analyze security --no-pager --offline=true --threshold=20 systemd/nestd.service
    assert_success
    assert_line --regexp 'Overall exposure level for nestd.service: [01]\.[0-9]|2\.0'
}

@test "unit: systemd understands every line" {
    sed "s|/usr/libexec/nestd|$O/nestd|; /^Documentation=/d" systemd/nestd.service >"$BATS_TEST_TMPDIR/nestd.service"
    run systemd-analyze verify "$BATS_TEST_TMPDIR/nestd.service"
    assert_success
    refute_output --partial nestd.service
}

@test "unit: the capabilities are those that nestd keeps" {
    unit=$(sed -n 's/^CapabilityBoundingSet=//p' systemd/nestd.service | tr ' ' '\n' | sort)
    code=$(sed -n '/needed\[\] = {/,/};/s/^ *\(CAP_[A-Z_]*\),.*/\1/p' daemon/caps.c | sort)
    [ -n "$code" ]
    assert_equal "$unit" "$code"
}

@test "unit: every polkit action that is asked for is declared, and only those of INTERFACES are" {
    declared=$(sed -n 's/.*<action id="\(.*\)">/\1/p' conf/org.nestd1.policy | sort)
    assert_equal "$declared" "$(printf 'org.nestd1.%s\n' expose-guest qualify reload-module set-host undo)"
    grep -ohE '"org\.nestd1\.(set-host|reload-module|undo|expose-guest|qualify)"' daemon/*.c | tr -d '"' | sort -u >"$BATS_TEST_TMPDIR/asked"
    [ -s "$BATS_TEST_TMPDIR/asked" ]
    run grep -vxF "$declared" "$BATS_TEST_TMPDIR/asked"
    assert_output ''
    # each is in the manual page
    for action in $declared; do grep -qF "$action" man/org.nestd1.5; done
}

@test "unit: polkit reads the policy" {
    /usr/bin/python3 - <<'EOF'
import xml.etree.ElementTree as E
for action in E.parse("conf/org.nestd1.policy").getroot().findall("action"):
    defaults = {d.tag: d.text for d in action.find("defaults")}
    assert set(defaults) == {"allow_any", "allow_inactive", "allow_active"}, action.get("id")
    assert all(v.startswith("auth_admin") for v in defaults.values()), action.get("id")
    assert action.find("message").text and action.find("description").text
EOF
}

@test "unit: nestd.conf as installed says nothing new, and each of its lines is understood" {
    start_bus
    new_host
    mkdir -p "$host/usr/lib/nestd"
    sed -n 's/^#\([A-Za-z_]*=.*\)/\1/p; /^\[/p' conf/nestd.conf >"$host/etc/nestd/nestd.conf"
    grep -q = "$host/etc/nestd/nestd.conf"
    cp conf/nestd.conf "$host/usr/lib/nestd/nestd.conf"
    start_nestd
    run cat "$dir/log"
    refute_output --partial nestd.conf
    stop_bus
    rm -rf "$host"
}

# The introspection data, the manual page and INTERFACES name the same things with the same types.
@test "unit: org.nestd1(5) is what nestd is" {
    start_bus
    new_host
    start_nestd
    call Enable 'a{sv}' 1 nested b true
    wait_job 1 'done'
    run /usr/bin/python3 tests/daemon/compare-manual man/org.nestd1.5 daemon/options.c daemon/guest-bus.c
    stop_bus
    rm -rf "$host"
    echo "$output"
    [ "$status" = 0 ]
}

@test "unit: the manual pages name every setting and every option" {
    for setting in OnDrift IdleExitSec Expose Hide; do
        grep -q "\"$setting\"" common/conf.c
        grep -qF "$setting=" man/nestd.conf.5
    done
    sed -n 's/.*{ "\([a-z]*\)", [a-z]*_argument.*/\1/p' daemon/nestd.c >"$BATS_TEST_TMPDIR/options"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/options")" -ge 3 ]
    while read -r option; do
        grep -qE -- "-$option\b" man/nestd.8
    done <"$BATS_TEST_TMPDIR/options"
    # every feature of the table
    sed -n 's/.*\.name = "\([a-z_]*\)".*/\1/p; s/.*FEATURE_[A-Z_]*, EXTENSION_[A-Z]*, "\([a-z_]*\)".*/\1/p' common/feature.c | sort -u >"$BATS_TEST_TMPDIR/features"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/features")" -ge 14 ]
    while read -r feature; do
        grep -qE "\b$feature\b" man/nestd.conf.5
    done <"$BATS_TEST_TMPDIR/features"
}
