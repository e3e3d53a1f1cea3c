# shellcheck shell=sh
# Sourced by tests/pf/run and tests/pf/boot: checks, and commands that end in
# time. What is said is left in $work.

ok() {
    echo "ok $1"
    passed=$((passed + 1))
}

not_ok() {
    echo "not ok $1: $2"
    failed=$((failed + 1))
}

skip() {
    echo "skip $1: $2"
    skipped=$((skipped + 1))
}

# Runs a command as the check NAME.
check() {
    name=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        ok "$name"
    else
        why=$(tail -n 1 "$work/said")
        not_ok "$name" "$* failed${why:+: $why}"
    fi
}

# Repeats a command until it succeeds, for so many seconds at most.
within() (
    end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.1
    done
)

# Starts a command under a name; what it says goes to $work/NAME.log, and its
# exit status, when it ends, to $work/NAME.status.
launch() {
    running=$1
    shift
    rm -f "$work/$running.pid" "$work/$running.status"
    {
        trap - EXIT
        "$@" &
        echo $! >"$work/$running.pid"
        wait $!
        echo $? >"$work/$running.status"
    } >"$work/$running.log" 2>&1 </dev/null &
    within 5 test -s "$work/$running.pid"
}

ended() {
    within "$2" test -s "$work/$1.status"
}

# Ends what was launched under a name; fails if it does not end.
halt() {
    [ -s "$work/$1.pid" ] || return 0
    [ -s "$work/$1.status" ] || kill "$(cat "$work/$1.pid")"
    ended "$1" 10 || {
        kill -9 "$(cat "$work/$1.pid")"
        ended "$1" 5
        return 1
    }
}

# Runs a command for so many seconds at most; its status.
bounded() {
    limit=$1
    shift
    launch bounded "$@"
    ended bounded "$limit" || halt bounded
    cat "$work/bounded.log"
    return "$(cat "$work/bounded.status")"
}
