#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Manual page and completions against the tables in cli/verbs.c, as --help prints them.
bats_require_minimum_version 1.5.0
load support

# complete WORD...: what bash offers for the last word
complete_words() {
    bash -c '
        compopt() { :; }
        source "$1" && shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _nestctl
        printf "%s\n" "${COMPREPLY[@]}"' - "$TOP/conf/completions/nestctl.bash" "$@" | sort
}

@test "completion: bash offers every verb and no other" {
    assert_equal "$(complete_words nestctl '')" "$(verbs | sort)"
    assert_equal "$(complete_words nestctl --json ena)" enable
    assert_equal "$(complete_words nestctl xyz)" ''
}

@test "completion: bash offers the options of each verb and no other" {
    for verb in $(verbs); do
        assert_equal "$verb: $(complete_words nestctl "$verb" -)" \
            "$verb: $({ options "$verb" || :; options_everywhere; } | sort)"
    done
    assert_equal "$(complete_words nestctl enable --when)" --when-idle
}

@test "completion: bash offers features, values and directories" {
    assert_equal "$(complete_words nestctl enable shadow)" shadow_vmcs=
    assert_equal "$(complete_words nestctl enable nested = o)" $'off\non'
    assert_equal "$(complete_words nestctl enable nested=of)" off
    cd "$TOP"
    assert_equal "$(complete_words nestctl --root = comm)" common
    assert_equal "$(complete_words nestctl status --root=comm)" common
    # every feature of the engine's table, by either vendor's name
    assert_equal "$(complete_words nestctl enable '' | sed 's/=$//')" \
        "$(sed -n '/^const struct feature features/,/^};/p' common/feature.c |
            grep -oE '(VMX|SVM), "[a-z_]+"' | cut -d'"' -f2 | sort -u)"
}

@test "completion: zsh has every verb, option and feature" {
    zsh=$TOP/conf/completions/_nestctl
    for verb in $(verbs); do
        grep -q "^    '$verb:" "$zsh" || fail "no verb $verb"
        for option in $(options "$verb" || :); do
            grep -qF -- "$option" "$zsh" || fail "no $option of $verb"
        done
    done
    assert_equal "$(sed -n '/^verbs=(/,/^)/p' "$zsh" | grep -oE "^    '[a-z]+" | tr -d " '" | sort)" "$(verbs | sort)"
    for option in $(options_everywhere); do
        grep -qF -- "$option" "$zsh" || fail "no $option"
    done
    features=$(sed -n '/^features=(/,/)/p' "$zsh" | tr -d '()' | sed 's/^features=//')
    assert_equal "$(tr -s ' ' '\n' <<<"$features" | sed '/^$/d' | sort)" \
        "$(complete_words nestctl enable '' | sed 's/=$//')"
    if command -v zsh >/dev/null; then
        zsh -n "$zsh"
    fi
}

@test "completion: nestctl(1) documents every verb and option, and no other" {
    man=$TOP/man/nestctl.1
    assert_equal "$(sed -n '/^\.Sh VERBS/,/^\.Sh OPTIONS/p' "$man" | sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' | sort)" \
        "$(verbs | sort)"
    assert_equal "$(sed -n '/^\.Sh OPTIONS/,/^\.Sh REASONS/p' "$man" | grep '^\.It' | grep -oE '\\-[a-z][a-z-]+' |
        sed 's/^.-/--/' | sort)" \
        "$({ options_everywhere; for verb in $(verbs); do options "$verb" || :; done; } | tr -d = | sort -u)"
    # which verbs take it
    for verb in $(verbs); do
        for option in $(options "$verb" | tr -d =); do
            sed -n "/^\\.It.* \\\\-${option#--}/,/^\\.It/p" "$man" | sed -n 2p | grep -qw -- "$verb" ||
                fail "nestctl(1) does not say that $option is an option of $verb"
        done
    done
}

# profiles EXTRA: the names in the engine's table, of hypervisors (false) or of what goes with them (true)
profiles() {
    sed -n '/^const struct guest_profile guest_profiles/,/^};/p' "$TOP/common/guest-profile.c" | grep -oE '\.name = .*' |
        if "$1"; then grep -F '.extra = true'; else grep -vF '.extra = true'; fi | cut -d'"' -f2 | sort
}

@test "completion: every profile and extra, and no other, in both shells and the manual" {
    assert_equal "$(profiles true | wc -l)" 4
    assert_equal "$(complete_words nestctl guest expose a --profile '')" "$(profiles false)"
    assert_equal "$(complete_words nestctl guest expose a --profile = kvm+ | sed 's/^kvm+//; s/=0$//')" "$(profiles true)"
    assert_equal "$(complete_words nestctl guest expose a --profile=kvm+locked+vi)" kvm+locked+viommu
    assert_equal "$(grep -o '_values -s + profile [^:]*' "$TOP/conf/completions/_nestctl" | tr -d "'\\\\" |
        tr ' ' '\n' | sed '1,4d; /^$/d; s/=0$//' | sort)" "$({ profiles false; profiles true; } | sort)"
    assert_equal "$(sed -n '/^\.It Fl .-profile/,/^\.It Fl .-now/p' "$TOP/man/nestctl.1" | sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' | sort)" \
        "$({ profiles false; profiles true; } | sort)"
}

@test "completion: nestctl(1) documents every exit code" {
    for code in 0 1 2 3 4 5 6 7; do
        sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/p' "$TOP/man/nestctl.1" | grep -qx ".It $code"
    done
}

# documented FROM TO: the codes that nestctl(1) lists between two headings
documented() {
    sed -n "/^\\.S[hs] $1/,/^\\.S[hs] $2/p" "$TOP/man/nestctl.1" | sed -n 's/^\.It Li //p' | sort
}

@test "completion: nestctl(1) documents every reason code and every check, and no other" {
    reasons=$(sed -nE 's/^ *\[R_[A-Z0-9_]+\] = *\{ *"([a-z0-9-]+)".*/\1/p' "$TOP/common/diagnose.c" | sort)
    assert [ "$(wc -l <<<"$reasons")" -ge 30 ]
    assert_equal "$(documented REASONS Checks)" "$reasons"
    mkdir "$BATS_TEST_TMPDIR/empty"
    run nestctl check --json --root="$BATS_TEST_TMPDIR/empty"
    assert_equal "$(documented Checks JSON)" \
        "$(python3 -c 'import json, sys; [print(c["code"]) for c in json.load(sys.stdin)["checks"]]' <<<"$output" | sort)"
}
