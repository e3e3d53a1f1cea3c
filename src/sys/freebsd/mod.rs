//! FreeBSD.

#[cfg(target_os = "freebsd")]
mod capsicum;
#[cfg(target_os = "freebsd")]
pub(super) mod confine;
#[cfg(target_os = "freebsd")]
pub(super) mod native;

use super::system::{LOAD_PF_CONF, System};

/// Its words and paths.
pub static SYSTEM: System = System {
    name: "FreeBSD",
    config: "/usr/local/etc/knockd.ron",
    add_user: "pw useradd -d /nonexistent -s /usr/sbin/nologin -n",
    bpf: Some("/dev/bpf"),
    has_egress_group: false,
    firewall: "",
    anchor: None,
    before_rules: Some(
        // Without a state a connection ends with the first ruleset that blocks.
        "if pfctl -si does not say Enabled: kldload -n pf; echo 'pass flags any keep state \
         (sloppy)' | pfctl -ef - and then type something in every session that must live",
    ),
    load_rules: LOAD_PF_CONF,
};
