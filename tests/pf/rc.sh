# shellcheck shell=sh disable=SC2034,SC2154,SC2317
# Sourced by tests/pf/boot: knockd and pf as the system's rc calls them. Sets config,
# the path of the configuration, and interface, that of the tests.

case $system in
FreeBSD)
    config=/usr/local/etc/knockd.ron interface=epair97a
    service_do() { service knockd "$1"; }
    pf_do() { service pf "$1"; }
    add_user() { pw useradd -d /nonexistent -s /usr/sbin/nologin -n _knockd; }
    remove_user() { pw userdel _knockd; }
    enable_all() {
        cp -p /etc/rc.conf "$work/rc.conf.before" && service knockd enable &&
            cat >>/etc/rc.conf <<RC
pf_enable="YES"
cloned_interfaces="\$cloned_interfaces epair97"
ifconfig_$interface="inet $server/30"
RC
    }
    disable_all() {
        cp -p "$work/rc.conf.before" /etc/rc.conf
        ifconfig "$interface" destroy
        service pf onestop
        # If it was enabled before.
        service pf start || true
    }
    ;;
OpenBSD)
    config=/etc/knockd.ron interface=pair97 number=97
    service_do() {
        case $1 in
        status) rcctl check knockd ;;
        *) rcctl "$1" knockd ;;
        esac
    }
    # There is no service: what its verbs would do.
    pf_do() {
        case $1 in
        stop) pfctl -d ;;
        start) pfctl -F rules -F Tables && pfctl -f /etc/pf.conf && pfctl -e ;;
        restart) pfctl -F rules -F Tables && pfctl -f /etc/pf.conf ;;
        reload) pfctl -f /etc/pf.conf ;;
        esac
    }
    add_user() { useradd -L daemon -d /var/empty -s /sbin/nologin _knockd; }
    remove_user() { userdel _knockd; }
    enable_all() {
        rcctl enable knockd && echo "inet $server/30" >"/etc/hostname.$interface"
    }
    disable_all() {
        rcctl disable knockd
        rm -f "/etc/hostname.$interface"
        ifconfig "$interface" destroy
    }
    ;;
*)
    echo "tests/pf/boot: $system has no script of ours" >&2
    exit 2
    ;;
esac
