//! Leases: which door is open to which address, until when.
//!
//! A lease is one door and one address. Doors that share a table share its
//! entries: the entry is added with the first lease that needs it and deleted
//! with the last. Nothing here touches the table: [`Leases::admit`] returns what
//! to do, the caller does it, then calls [`Leases::commit`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Bound;
use std::sync::Arc;

use super::address::Entry;
use super::door::DoorIndex;
use super::policy::Policy;
use super::slot::{Slot, TableIndex, TableList};
use super::time::Monotonic;
use super::user::UserIndex;

mod end;
mod grant;
mod reload;

pub use reload::{Ended, Reloaded, Step, Why};

/// The most bytes of memory that one lease takes in three ordered maps, whose
/// nodes may be half empty.
pub const LEASE_SIZE: usize = 320;

/// Leases beyond the daemon's limit that only the administrator may open, so
/// that other leases never lock the administrator out.
pub const ADMIN_RESERVE: u32 = 64;

/// One door, open to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey {
    /// The door.
    pub door: DoorIndex,
    /// The host that it is open for.
    pub address: IpAddr,
}

/// What opened a lease or extended it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// A token of a user.
    User(UserIndex),
    /// A knock sequence.
    Sequence,
    /// The administrator, with `knockctl open`.
    Administrator,
    /// A user that a reload removed.
    Removed,
}

impl Holder {
    /// The user, if a user holds it.
    #[must_use]
    pub const fn user(self) -> Option<UserIndex> {
        match self {
            Self::User(index) => Some(index),
            Self::Sequence | Self::Administrator | Self::Removed => None,
        }
    }
}

/// A door open to an address until a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// What opened it or extended it last.
    pub holder: Holder,
    /// When it was opened.
    pub opened: Monotonic,
    /// When it ends.
    pub deadline: Monotonic,
}

/// What a grant needs. The entry must be in the table before the commit.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A new lease with a new entry.
    AddEntry,
    /// A new lease that shares its entry with another door's lease.
    SharesEntry,
    /// A later deadline for a live lease.
    Extends,
}

/// A lease that ended.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its key.
    pub key: LeaseKey,
    /// The lease as it was.
    pub lease: Lease,
    /// The entry to delete. `None` while another lease needs it, or when it was
    /// there before us.
    pub slot: Option<Slot>,
}

/// How many leases hold an entry, and whether it was there before them.
#[derive(Debug, Clone, Copy)]
struct Holders {
    leases: u32,
    foreign: bool,
}

/// All live leases.
#[derive(Debug)]
pub struct Leases {
    policy: Arc<Policy>,
    table_of_door: Vec<TableIndex>,
    live: BTreeMap<LeaseKey, Lease>,
    deadlines: BTreeSet<(Monotonic, LeaseKey)>,
    entries: BTreeMap<Slot, Holders>,
    of_door: Vec<u32>,
    /// Whether users may open the door, or sequences alone.
    has_users: Vec<bool>,
    of_user: Vec<u32>,
    of_administrator: u32,
}

impl Leases {
    /// No leases, under this policy. The tables of its doors are added to
    /// `tables`.
    #[must_use]
    pub fn new(policy: Arc<Policy>, tables: &mut TableList) -> Self {
        let table_of_door = policy.doors.iter().map(|door| tables.index(&door.table)).collect();
        let doors = (0..).take(policy.doors.len()).map(DoorIndex);
        let has_users =
            doors.map(|door| policy.users.iter().any(|user| user.may_open(door))).collect();
        Self {
            of_door: vec![0; policy.doors.len()],
            has_users,
            of_user: vec![0; policy.users.len()],
            of_administrator: 0,
            policy,
            table_of_door,
            live: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            entries: BTreeMap::new(),
        }
    }

    /// The policy that they are judged by.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The tables that doors name, each once.
    #[must_use]
    pub fn tables(&self) -> BTreeSet<TableIndex> {
        self.table_of_door.iter().copied().collect()
    }

    /// How many leases live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether no lease lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The lease of `key`, if it lives.
    #[must_use]
    pub fn get(&self, key: &LeaseKey) -> Option<&Lease> {
        self.live.get(key)
    }

    /// All leases in the order of their keys, from the one after `after`.
    pub fn iter_after(
        &self,
        after: Option<LeaseKey>,
    ) -> impl Iterator<Item = (LeaseKey, &Lease)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.live.range((start, Bound::Unbounded)).map(|(key, lease)| (*key, lease))
    }

    /// The leases that `user` holds.
    #[must_use]
    pub fn of_user(&self, user: UserIndex) -> Vec<LeaseKey> {
        let held = self.live.iter().filter(|(_, lease)| lease.holder == Holder::User(user));
        held.map(|(key, _)| *key).collect()
    }

    /// How many leases `door` has.
    #[must_use]
    pub fn count_of(&self, door: DoorIndex) -> u32 {
        self.of_door.get(usize::from(door.0)).copied().unwrap_or(0)
    }

    /// How many leases a user or the administrator has; `None` for others.
    #[must_use]
    pub fn count_held(&self, holder: Holder) -> Option<u32> {
        match holder {
            Holder::User(index) => self.of_user.get(to_usize(index.0)).copied(),
            Holder::Administrator => Some(self.of_administrator),
            Holder::Sequence | Holder::Removed => None,
        }
    }

    /// The entries in `table` that leases hold and that are ours.
    pub fn entries_of(&self, table: TableIndex) -> impl Iterator<Item = Entry> + '_ {
        let first = Entry::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let start = first.map(|entry| Slot { table, entry });
        let from = start.map(|slot| self.entries.range(slot..)).into_iter().flatten();
        from.take_while(move |(slot, _)| slot.table == table)
            .filter(|(_, holders)| !holders.foreign)
            .map(|(slot, _)| slot.entry)
    }

    /// Whether leases hold the entry of `key`, and it was there before us.
    #[must_use]
    pub fn is_foreign(&self, key: &LeaseKey) -> bool {
        let holders = self.slot(key).and_then(|slot| self.entries.get(&slot));
        holders.is_some_and(|holders| holders.foreign)
    }

    /// Whether leases hold the entry that `key` needs.
    #[must_use]
    pub fn is_held(&self, key: &LeaseKey) -> bool {
        self.slot(key).is_some_and(|slot| self.entries.contains_key(&slot))
    }

    /// When the next lease ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// The entry that `key` needs; `None` for a door that does not exist.
    #[must_use]
    pub fn slot(&self, key: &LeaseKey) -> Option<Slot> {
        let table = self.table_of(key.door)?;
        Some(Slot { table, entry: self.policy.door(key.door)?.entry(key.address) })
    }

    /// The table of `door`.
    #[must_use]
    pub fn table_of(&self, door: DoorIndex) -> Option<TableIndex> {
        self.table_of_door.get(usize::from(door.0)).copied()
    }

    fn count(&mut self, holder: Holder, change: i32) {
        let count = match holder {
            Holder::User(index) => self.of_user.get_mut(to_usize(index.0)),
            Holder::Administrator => Some(&mut self.of_administrator),
            Holder::Sequence | Holder::Removed => None,
        };
        if let Some(count) = count {
            *count = count.saturating_add_signed(change);
        }
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
