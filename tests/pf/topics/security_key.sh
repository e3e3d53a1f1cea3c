# shellcheck shell=sh disable=SC2154,SC2034
# A security key opens by token, and a copy whose counter does not rise opens
# nothing. The key is of software, in an agent that pf_real plays.

topic_security_key() {
    agent=$work/agent
    later halt key
    later rm -f "$agent" "$agent.stuck"
    check security-key-is-plugged-in start_key
    configure key.ron '
        "web": (table: "knockd_knock", anchor: "knockd_test"),
        "ssh": (table: "knockd_token", open_for: "3s"),' "
    spa: (port: 47040, gate_keys: [\"gate.key\"], max_skew: \"1s\"),
    users: { \"alice\": (
        credential: AuthorizedKey(\"$(cat "$agent.pub")\"), doors: [\"ssh\"],
    ) },"
    sed 's/alice\.key/agent.pub/' "$work/hosts.ron" >"$work/key-hosts.ron"
    check security-key-daemon-starts daemon key.ron
    check security-key-opens within 15 ask_by_key
    check security-key-leaves-the-table within 10 lacks knockd_token
    check security-key-opens-again within 15 ask_by_key
    check security-key-leaves-it-again within 10 lacks knockd_token
    touch "$agent.stuck"
    check security-key-stops-counting sleep 1
    check security-key-copy-asks send_by_key
    check security-key-copy-is-refused within 3 logged "counter"
    check security-key-copy-opened-nothing lacks knockd_token
    check security-key-daemon-stops halt daemon
}

start_key() {
    launch key env KNOCKD_PF_AGENT="$agent" "$pf_real" --exact --ignored a_security_key_is_plugged_in
    within 10 test -s "$agent.pub"
}

# shellcheck disable=SC2086 # away is a command and its arguments
send_by_key() {
    bounded 10 $away env SSH_AUTH_SOCK="$agent" "$knock" -c "$work/key-hosts.ron" here ssh
}

ask_by_key() {
    send_by_key && within 1 holds knockd_token
}
