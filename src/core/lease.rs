//! Live grants: which door is open to which address, until when.
//!
//! A lease is one door and one address. Leases of doors that share a table
//! share its entries: the entry goes into the table with the first of them
//! and out with the last. Nothing here touches the table: [`Leases::admit`]
//! says what has to be done, and [`Leases::commit`] is told once the kernel
//! has done it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::address::Entry;
use super::door::{DoorIndex, Table};
use super::policy::Policy;
use super::reason::Reason;
use super::time::Monotonic;
use super::user::UserIndex;

/// Upper bound of the memory that one lease takes, in bytes: its place in
/// three ordered maps, whose nodes may be half empty.
pub const LEASE_SIZE: usize = 320;

/// One door, open to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey {
    /// Which door.
    pub door: DoorIndex,
    /// To which host.
    pub address: IpAddr,
}

/// A door open to an address until a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who opened it, or extended it last; nobody behind a sequence.
    pub user: Option<UserIndex>,
    /// Since when it is open.
    pub opened: Monotonic,
    /// When it ends.
    pub deadline: Monotonic,
}

/// What a grant is. The entry must stand in the table before it is committed.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// A lease whose entry no other holds.
    AddEntry,
    /// A lease that shares its entry with another door's.
    SharesEntry,
    /// A live lease, whose deadline moves.
    Extends,
}

/// A lease that came to an end.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub key: LeaseKey,
    /// As it was.
    pub lease: Lease,
    /// What has to be taken out of which table: nothing while another door
    /// shares the entry, or when it was there before us.
    pub entry: Option<(Table, Entry)>,
}

/// A table among all doors' tables.
type TableIndex = u16;

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
    tables: Vec<Table>,
    table_of_door: Vec<TableIndex>,
    live: BTreeMap<LeaseKey, Lease>,
    deadlines: BTreeSet<(Monotonic, LeaseKey)>,
    entries: BTreeMap<(TableIndex, Entry), Holders>,
    of_door: Vec<u32>,
    /// Whether users may open the door, or sequences alone.
    has_users: Vec<bool>,
    of_user: Vec<u32>,
}

