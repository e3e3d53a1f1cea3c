#!/bin/sh
# Installs knockd, or removes what it installed:
#
#   ./install.sh [--system freebsd|openbsd|macos|linux] [install|uninstall]
#
# Environment: PREFIX, /usr/local by default; BINDIR, the directory of the programs,
# target/release by default; DESTDIR, a directory to use as the root, for packages.
#
# It starts nothing and writes no configuration: knockctl setup does. uninstall
# leaves configuration, keys and state, and prints where they are.
set -eu
umask 022
called_from=$PWD
cd "$(dirname "$0")"

PREFIX=${PREFIX:-/usr/local}
PREFIX=${PREFIX%/}
BINDIR=${BINDIR:-$PWD/target/release}
DESTDIR=${DESTDIR:-}
DESTDIR=${DESTDIR%/}

die() {
    echo "install.sh: $*" >&2
    exit 1
}

usage() {
    echo "usage: ./install.sh [--system freebsd|openbsd|macos|linux] [install|uninstall]" >&2
    exit 2
}

# Prints the name of this system for --system.
this_system() {
    case $(uname -s) in
    FreeBSD) echo freebsd ;;
    OpenBSD) echo openbsd ;;
    Darwin) echo macos ;;
    Linux) echo linux ;;
    *) die "$(uname -s) is not supported, choose a similar system with --system" ;;
    esac
}

# Sets the directories by hier(7) of the system.
choose_places() {
    etc=/etc man=$PREFIX/share/man examples=$PREFIX/share/examples/knockd
    case $system in
    freebsd)
        etc=$PREFIX/etc
        sample=$etc/knockd.ron.sample
        shown="pf.conf.host pf.conf.gateway.freebsd pf.conf.vnet"
        ;;
    openbsd)
        man=$PREFIX/man
        sample=$examples/knockd.ron
        shown="pf.conf.host pf.conf.gateway pf.conf.carp pf.conf.rdomain"
        ;;
    macos)
        etc=$PREFIX/etc
        sample=$etc/knockd.ron.sample
        shown=pf.conf.macos
        ;;
    linux)
        examples=$PREFIX/share/doc/knockd/examples
        sample=$examples/knockd.ron
        shown=
        ;;
    *) usage ;;
    esac
}

# Prints a line for each file to install: mode, target, source.
list() {
    echo "755 $PREFIX/bin/knock $BINDIR/knock"
    for program in knockctl knockd; do
        echo "755 $PREFIX/sbin/$program $BINDIR/$program"
    done
    for program in knock knockctl knockd; do
        echo "644 $PREFIX/share/bash-completion/completions/$program etc/completion/knockd.bash"
        echo "644 $PREFIX/share/fish/vendor_completions.d/$program.fish etc/completion/knockd.fish"
    done
    echo "644 $PREFIX/share/zsh/site-functions/_knockd etc/completion/_knockd"
    for page in knock.1 knockd.ron.5 knockd-messages.7 knockd-migrate.7 \
        knockd-pf.7 spa.7 knockctl.8 knockd.8; do
        echo "644 $man/man${page##*.}/$page man/$page"
    done
    echo "644 $sample etc/knockd.ron.sample"
    for example in $shown; do
        echo "644 $examples/$example etc/examples/$example"
    done
    case $system in
    freebsd)
        echo "644 $examples/pfsense.md etc/pfsense.md"
        echo "755 $PREFIX/etc/rc.d/knockd rc.d/freebsd/knockd"
        ;;
    openbsd) echo "755 /etc/rc.d/knockd rc.d/openbsd/knockd" ;;
    macos)
        for job in org.knockd.knockd org.knockd.pf; do
            echo "644 /Library/LaunchDaemons/$job.plist rc.d/macos/$job.plist"
        done
        ;;
    linux) echo "644 $examples/nftables.conf etc/nftables.conf.sample" ;;
    esac
}

