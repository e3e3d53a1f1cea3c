//! OpenBSD.

#[cfg(target_os = "openbsd")]
pub(super) mod confine;
#[cfg(target_os = "openbsd")]
pub(super) mod native;
#[cfg(target_os = "openbsd")]
mod pledge;

use super::System;

/// The words and paths of the system.
pub static SYSTEM: System = System {
    name: "OpenBSD",
    config: "/etc/knockd.ron",
    add_user: "useradd -L daemon -d /var/empty -s /sbin/nologin",
    bpf: Some("/dev/bpf"),
};
