#!/bin/sh
# Prints the crates of Cargo.lock in the format of a port:
#
#   etc/ports/crates.sh freebsd >etc/ports/freebsd/Makefile.crates
#   etc/ports/crates.sh openbsd >etc/ports/openbsd/crates.inc
set -eu
lock=$(dirname "$0")/../../Cargo.lock

# Name and version of each crate from the registry, in the order of the file.
crates() {
    awk -F '"' '
        $1 == "name = " { name = $2 }
        $1 == "version = " { version = $2 }
        $1 == "source = " && $2 ~ /^registry/ { print name, version }' "$lock"
}

case ${1:-} in
freebsd)
    crates | awk '
        { print (NR == 1 ? "CARGO_CRATES=\t" : " \\\n\t\t") $1 "-" $2 }' ORS=
    echo
    ;;
openbsd) crates | awk '{ print "MODCARGO_CRATES +=\t" $1 "\t" $2 }' ;;
*)
    echo "usage: etc/ports/crates.sh freebsd|openbsd" >&2
    exit 2
    ;;
esac
