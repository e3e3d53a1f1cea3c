# shellcheck shell=sh disable=SC2154,SC2034
# Sourced by tests/pf/run: another host floods, for seconds that are counted.

# The longest flood, and the most memory of one process, in kilobytes.
flood_seconds=40
flood_memory=65536

# Floods until $work/flood.stop is there, or for $flood_seconds: sequences that
# begin and fail, tokens in the name of nobody, and blocks of zeros.
start_flood() {
    "$knock" --keygen "$work/mallory.key" >/dev/null &&
        sed 's/alice/mallory/' "$work/hosts.ron" >"$work/mallory.ron" || return 1
    cat >"$work/flood" <<FLOOD
rest() { [ ! -e "$work/flood.stop" ] && [ "\$(date +%s)" -lt "$(($(date +%s) + flood_seconds))" ]; }
(
    while rest; do
        dd if=/dev/zero bs=1400 count=500 2>/dev/null | nc -u -w 1 $server 47040
    done
) &
while rest; do
    for round in 1 2 3 4 5; do
        "$knock" -u $server 47030 47031 47032 47033 47034 47035 47036 47037 47038 \\
            47030 47041 47042 47043 47044 47045 47046 47047 47048 47049 47050 \\
            47030 47051 47052 47053 47054 47055 47056 47057 47058 47059 47060 47061
    done
    "$knock" -c "$work/mallory.ron" here ssh
done
wait
FLOOD
    rm -f "$work/flood.stop"
    # shellcheck disable=SC2086 # away is a command and its arguments
    launch held $away sh "$work/flood"
}

# Packets that the daemon refused, all together.
count_refused() {
    ctl show stats | awk '/^refused\./ { sum += $2 } END { print sum + 0 }'
}

refused_more_than() {
    [ "$(count_refused)" -gt "$1" ]
}

# Whether no process of the daemon is larger than it may be.
is_small() {
    ps -ax -o pid= -o ppid= -o rss= -o command= | awk -v parent="$(cat "$work/daemon.pid")" \
        -v most="$flood_memory" '
        $1 == parent || ($2 == parent && /knockd: /) { count++; if ($3 > most) large = 1; print }
        END { exit large || count < 3 }'
}

topic_flood() {
    # On a slow machine a token waits in the queue for longer than a second.
    sed 's/max_skew: "1s"/max_skew: "10s"/' "$work/both.ron" >"$work/flood.ron"
    check daemon-to-be-flooded daemon flood.ron
    # At a first start, tokens are refused for that long.
    sleep 10
    check flood-begins start_flood
    check flood-arrives within 20 refused_more_than 100
    check fresh-token-gets-in-under-flood within 15 ask
    check flooded-door-is-open connects 47022
    # Tokens that waited may extend it for as long as they are fresh.
    check flooded-door-closes-on-time within 20 lacks knockd_token
    check flood-went-on test ! -s "$work/held.status"
    touch "$work/flood.stop"
    check flood-ends ended held 30
    check flooded-processes-are-small is_small
    check flood-opened-nothing logged_times 0 "door web opened"
    check token-after-the-flood within 5 ask
    check knockctl-after-the-flood shows
    check flooded-daemon-stops halt daemon
}
