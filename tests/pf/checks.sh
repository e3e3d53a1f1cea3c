# shellcheck shell=sh
# Sourced by tests/pf/run: the checks.

run_checks() {
    check_library
    check_examples
    must furnish furnish
    check_starts
    must a-service-for-the-knock serve web 47080
    must a-service-for-the-token serve ssh 47022
    must daemon-starts daemon both.ron
    check_knock
    check_token
    check_reload
    check_processes
    check_control
    check_stop
    check_topics
    case $system in
    Darwin)
        skip skipped-interface-is-reported "it would be lo0, which others need"
        skip another-host-knocks "macOS has one network stack: the client knocks over lo0"
        skip capture-on-a-real-interface "nothing comes in there without another host"
        ;;
    *) check_skip ;;
    esac
}

# A service on a port: serve NAME PORT
serve() {
    launch "$1" nc -kl "$server" "$2"
    within 5 listens "$2" || {
        cat "$work/$1.log"
        return 1
    }
}

listens() {
    netstat -an >"$work/sockets" 2>/dev/null
    grep -q "$server\.$1 .*LISTEN" "$work/sockets"
}

# The library's own tests against this kernel; their lines become ours.
check_library() {
    KNOCKD_PF_REAL=1
    export KNOCKD_PF_REAL
    bounded 120 "$pf_real" --test-threads=1 --show-output >"$work/library" 2>&1
    awk '
        /^test .* \.\.\. ignored/ { next }
        /^test .* \.\.\. / { order[++count] = $2; outcome[$2] = $NF; next }
        /^---- .* stdout ----$/ { test = $2; next }
        /^thread .* panicked at / { next }
        /^skipped: / { skipped[test] = substr($0, 10) }
        test != "" && NF && why[test] == "" { why[test] = $0 }
        END {
            for (i = 1; i <= count; i++) {
                test = order[i]
                if (test in skipped) print "skip", test ": " skipped[test]
                else if (outcome[test] == "ok") print "ok", test
                else print "not ok", test ": " why[test]
            }
        }' "$work/library" >"$work/lines"
    cat "$work/lines"
    passed=$((passed + $(grep -c '^ok ' "$work/lines")))
    failed=$((failed + $(grep -c '^not ok ' "$work/lines")))
    skipped=$((skipped + $(grep -c '^skip ' "$work/lines")))
    check pf_real-ran-to-its-end grep '^test result: ' "$work/library"
}

# Whether pf would take the pf.conf examples for this system. Their interfaces
# need not be here. Carried to another machine, this directory has none.
check_examples() {
    examples=$here/../../etc/examples
    [ -d "$examples" ] || {
        skip examples-are-taken "needs the whole source tree"
        return
    }
    named=$system
    [ "$system" != Darwin ] || named=macOS
    for example in "$examples"/pf.conf.*; do
        head -n 1 "$example" | grep -q "$named" || continue
        check "${example##*/}-is-taken" pfctl -n -D ext_if=lo0 -D int_if=lo0 \
            -D jail_if=lo0 -D sync_if=lo0 -f "$example"
    done
}

