# shellcheck shell=sh
# Sourced by tests/pf/run: the files of tests/pf/topics. NAME.sh there defines
# topic_NAME. It finds the rules and hosts of the tests, the keys of furnish, and
# no daemon; what it makes is undone after it, also after a failure.

# Remembers a command that undoes something: later COMMAND ARGUMENT...
later() {
    undone="$*
$undone"
}

# Does what was remembered, the last first.
undo_topic() {
    halt held
    halt daemon
    while [ -n "$undone" ]; do
        last=${undone%%"
"*}
        undone=${undone#*"
"}
        $last
    done
} >/dev/null 2>&1

# Starts the services again: one may wait for the end of a connection whose states
# were killed, and takes no other until then.
refresh() {
    halt web
    halt ssh
    serve web 47080 && serve ssh 47022
}

run_topic() {
    check "services-for-$1" refresh
    # shellcheck disable=SC1090 # tests/run checks each by itself
    . "$here/topics/$1.sh"
    # Leases of before would be restored.
    rm -rf "$work/run" "$work/state"
    "topic_$1"
    undo_topic
}

check_topics() {
    for file in "$here"/topics/*.sh; do
        file=${file##*/}
        run_topic "${file%.sh}"
    done
}

# Only these topics: run_topics NAME...
run_topics() {
    # shellcheck disable=SC2034 # a topic reads it
    alone=yes
    must furnish furnish
    for topic; do
        if [ -r "$here/topics/$topic.sh" ]; then
            run_topic "$topic"
        else
            not_ok "$topic" "there is no topic of that name"
        fi
    done
}

# A configuration with the door "web" by knock and the door "ssh", of which FIELDS
# says more, by token: configure_token FILE FIELDS [MORE]
configure_token() {
    configure "$1" "
        \"web\": (table: \"knockd_knock\", anchor: \"knockd_test\", open_for: \"5s\"),
        \"ssh\": (table: \"knockd_token\", open_for: \"6s\", $2)," "
    spa: (port: 47040, gate_keys: [\"gate.key\"], max_skew: \"1s\"),
    users: { \"alice\": (credential: Ed25519(\"$public\"), doors: [\"ssh\"]) },
    ${3:-}"
}

# Knocks as another host at an address, in the right order: knock_at ADDRESS
# shellcheck disable=SC2086 # away is a command and its arguments
knock_at() {
    bounded 10 $away "$knock" -d 50 "$1" 47001 47030:udp 47010
}

# Asks for the door "ssh" as another host, at an address: ask_at ADDRESS
# shellcheck disable=SC2086 # away is a command and its arguments
ask_at() {
    sed "s/address: \"[^\"]*\"/address: \"$1\"/" "$work/hosts.ron" >"$work/at.ron"
    bounded 10 $away "$knock" -c "$work/at.ron" here ssh &&
        within 1 logged "door ssh opened"
}

# How often the log has a text: logged_times COUNT TEXT
logged_times() {
    test "$(grep -cF -- "$2" "$work/daemon.log")" -eq "$1"
}

# Loads the rules of the tests with more, until the topic ends: more_rules LINES
more_rules() {
    later load "$work/pf.conf"
    {
        cat "$work/pf.conf"
        echo "$1"
    } >"$work/more.conf"
    load "$work/more.conf"
}

# A second way to the other host: a vlan on the link. Sets
#   vlan                        its interface here
#   vlan_server, vlan_client    the addresses on it
start_vlan() {
    vlan_server=198.18.97.5
    vlan_client=198.18.97.6
    case $system in
    FreeBSD)
        vlan=$(ifconfig vlan create vlan 97 vlandev "$interface") || return 1
        later ifconfig "$vlan" destroy
        away_vlan=$($away ifconfig vlan create vlan 97 vlandev "$peer") || return 1
        later "$away" ifconfig "$away_vlan" destroy
        $away ifconfig "$away_vlan" inet "$vlan_client/30" up || return 1
        ;;
    OpenBSD)
        vlan=vlan$number
        away_vlan=vlan$((number + 1))
        ! exists "$vlan" && ! exists "$away_vlan" || return 1
        later ifconfig "$vlan" destroy
        later ifconfig "$away_vlan" destroy
        ifconfig "$vlan" create vnetid 97 parent "$interface" &&
            ifconfig "$away_vlan" create vnetid 97 parent "$peer" &&
            ifconfig "$away_vlan" rdomain "$number" &&
            ifconfig "$away_vlan" inet "$vlan_client/30" up || return 1
        ;;
    esac
    ifconfig "$vlan" inet "$vlan_server/30" up
}
