# shellcheck shell=sh disable=SC2154
# Sourced by tests/pf/boot: the other host, and the checks after a boot.

# Joins the other host, and serves what is behind the door.
start_boot() {
    case $system in
    FreeBSD)
        # It comes back from the jail of the stage before.
        within 20 exists "${interface%a}b"
        check another-host join_jail knockd_boot
        ;;
    OpenBSD) check another-host join_rdomain ;;
    esac
    launch shop nc -kl "$server" 47022
}

# The interface itself is rc's.
undo_boot() {
    halt shop
    case $system in
    FreeBSD)
        [ -z "$jail" ] || {
            ifconfig "$peer" -vnet "$jail"
            jail -r "$jail"
        }
        ;;
    OpenBSD) [ -z "$made" ] || ifconfig "$peer" destroy ;;
    esac
}

holds() {
    pfctl -q -t knockd_boot -T show 2>/dev/null | grep -qw "$client"
}

# Whether the table is there, without the client.
lacks() {
    pfctl -q -t knockd_boot -T show >/dev/null 2>&1 && ! holds
}

has_no_table() {
    ! pfctl -q -t knockd_boot -T show
}

# shellcheck disable=SC2086 # away is a command and its arguments
connects() {
    $away nc -z -w 2 "$server" 47022
}

is_shut() {
    ! connects
}

# shellcheck disable=SC2086
ask() {
    bounded 10 $away knock -c "$work/hosts.ron" "$@" here ssh && within 2 holds
}

# Makes a token that knockd has not seen: the other host sends it to itself.
# record FILE
# shellcheck disable=SC2086
record() {
    launch catcher $away nc -u -l "$client" 47040
    sleep 1
    bounded 10 $away knock -c "$work/hosts.ron" --for 10m itself ssh
    within 5 test -s "$work/catcher.log"
    halt catcher
    cp "$work/catcher.log" "$work/$1"
    # What is shorter is an error of nc.
    [ "$(wc -c <"$work/$1")" -ge 168 ]
}

# Sends it to knockd: send FILE
# shellcheck disable=SC2086
send() {
    $away nc -u -w 1 "$server" 47040 <"$work/$1"
    true
}

send_opens() {
    lacks || return 1
    send "$1"
    within 2 holds
}

# What is sent again opens nothing: send_fails FILE
send_fails() {
    send "$1"
    sleep 1
    lacks
}

pf_is_enabled() {
    pfctl -s info | grep 'Status: Enabled'
}

stage_running() {
    check runs-after-boot within 20 service_do status
    check pf-is-enabled-after-boot pf_is_enabled
    check knockctl-reaches-it within 20 knockctl show
    check shut-after-boot is_shut
    # Nobody knows what was used before: for 30 seconds, tokens are refused.
    check token-opens-after-boot within 60 ask --for 10m
    check door-is-open connects
    check knockctl-closes knockctl close ssh "$client"
    check closed lacks
    check unseen-token record first
    check unseen-token-opens send_opens first
    check lease-holds holds
    check pf-restarts pf_do restart
    check lease-is-back-after-restart-of-pf within 12 holds
    check door-is-open-after-restart-of-pf connects
    check pf-reloads pf_do reload
    check lease-holds-after-reload-of-pf holds
    check knockd-reloads service_do reload
    check lease-holds-after-reload holds
    check knockd-restarts service_do restart
    check lease-is-back-after-restart within 10 holds
    check tables-are-flushed pfctl -F Tables
    check table-is-gone has_no_table
    sleep 6
    check rules-load-again pfctl -f /etc/pf.conf
    check lease-is-back-after-flush within 12 holds
    # Without another entry, the table would be empty, as after a flush.
    check another-door-is-open knockctl open ssh 192.0.2.97 10m
    check entry-is-deleted-by-hand pfctl -q -t knockd_boot -T delete "$client"
    sleep 8
    check deleted-entry-stays-out lacks
    check used-token-is-refused send_fails first
    check stops service_do stop
    check starts service_do start
    check used-token-is-refused-after-a-start send_fails first
    check another-token-opens within 10 ask --for 10m
    check stop-with-a-lease service_do stop
    check stop-shuts-the-door lacks
    check start-with-a-lease service_do start
    check lease-is-back-after-a-stop within 10 holds
    check pf-stops pf_do stop
    sleep 2
    check pf-starts pf_do start
    check lease-is-back-after-a-stop-of-pf within 12 holds
}

# Without writing out what the kernel still holds.
stage_cut() {
    check all-is-closed-before-the-cut knockctl close all
    check token-for-the-cut record used
    check token-for-later record unused
    sync
    sleep 2
    check token-before-the-cut send_opens used
    echo "$passed passed, $failed failed, the power goes now"
    reboot -q -n
    sleep 60
}

stage_after_cut() {
    check runs-after-the-cut within 20 service_do status
    check knockctl-reaches-it-after-the-cut within 20 knockctl show
    check lease-ended-with-the-cut lacks
    check shut-after-the-cut is_shut
    check used-token-is-refused-after-the-cut send_fails used
    check unused-token-of-before-is-refused send_fails unused
    check token-opens-after-the-cut within 60 ask --for 10m
    check door-is-open-after-the-cut connects
}
