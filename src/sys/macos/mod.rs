//! macOS.

#[cfg(target_os = "macos")]
mod boot;
#[cfg(target_os = "macos")]
pub(super) mod confine;
#[cfg(target_os = "macos")]
pub(super) mod native;
#[cfg(target_os = "macos")]
mod sandbox;

use super::System;

/// The words and paths of the system.
pub static SYSTEM: System = System {
    name: "macOS",
    config: "/usr/local/etc/knockd.ron",
    // Names of such users begin with `_`.
    add_user: "sysadminctl -roleAccount -UID 470 -addUser",
    bpf: Some("/dev/bpf0"),
};
