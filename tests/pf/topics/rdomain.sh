# shellcheck shell=sh disable=SC2154,SC2034
# OpenBSD: the daemon runs in a routing domain, and its door is there too.

topic_rdomain() {
    [ "$system" = OpenBSD ] || {
        skip rdomain "$system has none"
        return
    }
    later restore_rules
    later swap_hosts
    swap_hosts
    write_rules ""
    check rdomain-rules-load load "$work/pf.conf"
    later halt inner
    # shellcheck disable=SC2086 # inside is a command and its arguments
    check rdomain-has-a-service launch inner $inside nc -kl "$server" 47022
    configure_token rdomain.ron \
        "ports: [Tcp(47022)], on_close: KillStates, rdomain: $number"
    check rdomain-daemon-starts daemon rdomain.ron
    check rdomain-daemon-is-inside is_inside
    check rdomain-knock-is-sent knock_at "$server"
    check rdomain-knock-opens within 3 logged "door web opened for $client by a sequence"
    check rdomain-door-is-shut is_shut 47022
    check rdomain-token-opens within 15 ask_at "$server"
    check rdomain-door-is-open within 3 connects 47022
    launch held nc "$server" 47022
    check rdomain-connection-has-a-state within 3 has_state 47022
    check rdomain-door-closes within 15 lacks knockd_token
    check rdomain-states-go within 2 has_no_state 47022
    check rdomain-log-says-killed within 1 logged "states killed"
    check rdomain-door-is-shut-again is_shut 47022
    check rdomain-daemon-stops halt daemon
}

# Each host becomes the other.
swap_hosts() {
    set -- "$interface" "$server" "$away"
    interface=$peer server=$client away=$inside
    peer=$1 client=$2 inside=$3
}

restore_rules() {
    write_rules ""
    load "$work/pf.conf"
}

is_inside() {
    ps -ax -o rtable= -o command= >"$work/processes"
    [ "$(grep -c "^ *$number .*knockd" "$work/processes")" -ge 3 ]
}
