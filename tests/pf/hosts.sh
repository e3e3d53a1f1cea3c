# shellcheck shell=sh disable=SC2034
# Sourced by tests/pf/run: another host, in the same machine. Sets
#   interface, server   where the doors are, and the address there
#   client              the address of the other host
#   away                what runs a command on the other host
#   connect             how to try a TCP connection, for two seconds

server=198.18.97.1
client=198.18.97.2
connect="nc -z -w 2"

exists() {
    ifconfig "$1" >/dev/null 2>&1
}

start_hosts() {
    if ifconfig -a | grep -q 'inet 198\.18\.97\.'; then
        echo "198.18.97.0/30 is in use here"
        return 1
    fi
    case $system in
    FreeBSD) start_jail ;;
    OpenBSD) start_rdomain ;;
    Darwin) start_loopback ;;
    esac
}

stop_hosts() {
    case $system in
    FreeBSD)
        [ -z "$jail" ] || jail -r "$jail"
        [ -z "$interface" ] || ifconfig "$interface" destroy
        ;;
    OpenBSD)
        # Both ends, and the loopback interface that came with the rdomain.
        for each in $made; do
            ! exists "$each" || ifconfig "$each" destroy
        done
        ;;
    esac
}

# FreeBSD: a jail with a network stack of its own.
start_jail() {
    interface=$(ifconfig epair create) || return 1
    join_jail "knockd_test_$$" && ifconfig "$interface" inet "$server/30" up
}

# The jail, and in it the other end of $interface: join_jail NAME
join_jail() {
    peer=${interface%a}b
    jail -c name="$1" vnet persist path=/ || return 1
    jail=$1
    away="jexec $jail"
    ifconfig "$peer" vnet "$jail" &&
        jexec "$jail" ifconfig lo0 inet 127.0.0.1/8 up &&
        jexec "$jail" ifconfig "$peer" inet "$client/30" up
}

# OpenBSD: another routing domain. Its number is that of an interface which is
# still free.
start_rdomain() {
    number=90
    while exists "pair$number" || exists "pair$((number + 1))" || exists "lo$number"; do
        number=$((number + 2))
        [ "$number" -lt 250 ] || return 1
    done
    interface=pair$number
    made=$interface
    ifconfig "$interface" create &&
        ifconfig "$interface" inet "$server/30" up &&
        join_rdomain
}

# The routing domain $number, and in it the other end of $interface.
join_rdomain() {
    peer=pair$((number + 1))
    made="$peer $made lo$number"
    away="route -T$number exec"
    ifconfig "$peer" create &&
        ifconfig "$peer" rdomain "$number" &&
        ifconfig "$peer" inet "$client/30" patch "$interface" up
}

# macOS has one network stack: the client is the machine itself.
start_loopback() {
    interface=lo0
    server=127.0.0.1
    client=127.0.0.1
    away=
    connect="nc -z -G 2 -w 2"
}
