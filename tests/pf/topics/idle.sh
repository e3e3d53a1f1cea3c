# shellcheck shell=sh disable=SC2154,SC2034
# Sourced by tests/pf/run: while nothing happens, no process wakes.

# Prints process ids and context switches of the parent and its children.
list_switches() {
    ps -ax -o pid= -o ppid= -o nvcsw= -o command= | awk -v parent="$(cat "$work/daemon.pid")" \
        '$1 == parent || ($2 == parent && /knockd: /) { print $1, $3 }'
}

# Whether no process gave up the processor for so many seconds: sleeps_for SECONDS
sleeps_for() {
    list_switches >"$work/switches.before"
    sleep "$1"
    list_switches >"$work/switches.after"
    [ "$(wc -l <"$work/switches.before")" -ge 3 ] || {
        cat "$work/switches.before"
        return 1
    }
    diff "$work/switches.before" "$work/switches.after"
}

topic_idle() {
    [ "$system" != Darwin ] || {
        skip idle "ps does not count switches"
        return
    }
    check daemon-that-idles daemon both.ron
    # What came with the start is over.
    sleep 3
    check nobody-wakes-while-nothing-happens sleeps_for 10
    check idle-daemon-accepts-tokens within 15 ask
    check idle-daemon-closes within 10 lacks knockd_token
    sleep 3
    check nobody-wakes-after-a-lease sleeps_for 10
    check daemon-that-idled-stops halt daemon
}
