# shellcheck shell=bash
# Completion for knock, knockctl and knockd in bash. The words come
# from their own help, so they are never out of date.

# The words that a help text offers: options, commands, values.
_knockd_words() {
    awk '
        /^[A-Z][a-z]*:/ { section = $1 }
        section == "Commands:" && /^  [a-z]/ { print $1 }
        section == "Arguments:" && sub(/.*\[possible values: /, "") {
            gsub(/[],]/, " ")
            print
        }
        section == "Options:" && /^ *-/ {
            for (i = 1; $i ~ /^-/; i++) {
                sub(/,$/, "", $i)
                print $i
            }
        }'
}

# The value of an option in a help text, such as FILE or TIME. Nothing if it takes
# none.
_knockd_taken() {
    awk -v option="$1" '
        /^ *-/ {
            for (i = 1; $i ~ /^-/; i++) {
                sub(/,$/, "", $i)
                if ($i == option && $(i + 1) ~ /^</) { gsub(/[<>]/, "", $(i + 1)); print $(i + 1) }
            }
        }'
}

# The servers in the user's hosts file.
_knockd_hosts() {
    sed -n 's/^ *"\([^"]*\)": *($/\1/p' ~/.config/knock/hosts.ron 2>/dev/null
}

_knockd() {
    local program=$1 word=$2 previous=$3 each command='' help words
    COMPREPLY=()
    if [[ ${program##*/} == knockctl ]]; then
        # A command has a help of its own.
        for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
            [[ $each != [a-z]* ]] || {
                command=$each
                break
            }
        done
    fi
    help=$("$program" ${command:+"$command"} -h 2>/dev/null) || return 0
    if [[ $previous == -* ]]; then
        each=$(_knockd_taken "$previous" <<<"$help")
        case $each in
        FILE | SOCKET)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        ?*) return ;;
        esac
    fi
    words=$(_knockd_words <<<"$help")
    [[ ${program##*/} != knock ]] || words+=" $(_knockd_hosts)"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    # A command's own file comes after its other word.
    if [[ $previous != "$command" ]] && grep -q '^  <FILE>' <<<"$help"; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -F _knockd knock knockctl knockd
