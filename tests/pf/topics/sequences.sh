# shellcheck shell=sh disable=SC2154,SC2034
# Sourced by tests/pf/run: sequences that change.

# Sequences of a secret and the time, and of a list.
furnish_sequences() {
    "$knock" --keygen --secret "$work/rolling.key" >/dev/null &&
        "$knock" --keygen --secret "$work/other.key" >/dev/null || return 1
    echo "# the list" >"$work/list"
    echo " 47021,47032:udp,47012" >>"$work/list"
    echo " 47023,47034:udp,47014" >>"$work/list"
    configure changing.ron '
        "web": (table: "knockd_knock", anchor: "knockd_test", ports: [Tcp(47080)], open_for: "60s"),
        "ssh": (table: "knockd_token", ports: [Tcp(47022)], open_for: "60s"),' '' '
        "turning": (changing: Rolling(secret: "rolling.key", period: "20s"), opens: ["web"]),
        "listed": (changing: OneTime("list"), opens: ["ssh"]),'
}

# Knocks by a secret: rolls FILE
# shellcheck disable=SC2086 # away is a command and its arguments
rolls() {
    bounded 10 $away "$knock" --rolling "$work/$1" --period 20s -d 50 "$server"
}

# Knocks a line of the list: knocks PORT...
# shellcheck disable=SC2086
knocks() {
    bounded 10 $away "$knock" -d 50 "$server" "$@"
}

# Whether a period has just begun, so that two knocks fall into it.
period_begins() {
    [ "$(($(date +%s) % 20))" -le 5 ]
}

# Whether packets were refused for a reason: refused_as REASON
refused_as() {
    ctl show stats | grep "^refused\.$1  *[1-9]"
}

topic_sequences() {
    check furnish-sequences furnish_sequences
    check daemon-with-changing-sequences daemon changing.ron
    # At its first start, it cannot tell which sequences of that period were used.
    sleep 20
    check period-begins within 25 period_begins
    check wrong-secret-is-knocked rolls other.key
    check rolling-sequence-is-knocked rolls rolling.key
    check rolling-sequence-opens within 2 holds knockd_knock knockd_test
    check wrong-secret-opened-nothing logged_times 1 "door web opened"
    check rolling-sequence-is-closed ctl close web "$client"
    check rolling-sequence-is-knocked-again rolls rolling.key
    check rolling-sequence-is-refused-again within 2 refused_as replayed
    check rolling-sequence-opens-once lacks knockd_knock knockd_test

    check second-line-is-knocked-first knocks 47023 47034:udp 47014
    check first-line-is-knocked knocks 47021 47032:udp 47012
    check first-line-opens within 3 holds knockd_token
    check second-line-opened-nothing logged_times 1 "door ssh opened"
    check first-line-is-struck grep -qx '#47021,47032:udp,47012' "$work/list"
    check list-is-closed ctl close ssh "$client"
    check first-line-is-knocked-again knocks 47021 47032:udp 47012
    check second-line-is-knocked knocks 47023 47034:udp 47014
    check second-line-opens within 3 holds knockd_token
    check lines-open-once logged_times 2 "door ssh opened"
    check end-of-the-list-is-reported within 3 logged "sequence listed is used up"
    check daemon-stops-after-sequences halt daemon
}