impl Leases {
    /// No lease yet, under this policy.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        let mut tables: Vec<Table> =
            policy.doors.iter().map(|door| door.table.clone()).collect();
        tables.sort_unstable();
        tables.dedup();
        let place = |table| tables.binary_search(table).ok().and_then(|at| at.try_into().ok());
        let table_of_door =
            policy.doors.iter().map(|door| place(&door.table).unwrap_or_default()).collect();
        let doors = (0..).take(policy.doors.len()).map(DoorIndex);
        let has_users =
            doors.map(|door| policy.users.iter().any(|user| user.may_open(door))).collect();
        Self {
            of_door: vec![0; policy.doors.len()],
            has_users,
            of_user: vec![0; policy.users.len()],
            policy,
            tables,
            table_of_door,
            live: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            entries: BTreeMap::new(),
        }
    }

    /// Every table that some door names, each once.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
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

    /// The entries that live leases put into `table`.
    pub fn entries_of(&self, table: &Table) -> impl Iterator<Item = Entry> + '_ {
        let place = self.tables.binary_search(table).ok();
        let place = place.and_then(|place| TableIndex::try_from(place).ok());
        let first = Entry::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let start = place.zip(first);
        let from = start.map(|slot| self.entries.range(slot..)).into_iter().flatten();
        from.take_while(move |((at, _), _)| Some(*at) == place)
            .filter(|(_, holders)| !holders.foreign)
            .map(|((_, entry), _)| *entry)
    }

    /// Whether `user` may have `key` opened, and what that takes.
    ///
    /// # Errors
    /// [`Reason::Full`] when the daemon's, the door's or the user's limit is
    /// reached; [`Reason::Forbidden`] for a door that does not exist.
    pub fn admit(&self, key: LeaseKey, user: Option<UserIndex>) -> Result<Admission, Reason> {
        let door = self.policy.door(key.door).ok_or(Reason::Forbidden)?;
        let lease = self.live.get(&key);
        let is_new_to_user = lease.is_none_or(|lease| lease.user != user);
        if is_new_to_user && !self.user_has_room(user) {
            return Err(Reason::Full);
        }
        if lease.is_some() {
            return Ok(Admission::Extends);
        }
        let place = usize::from(key.door.0);
        let most = share(self.policy.limits.max_leases, user, !self.policy.users.is_empty());
        let most_of_door = share(door.max_leases, user, self.has_users[place]);
        if self.live.len() >= to_usize(most) || self.of_door[place] >= most_of_door {
            return Err(Reason::Full);
        }
        let slot = (self.table_of_door[usize::from(key.door.0)], Entry::host(key.address));
        Ok(if self.entries.contains_key(&slot) {
            Admission::SharesEntry
        } else {
            Admission::AddEntry
        })
    }

    /// Opens `key` for `span` from `now` on, after [`Self::admit`] said yes
    /// and the entry stands in the table; `stood` tells that it did before we
    /// put it there. A live lease is extended, never shortened; who extends
    /// it, holds it. Returns the deadline.
    pub fn commit(
        &mut self,
        key: LeaseKey,
        user: Option<UserIndex>,
        span: Duration,
        now: Monotonic,
        stood: bool,
    ) -> Monotonic {
        self.note_owner(key, stood);
        let deadline = now + span;
        let opened = match self.live.get(&key).copied() {
            Some(lease) if lease.deadline >= deadline => return lease.deadline,
            Some(lease) => {
                self.deadlines.remove(&(lease.deadline, key));
                self.count_user(lease.user, -1);
                lease.opened
            }
            None => {
                self.hold_entry(key, stood);
                now
            }
        };
        self.count_user(user, 1);
        self.live.insert(key, Lease { user, opened, deadline });
        self.deadlines.insert((deadline, key));
        deadline
    }

    /// Ends the lease of `key`.
    #[must_use]
    pub fn close(&mut self, key: LeaseKey) -> Option<Closed> {
        let lease = self.live.remove(&key)?;
        self.deadlines.remove(&(lease.deadline, key));
        self.count_user(lease.user, -1);
        let entry = self.release_entry(key);
        Some(Closed { key, lease, entry })
    }

    /// Ends every lease that holds `entry` in `table`.
    pub fn revoke(&mut self, table: &Table, entry: Entry) -> Vec<Closed> {
        let doors = (0..).zip(&self.policy.doors).filter(|(_, door)| door.table == *table);
        let doors: Vec<_> = doors.map(|(index, _)| DoorIndex(index)).collect();
        let keys = doors.into_iter().map(|door| LeaseKey { door, address: entry.address() });
        keys.filter_map(|key| self.close(key)).collect()
    }

    /// Ends one lease whose deadline has come; call until there is none.
    #[must_use]
    pub fn expire(&mut self, now: Monotonic) -> Option<Closed> {
        let (deadline, key) = *self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.close(key)
    }

    /// Ends one lease, the next to expire; call until there is none.
    #[must_use]
    pub fn close_any(&mut self) -> Option<Closed> {
        let (_, key) = *self.deadlines.first()?;
        self.close(key)
    }

    /// When the next lease ends.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn user_has_room(&self, user: Option<UserIndex>) -> bool {
        let Some(index) = user else { return true };
        let held = self.of_user.get(to_usize(index.0)).copied().unwrap_or(0);
        self.policy.user(index).is_some_and(|user| held < user.max_leases)
    }

    fn count_user(&mut self, user: Option<UserIndex>, change: i32) {
        let slot = user.and_then(|index| self.of_user.get_mut(to_usize(index.0)));
        if let Some(count) = slot {
            *count = count.saturating_add_signed(change);
        }
    }

    /// A held entry that had to be put in again is ours from now on, whoever
    /// put it there before and took it out.
    fn note_owner(&mut self, key: LeaseKey, stood: bool) {
        let slot = (self.table_of_door[usize::from(key.door.0)], Entry::host(key.address));
        if let Some(holders) = self.entries.get_mut(&slot) {
            holders.foreign &= stood;
        }
    }

    fn hold_entry(&mut self, key: LeaseKey, foreign: bool) {
        let door = usize::from(key.door.0);
        self.of_door[door] += 1;
        let slot = (self.table_of_door[door], Entry::host(key.address));
        self.entries.entry(slot).or_insert(Holders { leases: 0, foreign }).leases += 1;
    }

    fn release_entry(&mut self, key: LeaseKey) -> Option<(Table, Entry)> {
        let door = usize::from(key.door.0);
        self.of_door[door] -= 1;
        let slot = (self.table_of_door[door], Entry::host(key.address));
        let holders = self.entries.get_mut(&slot)?;
        holders.leases -= 1;
        let Holders { leases: 0, foreign } = *holders else { return None };
        self.entries.remove(&slot);
        let table = &self.tables[usize::from(slot.0)];
        (!foreign).then(|| (table.clone(), slot.1))
    }
}

/// How much of a limit is there for `user`. Sequences get three quarters of
/// what they share with users: who has seen one could fill it from forged
/// addresses, and keep the users out.
fn share(limit: u32, user: Option<UserIndex>, with_users: bool) -> u32 {
    if user.is_none() && with_users { limit - limit / 4 } else { limit }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
