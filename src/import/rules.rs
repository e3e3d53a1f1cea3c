//! Rules for the packet filter that a door needs, as a proposal.

use super::change::{self, Change, Who};
use crate::core::address::Family;
use crate::core::sighting::{Port, Protocol};
use crate::firewall::{Backend, Dialect, Pass};

/// What the packet filter lets in for a door.
#[derive(Debug)]
pub struct Access {
    /// The table of the addresses that are let in.
    pub table: String,
    /// The anchor of the table, unless it is in the main ruleset.
    pub anchor: Option<String>,
    /// Whether the old daemon filled the table too.
    pub is_own: bool,
    /// The family; `None` for both.
    pub family: Option<Family>,
    /// Whether protocol and ports are known; else the reader adds them.
    pub is_known: bool,
    /// Whom the old rules let in at most.
    pub who: Who,
    /// Whether the old rules may let in to less than this.
    pub is_doubtful: bool,
    /// The protocol; `None` for any, or for TCP if there are ports.
    pub protocol: Option<Protocol>,
    /// Like [`Change::ports`]; empty for all.
    pub ports: Vec<String>,
    /// Whether an old rule sent packets elsewhere.
    pub translates: bool,
    /// Whether the old rules let in to more than this.
    pub is_partial: bool,
}

/// Returns the table that a command fills, if its name and anchor are valid in
/// our configuration.
fn own_table<'c>(backend: &Backend, change: &'c Change) -> Option<&'c str> {
    let name = change.table.as_deref()?;
    let is_anchor = |anchor| backend.anchor_fault.is_some_and(|fault| fault(anchor).is_none());
    let is_fit = change.anchor.as_deref().is_none_or(is_anchor);
    (is_fit && (backend.table_fault)(name).is_none()).then_some(name)
}

impl Access {
    /// Joins `changes`, each of which lets in, for the door `name`. Those unlike
    /// the first are left out.
    #[must_use]
    pub fn of(
        changes: &[&Change],
        name: &str,
        family: Option<Family>,
        dialect: &Dialect,
    ) -> Self {
        let first = changes.first().copied();
        let own = first.and_then(|change| own_table(dialect.backend, change));
        let mut access = Self {
            table: own.map_or_else(|| format!("knock_{name}"), Into::into),
            anchor: match own {
                Some(_) => first.and_then(|change| change.anchor.clone()),
                None => dialect.anchor.map(Into::into),
            },
            is_own: own.is_some(),
            family,
            // A table does not name ports, and a rule that is not understood does
            // not let in to all of them.
            is_known: first.is_some_and(|change| {
                change.table.is_none() && (change.is_whole || !change.ports.is_empty())
            }),
            who: changes.iter().map(|change| change.who).max().unwrap_or_default(),
            is_doubtful: changes
                .iter()
                .any(|change| change.table.is_none() && !change.is_whole),
            protocol: first.and_then(|change| change.protocol),
            ports: Vec::new(),
            translates: changes.iter().any(|change| change.translates),
            is_partial: false,
        };
        let is_every = first.is_some_and(|change| change.ports.is_empty());
        for change in changes {
            let is_like_it = change.protocol == access.protocol
                && Some(&change.table) == first.map(|first| &first.table)
                && change.ports.is_empty() == is_every;
            access.is_partial |= !is_like_it;
            for port in change.ports.iter().filter(|_| is_like_it) {
                if access.ports.len() < change::MAX_PORTS && !access.ports.contains(port) {
                    access.ports.push(port.clone());
                }
            }
        }
        access
    }

    /// Returns the ports that are numbers, for the door's field `ports`.
    #[must_use]
    pub fn numbers(&self) -> Vec<Port> {
        let protocol = self.protocol.unwrap_or(Protocol::Tcp);
        let numbers = self.ports.iter().filter_map(|port| change::number(port));
        let mut found: Vec<Port> = Vec::new();
        for port in numbers.map(|number| Port { protocol, number }) {
            if !found.contains(&port) {
                found.push(port);
            }
        }
        found
    }

    /// Returns the rules that let in the addresses that knocked at `interface`.
    #[must_use]
    pub fn rules(&self, interface: Option<&str>, dialect: &Dialect) -> Vec<String> {
        let is_everything = self.is_known && self.protocol.is_none() && self.ports.is_empty();
        (dialect.pass)(&Pass {
            table: &self.table,
            interface,
            family: self.family,
            protocol: (!is_everything).then(|| self.protocol.unwrap_or(Protocol::Tcp)),
            ports: (self.is_known || !self.ports.is_empty()).then_some(&self.ports[..]),
        })
    }
}
