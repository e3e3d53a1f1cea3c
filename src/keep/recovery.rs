//! Plans what to do with the leases of an earlier run.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::leases::{Holder, Record, Recovered, State};
use crate::core::address::Entry;
use crate::core::door::{Door, Table};
use crate::core::policy::Policy;
use crate::core::time::Monotonic;

/// A lease of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The door's name.
    pub door: String,
    /// The door's table then.
    pub table: Table,
    /// The entry in that table.
    pub entry: Entry,
    /// The host that the door is open for.
    pub address: IpAddr,
    /// What opened it.
    pub holder: Holder,
    /// When it was opened.
    pub opened: Monotonic,
    /// When it ends.
    pub deadline: Monotonic,
    /// Whether its entry was in the table before us.
    pub foreign: bool,
    /// Whether its entry was deleted when the daemon stopped. An entry that is
    /// in the table now is not ours then.
    pub suspended: bool,
}

/// What to do, in this order.
#[must_use]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Entries of ours that no lease holds.
    pub delete: BTreeSet<(Table, Entry)>,
    /// Leases that ended, perhaps without an `on_close` command.
    pub over: Vec<Restore>,
    /// Leases to restore; those whose entry may still be there come first.
    pub restore: Vec<Restore>,
}

/// Plans the recovery from a run that ended at any step. Entries that it added
/// are deleted unless a lease before its deadline holds them. Leases before
/// their deadline are restored. Entries that were there before it stay.
///
/// Of a run of another boot, entries are deleted and nothing else happens: its
/// moments mean nothing now. Usually the tables are new since, but what names
/// the boot may be lost while they are not.
pub fn plan(left: &Recovered, now: Monotonic) -> Plan {
    // Nothing was opened later than now in this boot.
    if !left.is_this_boot || left.records.iter().any(|record| record.opened > now) {
        let ours = left.records.iter().filter(|record| !record.foreign);
        let ours = ours.filter(|record| record.state != State::Suspended);
        let doors = ours.filter_map(|record| Some((record, left.door(record)?)));
        let entries =
            doors.map(|(record, door)| (door.table.clone(), door.entry(record.key.address)));
        return Plan { delete: entries.collect(), ..Plan::default() };
    }
    let mut plan = Plan::default();
    let mut held = BTreeSet::new();
    for record in &left.records {
        let Some(door) = left.door(record) else { continue };
        let slot = (door.table.clone(), door.entry(record.key.address));
        let lives = record.deadline > now;
        match record.state {
            State::Live | State::Suspended if lives => {
                if record.state == State::Live {
                    held.insert(slot);
                }
                plan.restore.push(restore(door, record));
            }
            // Its entry was deleted already.
            State::Suspended => {}
            State::Live | State::Intended | State::Closing => {
                if !record.foreign {
                    plan.delete.insert(slot);
                }
                if record.state != State::Intended {
                    plan.over.push(restore(door, record));
                }
            }
        }
    }
    plan.delete.retain(|slot| !held.contains(slot));
    plan.restore.sort_by_key(|restore| restore.suspended);
    plan
}

/// The doors with leases to restore that `policy` does not have, for
/// [`Policy::with_retired`].
#[must_use]
pub fn doors_gone_from(left: &Recovered, policy: &Policy, now: Monotonic) -> Vec<Door> {
    let restored: BTreeSet<_> =
        plan(left, now).restore.into_iter().map(|lease| lease.door).collect();
    let gone = left.doors.iter().filter(|door| {
        restored.contains(&door.name) && policy.door_by_name(&door.name).is_none()
    });
    gone.cloned().collect()
}

fn restore(door: &Door, record: &Record) -> Restore {
    Restore {
        door: door.name.clone(),
        table: door.table.clone(),
        entry: door.entry(record.key.address),
        address: record.key.address,
        holder: record.holder,
        opened: record.opened,
        deadline: record.deadline,
        foreign: record.foreign,
        suspended: record.state == State::Suspended,
    }
}
