//! What opens.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::address::Entry;
use super::command::Commands;
use super::hash;
use super::sighting::Port;

/// A door by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoorIndex(pub u16);

/// A table as pf means it: a name, in an anchor or in the main ruleset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Path of the anchor, without a leading slash; `None` is the main
    /// ruleset. At most 1023 bytes.
    pub anchor: Option<String>,
    /// 1 to 31 bytes (`PF_TABLE_NAME_SIZE` less the terminator).
    pub name: String,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.anchor {
            None => write!(f, "<{}>", self.name),
            Some(anchor) => write!(f, "<{}> in anchor {anchor}", self.name),
        }
    }
}

/// The configuration stanza that names the table, ports, lifetime and policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// As users and logs call it.
    pub name: String,
    /// Where the kernel looks for the address.
    pub table: Table,
    /// What the pf rule lets through; empty when the door protects more than
    /// ports.
    pub ports: Vec<Port>,
    /// Lifetime of a lease that asks for none.
    pub open_for: Duration,
    /// The longest lifetime that a token may ask for; longer is cut to it.
    pub max_open_for: Duration,
    /// How many addresses it may be open for at once.
    pub max_leases: u32,
    /// What becomes of connections when it closes.
    pub on_close: OnClose,
    /// How many leading bits of an IPv4 address the entry has: 32 is the host
    /// alone.
    pub v4_prefix: u8,
    /// The same of an IPv6 address: 128 is the host alone.
    pub v6_prefix: u8,
    /// The routing domain of those connections, on OpenBSD: 0 to 255.
    pub rdomain: u16,
    /// To which of our addresses packets for it must go; empty is any.
    pub targets: Vec<IpAddr>,
    /// What is run when it opens and closes.
    pub commands: Commands,
}

/// What becomes of the connections of an address when its entry goes: a
/// packet filter that keeps states would let them go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnClose {
    /// They go on.
    #[default]
    KeepStates,
    /// Those to the door's ports are ended, or all if it names none.
    KillStates,
}

/// A door's name on the wire.
pub type DoorId = [u8; 8];

/// Whether `destination` is one of `targets`, of which none is any address.
#[must_use]
pub fn is_target(targets: &[IpAddr], destination: IpAddr) -> bool {
    targets.is_empty() || targets.contains(&destination.to_canonical())
}

/// The first 8 bytes of SHA3-256("door" | name).
#[must_use]
pub fn wire_id(name: &str) -> DoorId {
    hash::id("door", &[name.as_bytes()])
}

impl Door {
    /// What stands in the table for `address`.
    #[must_use]
    pub fn entry(&self, address: IpAddr) -> Entry {
        Entry::around(address, self.v4_prefix, self.v6_prefix)
    }

    /// Whether a packet to `destination` may be for it.
    #[must_use]
    pub fn is_target(&self, destination: IpAddr) -> bool {
        is_target(&self.targets, destination)
    }

    /// The lifetime of a lease that asks for `wanted`: the door's own when it
    /// asks for none, never above the maximum.
    #[must_use]
    pub fn lifetime(&self, wanted: Option<Duration>) -> Duration {
        wanted.unwrap_or(self.open_for).min(self.max_open_for)
    }
}
