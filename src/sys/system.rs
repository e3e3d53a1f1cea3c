//! What differs between systems in words and paths.

/// A system's words and paths.
#[derive(Debug)]
pub struct System {
    /// Its name.
    pub name: &'static str,
    /// The configuration, unless `-f` names another file.
    pub config: &'static str,
    /// The command that creates a user without rights, up to the user's name.
    pub add_user: &'static str,
    /// The device that gives packets, the first one where there are many; none
    /// where a capability does.
    pub bpf: Option<&'static str>,
    /// Whether the kernel keeps a group `egress` of the interfaces with a
    /// default route.
    pub has_egress_group: bool,
    /// What a first configuration says of the packet filter, in whole lines.
    pub firewall: &'static str,
    /// The anchor that a first door's table lies in, other than the main
    /// ruleset.
    pub anchor: Option<&'static str>,
    /// What an administrator does before the first rules are loaded.
    pub before_rules: Option<&'static str>,
    /// How to test the first rules, to have them taken back, and to load them.
    pub load_rules: [&'static str; 3],
}

/// How rules are loaded that are part of pf.conf.
pub const LOAD_PF_CONF: [&str; 3] = [
    "add it to a copy of pf.conf, behind other block rules, and test it: pfctl -nf COPY",
    "have it taken back by itself: echo 'pfctl -f /etc/pf.conf || pfctl -d' | at \
     now + 10 minutes",
    "load it: pfctl -f COPY; connections with a state go on",
];
