# shellcheck shell=sh disable=SC2154,SC2034
# A vlan and the interface below it are both captured on: each packet comes in
# twice, and the second copy changes nothing.

topic_vlan() {
    [ "$system" != Darwin ] || {
        skip vlan "it needs another host"
        return
    }
    check vlan-is-made start_vlan
    captured="\"$interface\", \"$vlan\""
    configure_token vlan.ron ""
    captured=''
    check vlan-and-parent-are-captured-on daemon vlan.ron 2
    check vlan-knock-is-sent knock_at "$vlan_server"
    check vlan-knock-opens within 3 logged "door web opened for $vlan_client by a sequence"
    check vlan-token-opens within 15 ask_at "$vlan_server"
    check vlan-copy-is-reported within 3 logged "refused, duplicate"
    check vlan-knock-opened-once logged_times 1 "door web opened"
    check vlan-token-opened-once logged_times 1 "door ssh opened"
    check vlan-doors-close within 10 logged_times 2 ", expired"
    check vlan-daemon-stops halt daemon
}
