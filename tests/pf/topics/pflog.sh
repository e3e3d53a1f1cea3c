# shellcheck shell=sh disable=SC2154,SC2034
# What pf drops and logs is read on the interface that it logs to, and opens.

topic_pflog() {
    [ "$system" != Darwin ] || {
        skip pflog "not tried on macOS"
        return
    }
    check pflog-is-made start_pflog
    block="block drop in log (to $pflog) quick on $interface proto { tcp, udp } from any to $server"
    check pflog-rules-load more_rules "$block port { 47001, 47010, 47030, 47040 }"
    captured="\"$pflog\"" required="\"$pflog\""
    configure_token pflog.ron ""
    captured=''
    unset required
    check pflog-daemon-starts daemon pflog.ron
    check pflog-knock-is-sent knock_at "$server"
    check pflog-knock-opens within 3 logged "door web opened for $client by a sequence"
    check pflog-token-opens within 15 ask_at "$server"
    check pflog-knock-opened-once logged_times 1 "door web opened"
    check pflog-token-opened-once logged_times 1 "door ssh opened"
    check pflog-daemon-stops halt daemon
}

# Not pflog0, which the system's own log may need.
start_pflog() {
    [ "$system" != FreeBSD ] || kldstat -q -m pflog || {
        kldload pflog || return 1
        later kldunload pflog
    }
    pflog=pflog1
    ! exists $pflog || return 1
    later ifconfig $pflog destroy
    ifconfig $pflog create up
}
