# shellcheck shell=sh disable=SC2154,SC2034
# Sourced by tests/pf/run: knockd in a jail that guards itself, by the pf and the
# bpf of its own network stack.

inner=198.18.97.9
outer=198.18.97.10

# A jail with a network stack of its own, and a link to the other host.
start_guard() {
    link=$(ifconfig epair create) || return 1
    # With the jail its end comes back, and with that the other one goes.
    later ifconfig "$link" destroy
    guard=knockd_guard_$$
    jail -c name="$guard" vnet persist path=/ || return 1
    later jail -r "$guard"
    inside="jexec $guard"
    ifconfig "$link" vnet "$guard" &&
        ifconfig "${link%a}b" vnet "$jail" &&
        $inside ifconfig lo0 inet 127.0.0.1/8 up &&
        $inside ifconfig "$link" inet "$inner/30" up &&
        $away ifconfig "${link%a}b" inet "$outer/30" up
}

start_guard_filter() {
    cat >"$work/guard.conf" <<RULES
table <knockd_jail> persist
set skip on lo0
pass all
block drop in on $link proto { tcp, udp } from any to any port 47000:47099
pass in on $link proto tcp from <knockd_jail> to any port 47022
RULES
    $inside pfctl -q -f "$work/guard.conf" && $inside pfctl -q -e
}

has_pf() {
    $inside pfctl -s info
}

guard_holds() {
    $inside pfctl -q -t knockd_jail -T show | grep -qw "$outer"
}

guard_lacks() {
    $inside pfctl -q -t knockd_jail -T show >/dev/null && ! guard_holds
}

# shellcheck disable=SC2086
ask_guard() {
    bounded 10 $away "$knock" -c "$work/guard.ron" "$@" here ssh && within 2 guard_holds
}

# shellcheck disable=SC2086
guard_connects() {
    bounded 5 $away nc -z -w 2 "$inner" 47022
}

is_guarded() {
    ! guard_connects
}

guard_has_state() {
    $inside pfctl -s states 2>/dev/null | grep -F "$inner:47022 <- $outer:"
}

guard_has_no_state() {
    ! guard_has_state
}

# shellcheck disable=SC2086 # away and inside are commands and their arguments
topic_jail() {
    [ "$system" = FreeBSD ] || {
        skip jail "$system has no jails"
        return
    }
    check guard start_guard
    has_pf >"$work/said" 2>&1 || {
        skip jail "there is no pf in the jail: $(tail -n 1 "$work/said")"
        return
    }
    check guard-has-rules-of-its-own start_guard_filter
    captured="\"$link\"" required="\"$link\""
    configure guarded.ron '
        "ssh": (table: "knockd_jail", ports: [Tcp(47022)], open_for: "5s", max_open_for: "60s", on_close: KillStates),' "
    spa: (port: 47040, gate_keys: [\"gate.key\"], max_skew: \"1s\"),
    users: { \"alice\": (credential: Ed25519(\"$public\"), doors: [\"ssh\"]) }," ' '
    captured=''
    unset required
    sed "s/$server/$inner/" "$work/hosts.ron" >"$work/guard.ron"
    launch shop $inside nc -kl "$inner" 47022
    later halt shop
    check daemon-in-a-jail daemon guarded.ron
    check guarded-door-is-shut is_guarded
    check token-opens-in-the-jail within 15 ask_guard
    check guarded-door-is-open guard_connects
    check host-has-no-such-table no_table_of_the_host
    launch held $away nc "$inner" 47022
    check connection-into-the-jail-has-a-state within 3 guard_has_state
    check guarded-door-closes within 10 guard_lacks
    check states-go-in-the-jail within 2 guard_has_no_state
    check guarded-door-is-shut-again is_guarded
    $inside "$knockctl" -s "$work/run/knockd.sock" doctor -f "$work/guarded.ron" >"$work/doctor"
    check doctor-in-the-jail-reaches-the-daemon grep '^ok  *daemon' "$work/doctor"
    check doctor-in-the-jail-finds-it-shut grep 'door ssh: 47022/tcp is dropped for strangers' "$work/doctor"
    check doctor-in-the-jail-finds-it-opens grep 'door ssh: 47022/tcp is open to addresses' "$work/doctor"
    check token-for-longer-in-the-jail within 15 ask_guard --for 60s
    check engine-in-the-jail-dies murder engine
    check another-engine-in-the-jail within 10 logged "starting another engine"
    check lease-in-the-jail-lives-on guard_holds
    check daemon-in-a-jail-stops halt daemon
    check stop-shuts-in-the-jail guard_lacks
    inside=''
}

no_table_of_the_host() {
    ! pfctl -q -t knockd_jail -T show
}
