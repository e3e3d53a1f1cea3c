//! Decides how many of some packets match a line.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use super::groups;
use super::line::Line;
use super::parts::{self, Endpoint, Host};
use crate::core::address::Family;
use crate::core::door::Table;
use crate::core::sighting::{Port, Protocol};
use crate::firewall::Machine;

/// How many packets match. That of a line is the least of its parts'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// None.
    None,
    /// Unknown.
    Unclear,
    /// Some.
    Some,
    /// All.
    All,
}

impl From<bool> for Share {
    fn from(all: bool) -> Self {
        if all { Self::All } else { Self::None }
    }
}

impl Share {
    /// The share of a negated part.
    const fn inverted(self) -> Self {
        match self {
            Self::None => Self::All,
            Self::All => Self::None,
            other => other,
        }
    }
}

/// An interface where packets come in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entrance {
    /// Its name; empty when it is unknown.
    pub name: String,
    /// The interface groups that it is in; none when they are unknown.
    pub groups: Option<Vec<String>>,
}

/// The most entrances that are followed.
const MAX_ENTRANCES: usize = 32;

impl Entrance {
    /// Returns one for each of `names`, with the groups that ifconfig(8) `printed`;
    /// an unknown one when there are none.
    #[must_use]
    pub fn all(names: &[String], printed: &str) -> Vec<Self> {
        if names.is_empty() {
            return vec![Self::default()];
        }
        let names = names.iter().take(MAX_ENTRANCES).cloned();
        names.map(|name| Self { groups: groups::parse(printed, &name), name }).collect()
    }
}

/// The sender of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender<'a> {
    /// Any address and port.
    Stranger,
    /// An address in this table.
    Listed(&'a Table),
}

/// The first packets of connections from one kind of sender to one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packets<'a> {
    /// Where they come in.
    pub entrance: &'a Entrance,
    /// Of addresses.
    pub family: Family,
    /// Where they go.
    pub port: Port,
    /// Their sender.
    pub sender: Sender<'a>,
    /// The machine that receives them.
    pub machine: &'a Machine,
}

impl Packets<'_> {
    /// Returns how many of them match `line`.
    #[must_use]
    pub fn share(&self, line: &Line) -> Share {
        if line.is_outward || line.is_aside {
            return Share::None;
        }
        let mut least = [
            self.protocol(line),
            line.family.as_deref().is_none_or(|word| word == family_word(self.family)).into(),
            self.interface(line),
            self.source(line),
            self.target(&line.target),
            self.flags(line),
        ]
        .into_iter()
        .min()
        .unwrap_or(Share::All);
        if line.is_partial {
            least = least.min(Share::Some);
        }
        if line.unread.is_some() {
            least = least.min(Share::Unclear);
        }
        least
    }

    /// Protocols go by the names of protocols(5) or by their numbers.
    fn protocol(&self, line: &Line) -> Share {
        let known = match self.port.protocol {
            Protocol::Tcp => ["tcp", "6"],
            Protocol::Udp => ["udp", "17"],
        };
        line.protocol.as_deref().is_none_or(|word| known.contains(&word)).into()
    }

    fn interface(&self, line: &Line) -> Share {
        let Some((negated, name)) = &line.interface else { return Share::All };
        let Entrance { name: own, groups } = self.entrance;
        let is_another = self.machine.interfaces.contains(name) || ends_in_digit(name);
        let share = match groups {
            _ if name == own || name == "any" || name == "all" => Share::All,
            Some(groups) => groups.contains(name).into(),
            None if is_another && !own.is_empty() => Share::None,
            None => Share::Unclear,
        };
        if *negated { share.inverted() } else { share }
    }

    fn source(&self, line: &Line) -> Share {
        let Endpoint { negated, host, ports } = &line.source;
        let share = match (host, self.sender) {
            (Host::Any, _) => Share::All,
            (Host::Table(name), Sender::Listed(table)) => listed(line, name, table),
            (Host::Net(address, prefix), _) => self.net(*address, *prefix),
            (Host::Range, _) => Share::Some,
            (Host::Unread, _) => Share::Unclear,
            (Host::Table(_) | Host::Interface | Host::Near | Host::Spoofed, _) => Share::None,
        };
        let share = if *negated { share.inverted() } else { share };
        // The sender chooses the port that it sends from.
        match ports {
            Some(_) => share.min(Share::Some),
            None => share,
        }
    }

    /// A stranger is in no network, unless it is too large to be anybody's.
    fn net(&self, address: IpAddr, prefix: u8) -> Share {
        let (family, least) = match address {
            IpAddr::V4(_) => (Family::V4, 8),
            IpAddr::V6(_) => (Family::V6, 16),
        };
        match self.sender {
            _ if family != self.family => Share::None,
            Sender::Stranger if prefix >= least => Share::None,
            _ => Share::Some,
        }
    }

    fn target(&self, end: &Endpoint) -> Share {
        let share = match &end.host {
            Host::Any | Host::Interface => Share::All,
            Host::Net(address, prefix) => self.destination(*address, *prefix),
            Host::Table(_) | Host::Near | Host::Range | Host::Unread => Share::Unclear,
            Host::Spoofed => Share::None,
        };
        let share = if end.negated { share.inverted() } else { share };
        let port = match &end.ports {
            None => Share::All,
            Some(ports) => ports.contain(self.port.number).map_or(Share::Unclear, Share::from),
        };
        share.min(port)
    }

    /// Whether it is one of our addresses. If not, it may belong to a machine that
    /// we route to and the door protects.
    fn destination(&self, address: IpAddr, prefix: u8) -> Share {
        if Family::of(address) != self.family {
            return Share::None;
        }
        let mut own = self.machine.addresses.iter();
        if own.any(|own| parts::contains(address, prefix, *own)) {
            Share::Some
        } else {
            Share::Unclear
        }
    }

    /// The first packet of a TCP connection has SYN alone, and perhaps the bits of
    /// ECN.
    fn flags(&self, line: &Line) -> Share {
        match &line.flags {
            Some((set, looked_at)) if self.port.protocol == Protocol::Tcp => {
                let wants_syn = looked_at.contains('S');
                let is_syn = if wants_syn { set == "S" } else { set.is_empty() };
                is_syn.into()
            }
            _ => Share::All,
        }
    }
}

/// Whether a line that names a table means this one: a table of the line's
/// own anchor, or else one of the main ruleset.
fn listed(line: &Line, name: &str, table: &Table) -> Share {
    let is_meant =
        name == table.name && (table.anchor == line.anchor || table.anchor.is_none());
    is_meant.into()
}

/// Names of groups never do (ifconfig(8)).
fn ends_in_digit(name: &str) -> bool {
    name.ends_with(|last: char| last.is_ascii_digit())
}

const fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}