# Keys, the client's hosts, and the daemon's configurations.
furnish() {
    "$knock" --keygen --gate "$work/gate.key" &&
        "$knock" --keygen "$work/alice.key" >"$work/stanza" || return 1
    public=$(sed -n 's/.*Ed25519("\([^"]*\)").*/\1/p' "$work/stanza")
    cat >"$work/hosts.ron" <<HOSTS
{ "here": (
    address: "$server", name: "pf.example.org", port: 47040,
    gate_key: "gate.key", key: "alice.key",
) }
HOSTS
    configure both.ron '
        "web": (table: "knockd_knock", anchor: "knockd_test", ports: [Tcp(47080)], open_for: "5s"),
        "ssh": (table: "knockd_token", ports: [Tcp(47022)], open_for: "6s", max_open_for: "60s", on_close: KillStates),' "
    spa: (port: 47040, gate_keys: [\"gate.key\"], max_skew: \"1s\"),
    users: { \"alice\": (credential: Ed25519(\"$public\"), doors: [\"ssh\"]) },"
    for table in test idle const none; do
        configure "$table.ron" "\"web\": (table: \"knockd_$table\"),"
    done
}

# configure FILE DOORS [MORE] [SEQUENCES]. It captures on $captured, the names as
# in the file, or on $interface; $required is the same for those that must be there.
configure() {
    front='"front": (steps: [Tcp(47001), Udp(47030), Tcp(47010)], opens: ["web"]),'
    loopback=Refused
    [ "$interface" != lo0 ] || loopback=Allowed
    quoted="\"$interface\""
    cat >"$work/$1" <<CONFIG
(
    name: "pf.example.org",
    interfaces: [${captured:-$quoted}],
    required_interfaces: [${required-$quoted}],
    firewall: Pf,
    loopback: $loopback,
    user: "nobody",
    doors: { $2 },
    sequences: {
        ${4-$front}
    },
    directories: (secrets: "$work", state: "$work/state", run: "$work/run"),
    ${3:-}
)
CONFIG
}

logged() {
    grep -qF -- "$1" "$work/daemon.log"
}

# Starts the daemon and waits until it serves: daemon FILE [INTERFACES]
# shellcheck disable=SC2086 # inside is a command and its arguments
daemon() {
    launch daemon $inside "$knockd" -d -v -f "$work/$1"
    within 30 logged "ready, capturing on ${2:-1} interfaces" || {
        tail -n 1 "$work/daemon.log"
        return 1
    }
}

# Whether a start says TEXT and goes on: starts_saying FILE TEXT
starts_saying() {
    daemon "$1" && logged "$2"
    status=$?
    cat "$work/daemon.log"
    halt daemon && return "$status"
}

# Whether a start ends with status 1 and TEXT: ends_saying TEXT COMMAND...
ends_saying() {
    text=$1
    shift
    bounded 10 "$@" && return 1
    grep -qF -- "$text" "$work/bounded.log" && [ "$(cat "$work/bounded.status")" -eq 1 ]
}

check_starts() {
    check missing-table-is-reported starts_saying none.ron "add \`table <knockd_none> persist\`"
    check table-without-rule-is-reported starts_saying idle.ron \
        "no rule refers to table <knockd_idle>"
    # shellcheck disable=SC2016 # the message's own marks
    check const-table-ends-the-start ends_saying 'drop `const`' "$knockd" -d -f "$work/const.ron"
    case $system in
    Darwin) skip disabled-pf-is-reported "disabling it here takes it from others, too" ;;
    *)
        pfctl -q -d
        check disabled-pf-is-reported starts_saying test.ron "the firewall is disabled"
        check pf-is-enabled-again pfctl -q -e
        ;;
    esac
    # Where nobody may read: copies, in a directory of their own.
    open=$(mktemp -d /tmp/knockd_test.XXXXXXXX)
    chmod 755 "$open"
    cp "$knockd" "$work/test.ron" "$open"
    chmod 755 "$open/knockd"
    chmod 644 "$open/test.ron"
    sed "s|$work|$open|g" "$work/test.ron" >"$open/test.ron"
    check not-root-ends-the-start ends_saying "start knockd as root" \
        su -m nobody -c "$open/knockd -d -f $open/test.ron"
    rm -r "$open"
}

# Words of away and connect are commands and their arguments.
# shellcheck disable=SC2086
connects() {
    bounded 5 $away $connect "$server" "$1"
}

is_shut() {
    ! connects "$1"
}

# holds TABLE [ANCHOR]: whether pfctl shows the client there.
holds() {
    pfctl ${2:+-a "$2"} -q -t "$1" -T show 2>/dev/null >"$work/shown"
    sed 's/^ *//' "$work/shown" | grep -qxF -- "$client"
}

# lacks TABLE [ANCHOR]: whether pfctl shows the table, but not the client there.
lacks() {
    pfctl ${2:+-a "$2"} -q -t "$1" -T show >/dev/null 2>&1 && ! holds "$@"
}

# shellcheck disable=SC2086
check_knock() {
    check door-is-shut-before-the-knock is_shut 47080
    check wrong-knock-is-sent bounded 10 $away "$knock" -d 50 "$server" 47001 47010 47030:udp
    check knock-is-sent bounded 10 $away "$knock" -d 50 "$server" 47001 47030:udp 47010
    check knock-puts-the-address-into-the-table within 3 holds knockd_knock knockd_test
    check door-is-open connects 47080
    check log-says-opened logged "door web opened for $client by a sequence, 5s"
    check wrong-knock-opened-nothing test "$(grep -c 'door web opened' "$work/daemon.log")" -eq 1
    check address-leaves-the-table within 10 lacks knockd_knock knockd_test
    check log-says-closed within 1 logged "door web closed for $client after 5s, expired"
    check door-is-shut-after-its-time is_shut 47080
}

# Asks by token; the first second after a start is without.
# shellcheck disable=SC2086
ask() {
    bounded 10 $away "$knock" -c "$work/hosts.ron" "$@" here ssh &&
        within 1 holds knockd_token
}

# States of connections that came in from the client, as pfctl shows them.
has_state() {
    # OpenBSD prints routing domains in parentheses.
    pfctl -s states 2>/dev/null | sed 's/([0-9]*) //g' >"$work/states"
    grep -qF -- "$server:$1 <- $client:" "$work/states"
}

has_no_state() {
    ! has_state "$1"
}

# shellcheck disable=SC2086
check_token() {
    check door-is-shut-before-the-token is_shut 47022
    check token-puts-the-address-into-the-table within 15 ask
    launch held $away nc "$server" 47022
    check connection-has-a-state within 3 has_state 47022
    check token-leaves-the-table-in-time within 15 lacks knockd_token
    check states-go-with-the-lease within 2 has_no_state 47022
    check log-says-killed within 1 logged "states killed"
    check door-is-shut-after-the-token is_shut 47022
    halt held
}

check_reload() {
    check token-for-longer within 15 ask --for 60s
    check reload load "$work/pf.conf"
    check lease-survives-a-reload holds knockd_token
    check table-goes-away pfctl -q -t knockd_token -T kill
    check vanished-table-is-reported within 10 logged "table <knockd_token> cannot be used"
    check table-comes-back load "$work/pf.conf"
    check lease-is-put-back within 10 holds knockd_token
    check log-says-back within 1 logged "table <knockd_token> can be used again"
    check door-is-open-again connects 47022
}

# The last one: some systems keep the mark when the rules name it no more.
check_skip() {
    write_rules "set skip on $interface"
    check rules-with-skip-load load "$work/pf.conf"
    check skipped-interface-is-reported starts_saying test.ron "skips interface $interface"
}

check_stop() {
    check foreign-entry pfctl -q -t knockd_token -T add 192.0.2.99
    check daemon-stops halt daemon
    check daemon-ends-well grep -qx 0 "$work/daemon.status"
    check stop-shuts-the-door lacks knockd_token
    pfctl -q -t knockd_token -T show >"$work/shown" 2>/dev/null
    check foreign-entry-stays grep '192\.0\.2\.99' "$work/shown"
}