# Prints a file, changed for this system and PREFIX.
render() {
    case $1 in
    rc.d/* | etc/examples/*) sed "s|/usr/local|$PREFIX|g" "$1" ;;
    etc/knockd.ron.sample)
        case $system in
        linux) cat "$1" ;;
        *) sed -e 's|^    // firewall: Pf,$|    firewall: Pf,|' \
            -e 's|^    firewall: Nft|    // firewall: Nft|' \
            -e "s| /etc/knockd/| $etc/knockd/|" "$1" ;;
        esac
        ;;
    *) cat "$1" ;;
    esac
}

# put MODE TARGET SOURCE: replaces a file by rename, because the program may run.
put() {
    mkdir -p "$(dirname "$2")"
    render "$3" >"$2.new"
    chmod "$1" "$2.new"
    mv -f "$2.new" "$2"
}

install_all() {
    list | while read -r _ _ source; do
        [ -r "$source" ] ||
            die "cannot read $source, build it first: cargo build --release --locked"
    done
    list | while read -r mode target source; do
        put "$mode" "$DESTDIR$target" "$source"
    done
    [ -n "$DESTDIR" ] || say_what_is_next
}

say_what_is_next() {
    case $system in
    freebsd)
        add="pw useradd -d /nonexistent -s /usr/sbin/nologin -n _knockd"
        start="service knockd enable && service knockd start"
        ;;
    openbsd)
        add="useradd -L daemon -d /var/empty -s /sbin/nologin _knockd"
        start="rcctl enable knockd && rcctl start knockd"
        ;;
    macos)
        add="sysadminctl -roleAccount -UID 470 -addUser _knockd"
        start="launchctl bootstrap system /Library/LaunchDaemons/org.knockd.*.plist"
        ;;
    linux)
        add="useradd -r -M -U -d /nonexistent -s /usr/sbin/nologin _knockd"
        start="knockd"
        ;;
    esac
    echo "installed; restart knockd if it runs, else run as root:"
    id _knockd >/dev/null 2>&1 || echo "    $add"
    [ -e "$etc/knockd.ron" ] || echo "    knockctl setup"
    echo "    $start"
}

uninstall_all() {
    if [ -z "$DESTDIR" ] && "$PREFIX/sbin/knockctl" show >/dev/null 2>&1; then
        die "knockd is running, stop it first"
    fi
    list | while read -r _ target _; do
        rm -f "$DESTDIR$target"
    done
    # Only our own directories; others are shared by all packages.
    for directory in "$examples" "$(dirname "$examples")"; do
        case $directory in
        */knockd | */knockd/*) rmdir "$DESTDIR$directory" 2>/dev/null || : ;;
        esac
    done
    say_what_is_left
}

say_what_is_left() {
    for path in "$etc/knockd.ron" "$etc/knockd" "$etc/knockd.pf" /var/db/knockd \
        /var/run/knockd /var/log/knockd.log; do
        [ ! -e "$DESTDIR$path" ] || echo "left: $DESTDIR$path"
    done
    [ -n "$DESTDIR" ] || ! id _knockd >/dev/null 2>&1 || echo "left: the account _knockd"
}

verb=install system=
while [ $# -gt 0 ]; do
    case $1 in
    --system)
        [ $# -gt 1 ] || usage
        system=$2
        shift
        ;;
    install | uninstall) verb=$1 ;;
    *) usage ;;
    esac
    shift
done
case $PREFIX in
/*[!A-Za-z0-9/._-]* | [!/]*) die "PREFIX must be an absolute path of A-Z a-z 0-9 / . _ -" ;;
esac
case $DESTDIR in
'' | /*) ;;
*) DESTDIR=$called_from/$DESTDIR ;;
esac
case $BINDIR in
/*) ;;
*) BINDIR=$called_from/$BINDIR ;;
esac
[ -n "$system" ] || system=$(this_system)
choose_places
"${verb}_all"
