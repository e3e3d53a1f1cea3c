# shellcheck shell=sh disable=SC2154,SC2034
# IPv6: knock, token, and an established connection that ends with the lease.

topic_six() {
    [ "$system" != Darwin ] || {
        skip six "it needs another host"
        return
    }
    later be_four
    server=fd97:47::1 client=fd97:47::2
    later ifconfig "$interface" inet6 "$server" delete
    check six-has-an-address ifconfig "$interface" inet6 "$server" prefixlen 64
    # shellcheck disable=SC2086 # away is a command and its arguments
    check six-other-host-has-one $away ifconfig "$peer" inet6 "$client" prefixlen 64
    check six-rules-load more_rules "
block drop in on $interface inet6 proto { tcp, udp } from any to $server port 47000:47099
pass in on $interface inet6 proto tcp from <knockd_token> to $server port 47022"
    configure_token six.ron 'ports: [Tcp(47022)], on_close: KillStates'
    check six-daemon-starts daemon six.ron
    check six-knock-opens within 15 knocks_six
    later halt inner
    check six-has-a-service within 5 serve_six
    check six-door-is-shut is_shut 47022
    check six-token-opens within 15 ask_at "$server"
    check six-address-is-in-the-table holds knockd_token
    check six-door-is-open within 3 connects 47022
    # shellcheck disable=SC2016,SC2086 # its own arguments, and the words of away
    launch held sh -c '(echo before; sleep 12; echo after; sleep 1) | exec "$@"' talk \
        $away nc "$server" 47022
    check six-connection-carries within 4 grep before "$work/inner.log"
    check six-connection-has-a-state has_state_six
    check six-token-leaves-the-table within 15 lacks knockd_token
    check six-states-go within 2 has_no_state_six
    check six-log-says-killed within 1 logged "states killed"
    sleep 8
    check six-connection-is-cut no_word_after
    check six-door-is-shut-again is_shut 47022
    check six-daemon-stops halt daemon
}

be_four() {
    server=198.18.97.1 client=198.18.97.2
}

knocks_six() {
    knock_at "$server" && within 1 logged "door web opened for $client by a sequence"
}

# A new address may not be bound to at once.
serve_six() {
    launch inner nc -6 -kl "$server" 47022
    sleep 1
    ! test -s "$work/inner.status"
}

has_state_six() {
    pfctl -s states 2>/dev/null >"$work/states"
    grep -qF -- "${server}[47022] <- ${client}[" "$work/states"
}

has_no_state_six() {
    ! has_state_six
}

no_word_after() {
    ! grep after "$work/inner.log"
}
