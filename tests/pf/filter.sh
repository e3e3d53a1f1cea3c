# shellcheck shell=sh
# Sourced by tests/pf/run: pf before, during and after the tests.

# Prints flags, name of each table of the main ruleset that is defined. The
# flags are const, persist, active, inactive, referenced, and others.
list_tables() {
    pfctl -v -s Tables 2>/dev/null | while read -r flags table _; do
        case $flags in
        ??a*) echo "$flags $table" ;;
        esac
    done
}

# Prints a pf.conf that gives the loaded rules again. Options but `set skip`
# stay as they are, as does all that stands in anchors.
print_loaded() {
    pfctl -v -s Interfaces 2>/dev/null | sed -n 's/^\([^ ]*\) (skip).*/set skip on \1/p'
    list_tables | while read -r flags table; do
        line="table <$table>"
        case $flags in c*) line="$line const" ;; esac
        case $flags in
        # Without a list it keeps its contents.
        [-c]p*) line="$line persist" ;;
        *)
            pfctl -t "$table" -T show >"$work/table.$table" 2>/dev/null
            line="$line file \"$work/table.$table\""
            ;;
        esac
        echo "$line"
    done
    case $system in
    OpenBSD)
        pfctl -s queue 2>/dev/null | grep '^queue'
        pfctl -s rules 2>/dev/null
        ;;
    *)
        # In the order that pf.conf(5) demands of them.
        pfctl -s rules 2>/dev/null | grep '^scrub'
        pfctl -s nat 2>/dev/null
        [ "$system" != Darwin ] || pfctl -s dummynet 2>/dev/null
        pfctl -s rules 2>/dev/null | grep -v '^scrub'
        ;;
    esac
}

is_enabled() {
    pfctl -s info 2>/dev/null | grep -q '^Status: Enabled'
}

# -m: options that the file does not name stay as they are.
load() {
    pfctl -q -m -f "$1"
}

# Remembers what is loaded. Fails, before anything has changed, if it could not
# be put back.
save_filter() {
    [ -c /dev/pf ] || {
        [ "$system" = FreeBSD ] && kldload pf && module=loaded
    } || return 1
    if is_enabled; then was_enabled=yes; else was_enabled=no; fi
    print_loaded >"$work/saved.conf"
    pfctl -s rules >"$work/rules.before" 2>/dev/null
    pfctl -n -m -f "$work/saved.conf" || return 1
    filter=saved
}

# Writes the rules of the tests. All that is not theirs passes.
write_rules() {
    cat >"$work/pf.conf" <<RULES
$1
table <knockd_test> persist
table <knockd_idle> persist
table <knockd_const> const { 192.0.2.1 }
table <knockd_token> persist
pass all
block drop in on $interface proto { tcp, udp } from any to $server port 47000:47099
pass in on $interface proto tcp from <knockd_token> to $server port 47022
pass in on $interface proto tcp from <knockd_test> to $server port 47050
pass in on $interface proto tcp from <knockd_const> to $server port 47051
anchor "knockd_test"
RULES
    cat >"$work/anchor.conf" <<RULES
table <knockd_knock> persist
table <knockd_test> persist
pass in on $interface proto tcp from <knockd_knock> to $server port 47080
pass in on $interface proto tcp from <knockd_test> to $server port 47081
RULES
}

# Loads them, and only then has pf filter: nobody is ever shut out.
start_filter() {
    write_rules ""
    filter=changed
    load "$work/pf.conf" && pfctl -q -a knockd_test -f "$work/anchor.conf" || return 1
    case $system in
    Darwin)
        # Others may have enabled it, too.
        reference=$(pfctl -E 2>&1 | sed -n 's/^Token : //p')
        [ -n "$reference" ]
        ;;
    *) is_enabled || pfctl -q -e ;;
    esac
}

# Puts everything back.
restore_filter() {
    [ "$filter" = changed ] || {
        [ -z "$module" ] || kldunload pf
        return 0
    }
    filter=saved
    if [ -n "$reference" ]; then
        pfctl -X "$reference"
    elif [ $was_enabled = no ]; then
        pfctl -q -d
    fi
    for anchor in knockd_test knockd_flush; do
        pfctl -q -a "$anchor" -F rules
        pfctl -q -a "$anchor" -F Tables
    done
    load "$work/saved.conf" || {
        echo "the rules of before do not load again, loading /etc/pf.conf" >&2
        pfctl -f /etc/pf.conf
    }
    for table in knockd_test knockd_idle knockd_token; do
        pfctl -q -t "$table" -T kill
    done
    [ -z "$module" ] || kldunload pf
}

# Whether all is as it was.
is_restored() {
    [ -z "$module" ] || return 0
    pfctl -s rules 2>/dev/null | diff "$work/rules.before" - || return 1
    if list_tables | grep knockd_; then return 1; fi
    if is_enabled; then [ $was_enabled = yes ]; else [ $was_enabled = no ]; fi
}
