# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for nestctl(1). tests/cli/completion.bats compares it with the tables in cli/verbs.c.

_nestctl_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_nestctl() {
    local everywhere='--json --quiet --no-pager --host= --direct --help --version'
    local features='nested ept npt ept_ad shadow_vmcs apicv avic vpid unrestricted_guest flexpriority pml ipiv
        tsc_scaling preemption_timer vls vgif vnmi nrips'
    local -A options=(
        [status]='--root='
        [check]='--root='
        [enable]='--root= --dry-run --yes --when-idle --runtime --persistent'
        [disable]='--root= --dry-run --yes --guests --when-idle --runtime --persistent'
        [undo]='--root= --dry-run --yes --list'
        [monitor]=''
        [collect]='--root='
        [audit]='--extension='
        [guest]='--root= --dry-run --yes --file= --extension= --mode= --model= --profile= --now'
    )
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} option='' verb='' i

    # bash may divide words at '='
    if [[ $current == '=' ]]; then
        option=$previous current=''
    elif [[ $previous == '=' ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $current == *=* ]]; then
        option=${current%%=*} current=${current#*=}
    elif [[ $previous == --@(root|host|file|extension|mode|model|profile) || $previous == -[Hf] ]]; then
        option=$previous
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ -v options[${COMP_WORDS[i]}] && ${COMP_WORDS[i - 1]} != '=' ]]; then
            verb=${COMP_WORDS[i]}
            break
        fi
    done

    case $option in
    --file | -f) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    --extension) _nestctl_words 'vmx svm' "$current" ;;
    --mode) _nestctl_words 'host-passthrough host-model custom' "$current" ;;
    --model) ;;
    --profile)
        if [[ $current == *+* ]]; then
            _nestctl_words "$(printf "${current%+*}+%s " viommu hugepages locked numa=0)" "$current"
        else
            _nestctl_words 'kvm xen esxi hyperv virtualbox' "$current"
        fi
        ;;
    --root) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    --host | -H) mapfile -t COMPREPLY < <(compgen -A hostname -- "$current") ;;
    '') _nestctl_plain ;;
    *) _nestctl_words 'on off' "$current" ;;
    esac
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}

# Neither an option's argument nor a feature's value.
_nestctl_plain() {
    if [[ $current == -* ]]; then
        _nestctl_words "$everywhere ${options[${verb:-status}]}" "$current"
    elif [[ -z $verb ]]; then
        _nestctl_words "${!options[*]}" "$current"
    elif [[ $verb == enable ]]; then
        # shellcheck disable=SC2086 # words
        _nestctl_words "$(printf '%s= ' $features)" "$current"
    elif [[ $verb == collect ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif [[ $verb == guest && $previous == guest ]]; then
        _nestctl_words 'list show expose hide undo diff' "$current"
    elif [[ $verb == undo ]]; then
        _nestctl_words "$(nestctl undo --list --quiet --no-pager 2>/dev/null | awk 'NR > 1 { print $1 }')" "$current"
    fi
}

complete -F _nestctl nestctl
