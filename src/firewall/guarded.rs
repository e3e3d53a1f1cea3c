//! What a firewall's rules must guard, and where.

use std::net::IpAddr;

use crate::core::door::Door;

/// What rules are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Guarded<'a> {
    /// Open to the addresses in their tables, shut to all others.
    pub doors: &'a [Door],
    /// UDP ports that tokens are sent to, where nothing may answer.
    pub token_ports: &'a [u16],
    /// Names of the interfaces that are captured on; none if not known.
    pub interfaces: &'a [String],
    /// The machine that has them.
    pub machine: &'a Machine,
}

/// What is known of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Names of all its interfaces.
    pub interfaces: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}
