//! Linux, for development and tests.

#[cfg(target_os = "linux")]
pub(super) mod confine;
#[cfg(target_os = "linux")]
pub(super) mod native;
#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod no_seccomp;
#[cfg(target_os = "linux")]
pub mod packet_ring;
#[cfg(target_os = "linux")]
pub mod packet_socket;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod poll;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod seccomp;

#[cfg(all(
    target_os = "linux",
    not(any(target_arch = "x86_64", target_arch = "aarch64"))
))]
use no_seccomp as seccomp;

use super::System;

/// The words and paths of the system.
pub static SYSTEM: System = System {
    name: "Linux",
    config: "/etc/knockd.ron",
    add_user: "useradd -r -M -U -d /nonexistent -s /usr/sbin/nologin",
    bpf: None,
};
