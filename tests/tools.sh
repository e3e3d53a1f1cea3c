# shellcheck shell=sh
# Sourced by tests/run and tests/cross: where tools come from, and what becomes
# of a stage without them.

# Downloads and private builds; may be removed at any time.
# shellcheck disable=SC2034 # used where this is sourced
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/knockd-tests
# The compiler with the headers of FreeBSD, OpenBSD and macOS.
zig_version=0.17.1
# The last one there is.
pyknock_version=0.4.3
# How long apt waits for another apt to end, in seconds.
apt_patience=600

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# Where packages can be installed: their names are those of Debian 12.
is_debian() {
    # shellcheck disable=SC1091 # the system's own
    (. /etc/os-release && [ "$ID $VERSION_ID" = "debian 12" ]) 2>/dev/null
}

# Prints those of these Debian packages that are not installed.
absent() {
    for package; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || echo "$package"
    done
}

# Installs these Debian packages. Asks the network only if one is absent.
# Fails if that takes another system or user.
provide() {
    is_debian || return 1
    # shellcheck disable=SC2046 # one word a package
    set -- $(absent "$@")
    [ $# -gt 0 ] || return 0
    is_root || return 1
    echo "installing $*"
    update_lists
    DEBIAN_FRONTEND=noninteractive apt-get -qqy -o "DPkg::Lock::Timeout=$apt_patience" \
        install --no-install-recommends "$@" </dev/null
}

# Fetches the lists of packages. Waits while another apt has them locked, which
# apt-get itself does only for the lock of dpkg.
update_lists() {
    left=$apt_patience
    until said=$(LC_ALL=C apt-get -qq update 2>&1); do
        case $said in *"Could not get lock"*) ;; *) left=0 ;; esac
        [ "$left" -gt 0 ] || {
            echo "$said" >&2
            return 1
        }
        left=$((left - 1))
        sleep 1
    done
}

# Whether whatever is missing is a failure, rather than skipped.
is_strict() {
    [ "${CI:-}" = true ] || [ -n "${KNOCKD_TESTS_STRICT:-}" ]
}

# Ends a stage as skipped: status 77, as for automake.
skip() {
    echo "skipped: $*"
    exit 77
}

# Ends a stage that cannot run here.
lack() {
    is_strict || skip "$*"
    echo "missing: $*" >&2
    exit 1
}

# Installs zig into the cache, and sets zig to where it is.
fetch_zig() {
    zig=$cache/zig-$zig_version
    fetch_python "$zig" "ziglang==$zig_version"
}

# Installs pyknock into the cache, where tests look for its client.
fetch_pyknock() {
    fetch_python "$cache/pyknock-$pyknock_version" "pyknock==$pyknock_version"
}

# fetch_python DIRECTORY PACKAGE: installs a Python package there. Asks the
# network only if it is absent. One at a time in the cache.
fetch_python() {
    mkdir -p "$cache"
    (
        flock 9
        [ ! -d "$1" ] || exit 0
        python3 -m pip --version >/dev/null 2>&1 || provide python3 python3-pip ||
            lack "pip for Python 3, which brings $2"
        rm -rf "$1.part"
        python3 -m pip install -q --no-deps --only-binary :all: --root-user-action ignore \
            --target "$1.part" "$2"
        mv "$1.part" "$1"
    ) 9>"$cache/lock"
}
