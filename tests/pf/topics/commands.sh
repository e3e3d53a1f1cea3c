# shellcheck shell=sh disable=SC2154,SC2034
# The commands of a door run as the account of `runner`, with the environment that
# knockd.ron(5) names and nothing of ours.

topic_commands() {
    records=$(mktemp -d /tmp/knockd_test.XXXXXXXX) || return 1
    later rm -r "$records"
    cat >"$records/record" <<'RECORD'
#!/bin/sh
{
    echo "$(id -un) $(id -gn) in $(pwd), umask $(umask): $*"
    env | grep -e KNOCKD -e '^HOME=' -e '^PATH=' | sort
} >"$0.$KNOCKD_EVENT"
RECORD
    chmod 755 "$records" "$records/record"
    chown -R daemon "$records"
    configure_token commands.ron "commands: (
            on_open: [\"$records/record\", \"{door} {user}\", \"{seconds}\"],
            on_close: [\"$records/record\", \"{address}\"],
        )" 'runner: (user: "daemon"),'
    KNOCKD_TEST=leaked
    export KNOCKD_TEST
    check commands-daemon-starts daemon commands.ron
    unset KNOCKD_TEST
    check commands-runner-is-its-user runs_as daemon runner
    check commands-token-opens within 15 ask_at "$server"
    check commands-on-open-runs within 5 test -s "$records/record.open"
    check commands-on-close-runs within 15 test -s "$records/record.close"
    check commands-daemon-stops halt daemon
    check commands-on-open-is-reported is_recorded open "ssh alice 6"
    check commands-on-close-is-reported is_recorded close "$client"
}

# Whether the command of EVENT ran with ARGUMENTS: is_recorded EVENT ARGUMENTS
is_recorded() {
    group=$(id -gn daemon)
    sed 's/umask 0*22/umask 22/' "$records/record.$1" >"$work/records"
    cat >"$work/expected" <<EXPECTED
daemon $group in /, umask 22: $2
HOME=/
KNOCKD_ADDRESS=$client
KNOCKD_DOOR=ssh
KNOCKD_EVENT=$1
KNOCKD_SECONDS=6
KNOCKD_USER=alice
PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin
EXPECTED
    diff "$work/expected" "$work/records"
}
