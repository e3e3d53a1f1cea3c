# shellcheck shell=sh disable=SC2154,SC2034
# The securelevel at which all works, and the one above, at which doors open and
# close but states stay. The last that a machine does before it is thrown away or
# booted.

topic_securelevel() {
    case $system in
    OpenBSD) good=1 ;;
    FreeBSD) good=2 ;;
    *)
        skip securelevel "not tried on $system"
        return
        ;;
    esac
    [ "$alone,${KNOCKD_PF_THROWAWAY:-}" = yes,1 ] || {
        skip securelevel "only a boot lowers it, see tests/pf/run"
        return
    }
    configure_token level.ron 'ports: [Tcp(47022)], on_close: KillStates'
    check securelevel-is-raised sysctl "kern.securelevel=$good"
    check securelevel-daemon-starts daemon level.ron
    one_lease below "states killed"
    # What was loaded before cannot be loaded any more.
    filter=stuck
    check securelevel-is-too-high sysctl "kern.securelevel=$((good + 1))"
    one_lease above "cannot end connections through door ssh when it closes"
    check securelevel-is-reported logged "lower kern.securelevel to $good"
    check securelevel-daemon-stops halt daemon
    check securelevel-daemon-starts-there daemon level.ron
    check securelevel-token-opens-there within 15 ask_at "$server"
    check securelevel-stop-shuts halt daemon
    check securelevel-address-is-gone lacks knockd_token
}

# A door opens, a connection is made, and the door closes: one_lease NAME TEXT
# shellcheck disable=SC2086 # away is a command and its arguments
one_lease() {
    check "securelevel-$1-token-opens" within 15 ask_at "$server"
    launch held $away nc "$server" 47022
    check "securelevel-$1-connection-has-a-state" within 3 has_state 47022
    check "securelevel-$1-address-leaves" within 15 lacks knockd_token
    check "securelevel-$1-is-logged" within 2 logged "$2"
    check "securelevel-$1-door-is-shut" is_shut 47022
    halt held
}
