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

list_skipped() {
    pfctl -v -s Interfaces 2>/dev/null | sed -n 's/^\([^ ]*\) (skip).*/set skip on \1/p'
}

# Loading rules resets timeouts that they do not set: on OpenBSD, where pfctl has
# no way to leave them alone, prints those that hold.
list_options() {
    [ "$system" = OpenBSD ] || return 0
    pfctl -s timeouts 2>/dev/null | sed -n \
        's/^\([a-z.]*\)  *\([0-9][0-9]*\).*/set timeout \1 \2/p'
}

# Prints a pf.conf that gives the loaded rules again. What stands in anchors
# stays as it is.
print_loaded() {
    list_skipped
    list_options
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

# What must be the same afterwards.
print_state() {
    pfctl -s info 2>/dev/null | sed -n 's/^\(Status: [A-Z][a-z]*\).*/\1/p'
    list_skipped
    list_options
    list_tables
    pfctl -s rules 2>/dev/null
    [ "$system" = OpenBSD ] || pfctl -s nat 2>/dev/null
}

is_enabled() {
    pfctl -s info 2>/dev/null | grep -q '^Status: Enabled'
}

# pfctl with -m leaves options alone that the file does not set, where it can;
# -o none makes no rules out of those of the file.
load() {
    case $system in
    OpenBSD) pfctl -q -o none -f "$1" ;;
    *) pfctl -q -o none -m -f "$1" ;;
    esac
}

# Remembers what is loaded. Fails, before anything has changed, if it could not
# be put back.
save_filter() {
    if [ ! -c /dev/pf ]; then
        [ "$system" = FreeBSD ] || {
            echo "there is no /dev/pf"
            return 1
        }
        kldload pf || return 1
        module=loaded
    fi
    if is_enabled; then was_enabled=yes; else was_enabled=no; fi
    print_loaded >"$work/saved.conf"
    print_state >"$work/before"
    pfctl -n -f "$work/saved.conf" || return 1
    filter=saved
}

# Writes the rules of the tests. All that is not theirs passes.
write_rules() {
    {
        list_options
        cat <<RULES
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
    } >"$work/pf.conf"
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
    load "$work/pf.conf" || return 1
    pfctl -q -a knockd_test -f "$work/anchor.conf" || return 1
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
    elif [ "$was_enabled" = no ]; then
        pfctl -q -d
    fi
    load "$work/saved.conf" || {
        echo "the rules of before do not load again, loading /etc/pf.conf" >&2
        pfctl -f /etc/pf.conf
    }
    for anchor in knockd_test knockd_flush; do
        pfctl -q -a "$anchor" -F rules
        pfctl -q -a "$anchor" -F Tables
    done
    for table in knockd_test knockd_idle knockd_const knockd_token; do
        pfctl -q -t "$table" -T kill
    done
    [ -z "$module" ] || kldunload pf
}

# Whether all is as it was.
is_restored() {
    [ -z "$module" ] || return 0
    print_state | diff "$work/before" - || return 1
}
