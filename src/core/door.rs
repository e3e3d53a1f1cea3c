//! Doors and the tables that they open.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use super::address::{Entry, Family};
use super::command::Commands;
use super::hash;
use super::sighting::Port;

/// The place of a door in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoorIndex(pub u16);

/// A table of pf: a name, in an anchor or in the main ruleset.
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
    /// Its name in the configuration, in tokens and in the log.
    pub name: String,
    /// The table that its entries are added to.
    pub table: Table,
    /// The ports that the rule of pf passes; empty if it passes all.
    pub ports: Vec<Port>,
    /// The lifetime of a lease that asks for none.
    pub open_for: Duration,
    /// The longest lifetime that a token gets.
    pub max_open_for: Duration,
    /// The most addresses that it is open for at once.
    pub max_leases: u32,
    /// Whether connections end when it closes.
    pub on_close: OnClose,
    /// Prefix length of an entry for an IPv4 address; 32 is the host alone.
    pub v4_prefix: u8,
    /// Prefix length of an entry for an IPv6 address; 128 is the host alone.
    pub v6_prefix: u8,
    /// The routing domain of its connections, on OpenBSD: 0 to 255.
    pub rdomain: u16,
    /// Our addresses that packets for it must go to; empty is any.
    pub targets: Vec<IpAddr>,
    /// The commands that it runs.
    pub commands: Commands,
}

/// Whether the connections of an address end when its entry is deleted. pf would
/// let them go on, because it keeps their states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OnClose {
    /// They go on.
    #[default]
    KeepStates,
    /// Connections to the door's ports end; all, if it has no ports.
    KillStates,
}

/// The id of a door in a token.
pub type DoorId = [u8; 8];

/// Whether `destination` is one of `targets`; no targets mean any address.
#[must_use]
pub fn is_target(targets: &[IpAddr], destination: IpAddr) -> bool {
    targets.is_empty() || targets.contains(&destination.to_canonical())
}

/// The first 8 bytes of SHA3-256("door" | name).
#[must_use]
pub fn wire_id(name: &str) -> DoorId {
    hash::id("door", &[name.as_bytes()])
}

/// The families of which `table` holds networks for `doors`, not only hosts.
#[must_use]
pub fn networks(doors: &[Door], table: &Table) -> Vec<Family> {
    let holds = |family: &Family| {
        let of = |door: &Door| match family {
            Family::V4 => door.v4_prefix < 32,
            Family::V6 => door.v6_prefix < 128,
        };
        doors.iter().any(|door| door.table == *table && of(door))
    };
    Family::BOTH.into_iter().filter(holds).collect()
}

impl Door {
    /// The entry in the table for `address`.
    #[must_use]
    pub fn entry(&self, address: IpAddr) -> Entry {
        Entry::around(address, self.v4_prefix, self.v6_prefix)
    }

    /// Whether a packet to `destination` may be for it.
    #[must_use]
    pub fn is_target(&self, destination: IpAddr) -> bool {
        is_target(&self.targets, destination)
    }

    /// The lifetime of a lease that asks for `wanted`: [`Self::open_for`] without
    /// one, at most [`Self::max_open_for`].
    #[must_use]
    pub fn lifetime(&self, wanted: Option<Duration>) -> Duration {
        wanted.unwrap_or(self.open_for).min(self.max_open_for)
    }
}
