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

/// Its words and paths.
pub static SYSTEM: System = System {
    name: "macOS",
    config: "/usr/local/etc/knockd.ron",
    // Names of such users begin with `_`.
    add_user: "sysadminctl -roleAccount -UID 470 -addUser",
    bpf: Some("/dev/bpf0"),
    has_egress_group: false,
    firewall: "    // pf is disabled there until someone asks for it.
    enable_pf: true,

",
    anchor: Some("org.knockd"),
    before_rules: None,
    load_rules: [
        "save it as /usr/local/etc/knockd.pf and test it: pfctl -a org.knockd -nf FILE",
        // Jobs of at(1) do not run there unless somebody sees to it.
        "have it taken back by itself: nohup sh -c 'sleep 600; pfctl -a org.knockd -F all' &",
        "load it: pfctl -a org.knockd -f FILE; connections from before pf was enabled end, so \
         have the console at hand",
    ],
};
