# shellcheck shell=sh
# Sourced by tests/pf/run: the daemon's processes, and knockctl.

# Whether a process of this name runs as this user: runs_as USER NAME
runs_as() {
    ps -ax -o user= -o command= >"$work/processes"
    grep -q "^ *$1 .*knockd: $2" "$work/processes"
}

# Kills a process of the daemon under our feet, and waits for another.
murder() {
    victim=$(ps -ax -o pid= -o ppid= -o command= | awk -v parent="$(cat "$work/daemon.pid")" \
        -v name="$1" '$2 == parent && index($0, "knockd: " name) { print $1 }')
    [ -n "$victim" ] && kill -9 "$victim"
}

ctl() {
    bounded 15 "$knockctl" -s "$work/run/knockd.sock" "$@"
}

shows() {
    ctl show | grep -q "ssh .*$client "
}

shows_none() {
    ctl show >"$work/shown" && ! grep -q "$client" "$work/shown"
}

check_processes() {
    check keeper-is-root runs_as root keeper
    check engine-is-nobody runs_as nobody engine
    check token-opens-for-longer within 15 ask --for 60s
    check knockctl-shows-the-lease shows
    check engine-dies murder engine
    check dead-engine-is-reported within 10 logged "starting another engine"
    check lease-outlives-the-engine holds knockd_token
    check another-engine-accepts-tokens within 15 ask --for 60s
    check keeper-dies murder keeper
    check dead-keeper-is-reported within 10 logged "the keeper died"
    check lease-outlives-the-keeper within 15 holds knockd_token
    check another-keeper-answers within 15 shows
    check another-keeper-accepts-tokens within 15 ask --for 60s
}

check_control() {
    check knockctl-closes ctl close ssh "$client"
    check closed-is-out-of-the-table lacks knockd_token
    check knockctl-shows-none shows_none
    check knockctl-opens ctl open ssh "$client" 60
    check opened-is-in-the-table holds knockd_token
    check knockctl-reloads ctl reload
    check reload-is-reported within 5 logged "configuration reloaded"
    check lease-outlives-the-reload holds knockd_token
    # It may well find something on such a machine.
    ctl doctor -f "$work/both.ron" >"$work/doctor"
    check doctor-reaches-the-daemon grep '^ok  *daemon' "$work/doctor"
    check doctor-follows-the-rules grep '^[a-z]*  *door ssh' "$work/doctor"
    check metrics-are-printed ctl metrics
}
