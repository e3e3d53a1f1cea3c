//! What leases of an earlier run mean to this one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::leases::{Holder, Record, Recovered, Site, State};
use crate::core::address::Entry;
use crate::core::door::Table;
use crate::core::time::Monotonic;

/// A lease of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The door's name.
    pub door: String,
    /// The table that it had.
    pub table: Table,
    /// What stood there for the host.
    pub entry: Entry,
    /// For which host.
    pub address: IpAddr,
    /// Who opened it.
    pub holder: Holder,
    /// Since when it is open.
    pub opened: Monotonic,
    /// When it ends.
    pub deadline: Monotonic,
    /// Whether its entry was somebody else's.
    pub foreign: bool,
    /// Whether its entry was taken out when the daemon stopped: one that
    /// stands there now is somebody else's.
    pub suspended: bool,
}

/// What is to be done, in this order.
#[must_use]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Entries of ours that no lease holds.
    pub delete: BTreeSet<(Table, Entry)>,
    /// Leases whose end nobody may have been told.
    pub over: Vec<Restore>,
    /// Leases that live on; those whose entry may still stand come first.
    pub restore: Vec<Restore>,
}

/// Whatever step a run ended at: entries that it put in and that no lease
/// within its time holds are to go, leases within their time are to live on,
/// and what was there before it stays.
pub fn plan(left: &Recovered, now: Monotonic) -> Plan {
    let mut plan = Plan::default();
    let mut held = BTreeSet::new();
    for record in &left.records {
        let Some(site) = left.doors.get(usize::from(record.key.door.0)) else {
            continue;
        };
        let slot = (site.table.clone(), site.entry(record.key.address));
        let lives = record.deadline > now;
        match record.state {
            State::Live | State::Suspended if lives => {
                if record.state == State::Live {
                    held.insert(slot);
                }
                plan.restore.push(restore(site, record));
            }
            // Its entry was taken out.
            State::Suspended => {}
            State::Live | State::Intended | State::Closing => {
                if !record.foreign {
                    plan.delete.insert(slot);
                }
                if record.state != State::Intended {
                    plan.over.push(restore(site, record));
                }
            }
        }
    }
    plan.delete.retain(|slot| !held.contains(slot));
    plan.restore.sort_by_key(|restore| restore.suspended);
    plan
}

fn restore(site: &Site, record: &Record) -> Restore {
    Restore {
        door: site.name.clone(),
        table: site.table.clone(),
        entry: site.entry(record.key.address),
        address: record.key.address,
        holder: record.holder,
        opened: record.opened,
        deadline: record.deadline,
        foreign: record.foreign,
        suspended: record.state == State::Suspended,
    }
}
