# shellcheck shell=sh disable=SC2154,SC2034
# Capture on "egress" follows the default route from one interface to another.

topic_egress() {
    [ "$system" != Darwin ] || {
        skip egress "it needs another host"
        return
    }
    ! netstat -rn | grep -q '^default' || {
        skip egress "this machine has a default route"
        return
    }
    check egress-has-a-second-way start_vlan
    later route -q delete default
    check egress-route-is-made route -q add default "$client"
    captured='"egress"' required=''
    configure_token egress.ron ""
    captured=''
    unset required
    check egress-daemon-starts daemon egress.ron
    check egress-is-the-first within 1 logged "capturing on $interface"
    check egress-token-opens within 15 ask_at "$server"
    check egress-route-goes route -q delete default
    check egress-without-a-route-is-reported within 5 logged "waiting for"
    check egress-other-route-is-made route -q add default "$vlan_client"
    check egress-is-the-second within 5 logged "capturing on $vlan"
    check egress-token-opens-there within 15 ask_there
    check egress-daemon-stops halt daemon
}

ask_there() {
    ask_at "$vlan_server" && within 1 logged "door ssh opened for $vlan_client"
}
