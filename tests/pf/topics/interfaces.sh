# shellcheck shell=sh disable=SC2154,SC2034
# Sourced by tests/pf/run: several interfaces, one that comes later, and rules
# that name an interface by a group of its own.

near=198.18.97.5
far=198.18.97.6

# Another link to the other host. Sets second, its end here.
start_second() {
    case $system in
    FreeBSD)
        second=$(ifconfig epair create) || return 1
        later ifconfig "$second" destroy
        ifconfig "${second%a}b" vnet "$jail" || return 1
        ;;
    OpenBSD)
        second=pair$((number + 100))
        ifconfig "$second" create && later ifconfig "$second" destroy &&
            ifconfig "pair$((number + 101))" create || return 1
        later ifconfig "pair$((number + 101))" destroy
        ifconfig "pair$((number + 101))" rdomain "$number" patch "$second"
        ;;
    esac
}

# Gives it addresses; only then it is up.
# shellcheck disable=SC2086 # away is a command and its arguments
raise_second() {
    case $system in
    FreeBSD) $away ifconfig "${second%a}b" inet "$far/30" up ;;
    OpenBSD) ifconfig "pair$((number + 101))" inet "$far/30" up ;;
    esac && ifconfig "$second" inet "$near/30" up
}

# Whether pfctl shows an address of the other host: holds_far TABLE [ANCHOR]
holds_far() {
    pfctl ${2:+-a "$2"} -q -t "$1" -T show 2>/dev/null | grep -qw "$far"
}

topic_interfaces() {
    [ "$system" != Darwin ] || {
        skip several-interfaces "it needs another host"
        return
    }
    check second-link start_second
    captured="\"$interface\", \"$second\""
    configure_token several.ron 'ports: [Tcp(47022)]'
    check daemon-waits-for-an-interface daemon several.ron
    check interface-that-is-down-is-reported logged "cannot capture on $second, waiting for it"
    check second-link-comes raise_second
    check second-link-is-captured-on within 10 logged "capturing on $second"
    check knock-at-the-second-link knock_at "$near"
    check knock-at-the-second-link-opens within 3 holds_far knockd_knock knockd_test
    check knock-at-the-first-link knock_at "$server"
    check knock-at-the-first-link-opens within 3 holds knockd_knock knockd_test
    check token-at-the-first-link within 15 ask
    check second-link-goes ifconfig "$second" down
    check second-link-that-goes-is-reported within 10 logged "interface $second is down or gone"
    check second-link-returns ifconfig "$second" up
    check second-link-is-captured-on-again within 10 logged_times 2 "capturing on $second"
    check lease-of-the-second-link-is-over within 10 logged "door web closed for $far"
    check knock-after-the-return knock_at "$near"
    check knock-after-the-return-opens within 3 logged_times 2 "door web opened for $far"
    check log-of-both-links logged "door web opened for $client by a sequence"
    check daemon-of-two-links-stops halt daemon

    captured='"any"' required=''
    configure any.ron '"web": (table: "knockd_knock", anchor: "knockd_test", open_for: "5s"),'
    captured=''
    unset required
    check daemon-on-any-interface launch_any
    check any-captures-on-both-links logged "capturing on $second"
    check any-leaves-loopback-out logged_times 0 "capturing on lo"
    check knock-at-any-link knock_at "$near"
    check knock-at-any-link-opens within 3 holds_far knockd_knock knockd_test
    check daemon-on-any-interface-stops halt daemon

    check_groups
}

# How many interfaces there are is not ours to know.
launch_any() {
    launch daemon "$knockd" -d -v -f "$work/any.ron"
    within 30 logged "ready, capturing on" || return 1
}

# Loads rules that name a group, and no address, so that the doctor finds doors
# shut: load_group GROUP
load_group() {
    write_rules ''
    sed -e "s/ on $interface / on $1 /" -e "s/ to $server port / to any port /" \
        "$work/pf.conf" >"$work/group.conf"
    load "$work/group.conf"
}

# Whether the doctor finds the door shut to strangers, and open to its table.
doctor_follows() {
    ctl doctor -f "$work/both.ron" >"$work/doctor"
    cat "$work/doctor"
    grep -q 'door ssh: 47022/tcp is dropped for strangers' "$work/doctor" &&
        grep -q 'door ssh: 47022/tcp is open to addresses' "$work/doctor"
}

# pf goes by groups, and the doctor knows them.
check_groups() {
    check rules-with-the-group-of-the-driver-load load_group "${interface%%[0-9]*}"
    check daemon-behind-a-group daemon both.ron
    check token-behind-a-group within 15 ask --for 20s
    check door-is-open-behind-a-group connects 47022
    check doctor-follows-the-group doctor_follows
    check interface-joins-another-group ifconfig "$interface" group knocktest
    check rules-with-another-group-load load_group knocktest
    check door-is-open-behind-another-group connects 47022
    check door-closes-behind-another-group within 25 lacks knockd_token
    check door-is-shut-behind-another-group is_shut 47022
    check doctor-follows-another-group doctor_follows
    check daemon-behind-a-group-stops halt daemon
    check interface-leaves-the-group ifconfig "$interface" -group knocktest
    check rules-without-a-group-load load "$work/pf.conf"
}
