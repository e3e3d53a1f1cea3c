# shellcheck shell=sh disable=SC2154,SC2034
# The commands of a door run as the account of `runner`, with the environment that
# knockd.ron(5) names and nothing of ours.

topic_commands() {
    told=$(mktemp -d /tmp/knockd_test.XXXXXXXX) || return 1
    later rm -r "$told"
    cat >"$told/tell" <<'TELL'
#!/bin/sh
{
    echo "$(id -un) $(id -gn) in $(pwd), umask $(umask): $*"
    env | grep -e KNOCKD -e '^HOME=' -e '^PATH=' | sort
} >"$0.$KNOCKD_EVENT"
TELL
    chmod 755 "$told" "$told/tell"
    chown -R daemon "$told"
    configure_token commands.ron "commands: (
            on_open: [\"$told/tell\", \"{door} {user}\", \"{seconds}\"],
            on_close: [\"$told/tell\", \"{address}\"],
        )" 'runner: (user: "daemon"),'
    KNOCKD_TEST=leaked
    export KNOCKD_TEST
    check commands-daemon-starts daemon commands.ron
    unset KNOCKD_TEST
    check commands-runner-is-its-user runs_as daemon runner
    check commands-token-opens within 15 ask_at "$server"
    check commands-on-open-runs within 5 test -s "$told/tell.open"
    check commands-on-close-runs within 15 test -s "$told/tell.close"
    check commands-daemon-stops halt daemon
    check commands-on-open-is-told is_told open "ssh alice 6"
    check commands-on-close-is-told is_told close "$client"
}

# Whether the command of EVENT ran with ARGUMENTS: is_told EVENT ARGUMENTS
is_told() {
    group=$(id -gn daemon)
    sed 's/umask 0*22/umask 22/' "$told/tell.$1" >"$work/told"
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
    diff "$work/expected" "$work/told"
}
