//! FreeBSD.

#[cfg(target_os = "freebsd")]
mod capsicum;
#[cfg(target_os = "freebsd")]
pub(super) mod confine;
#[cfg(target_os = "freebsd")]
pub(super) mod native;

use super::System;

/// The words and paths of the system.
pub static SYSTEM: System = System {
    name: "FreeBSD",
    config: "/usr/local/etc/knockd.ron",
    add_user: "pw useradd -d /nonexistent -s /usr/sbin/nologin -n",
    bpf: Some("/dev/bpf"),
};
