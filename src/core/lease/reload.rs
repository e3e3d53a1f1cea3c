//! Judges leases by a new policy.
//!
//! Doors are matched by name, users by credential or else by name. An entry that
//! is needed before and after stays in its table without a gap.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Admission, Holder, Lease, LeaseKey, Leases, to_usize};
use crate::core::address;
use crate::core::credential::Credential;
use crate::core::door::{Door, DoorIndex};
use crate::core::policy::{OnRemove, Policy};
use crate::core::slot::{Slot, TableList};
use crate::core::time::Monotonic;
use crate::core::user::{User, UserIndex};

/// A change to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Add the entry. If it was there already, call [`Leases::disown`].
    Add {
        /// The first lease that needs it.
        key: LeaseKey,
        /// The entry.
        slot: Slot,
    },
    /// Delete the entry: it is ours, and no lease needs it.
    Delete {
        /// The entry.
        slot: Slot,
    },
}

/// Why a new policy ends a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its door was removed.
    Door,
    /// Its user was removed, or no sequence opens the door any more.
    Holder,
    /// Its user may not open the door any more.
    Right,
    /// Its address may not be granted any more.
    Address,
}

/// A lease that the new policy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its key by the old policy.
    pub key: LeaseKey,
    /// The lease as it was, by the old policy.
    pub lease: Lease,
    /// Why it ended.
    pub why: Why,
}

/// All leases under a new policy, and the steps to get there.
#[must_use]
#[derive(Debug)]
pub struct Reloaded {
    /// Leases that go on.
    pub leases: Leases,
    /// Leases that ended, in the order of their keys.
    pub ended: Vec<Ended>,
    /// Leases with another entry or another table than before.
    pub moved: Vec<LeaseKey>,
    /// Leases with an earlier deadline than before.
    pub cut: Vec<LeaseKey>,
    /// Changes to tables, in this order. Additions come before deletions, so no
    /// address is without an entry in between.
    pub steps: Vec<Step>,
}

impl Leases {
    /// The doors with leases that `policy` does not have, for
    /// [`Policy::with_retired`].
    #[must_use]
    pub fn doors_gone_from(&self, policy: &Policy) -> Vec<Door> {
        let open = (0..).map(DoorIndex).zip(&self.policy.doors);
        let open = open.filter(|(index, _)| self.count_of(*index) > 0);
        let gone = open.filter(|(_, door)| policy.door_by_name(&door.name).is_none());
        gone.map(|(_, door)| door.clone()).collect()
    }

    /// Judges all leases by `policy`. A lease ends when its address may not be
    /// granted any more, or its user may not open the door any more. If its door
    /// or its holder was removed, `on_remove` decides. To keep leases of removed
    /// doors, `policy` must have these as retired doors. No lease lasts longer
    /// from `now` than its door allows.
    /// The tables of its doors are added to `tables`.
    pub fn under(
        self,
        policy: Arc<Policy>,
        tables: &mut TableList,
        on_remove: OnRemove,
        now: Monotonic,
    ) -> Reloaded {
        let judge = Judge::new(&self.policy, &policy, on_remove);
        let mut after = Reloaded {
            leases: Self::new(Arc::clone(&policy), tables),
            ended: Vec::new(),
            moved: Vec::new(),
            cut: Vec::new(),
            steps: Vec::new(),
        };
        for (key, lease) in &self.live {
            match judge.judge(*key, lease.holder) {
                Ok((door, holder)) => {
                    let judged = LeaseKey { door, ..*key };
                    after.take(&self, *key, (judged, Lease { holder, ..*lease }), now);
                }
                Err(why) => after.ended.push(Ended { key: *key, lease: *lease, why }),
            }
        }
        after.delete_unneeded(&self);
        after
    }

    /// Whether an entry was there before us; `None` if no lease holds it.
    fn foreign(&self, slot: Slot) -> Option<bool> {
        self.entries.get(&slot).map(|holders| holders.foreign)
    }
}

impl Reloaded {
    /// Takes over a lease that had the key `before` among the `old`.
    fn take(
        &mut self,
        old: &Leases,
        before: LeaseKey,
        (key, lease): (LeaseKey, Lease),
        now: Monotonic,
    ) {
        let policy = Arc::clone(&self.leases.policy);
        let Some((door, slot)) = policy.door(key.door).zip(self.leases.slot(&key)) else {
            return;
        };
        let held = old.foreign(slot);
        let user = lease.holder.user().and_then(|user| policy.user(user));
        let most =
            user.map_or(door.max_open_for, |user| user.lifetime(door, Some(door.max_open_for)));
        let deadline = lease.deadline.min(now + most);
        let foreign = held.unwrap_or(false);
        let admission = self.leases.restore(key, lease.holder, lease.opened, deadline, foreign);
        if deadline < lease.deadline {
            self.cut.push(key);
        }
        if old.slot(&before) != Some(slot) {
            self.moved.push(key);
        }
        if held.is_none() && admission == Ok(Admission::AddEntry) {
            self.steps.push(Step::Add { key, slot });
        }
    }

    fn delete_unneeded(&mut self, old: &Leases) {
        let ours = old.entries.iter().filter(|(_, holders)| !holders.foreign);
        for (slot, _) in ours {
            if self.leases.foreign(*slot).is_none() {
                self.steps.push(Step::Delete { slot: *slot });
            }
        }
    }
}

/// Judges leases of one policy by another.
struct Judge<'p> {
    policy: &'p Policy,
    on_remove: OnRemove,
    /// The new door for each door of the old policy.
    doors: Vec<Option<DoorIndex>>,
    /// The new user for each user of the old policy.
    users: Vec<Option<(UserIndex, &'p User)>>,
    /// The doors of the new policy that have a sequence.
    has_sequence: BTreeSet<DoorIndex>,
}

impl<'p> Judge<'p> {
    fn new(old: &Policy, policy: &'p Policy, on_remove: OnRemove) -> Self {
        let names: HashMap<&str, DoorIndex> = policy
            .doors
            .iter()
            .map(|door| door.name.as_str())
            .zip((0..).map(DoorIndex))
            .collect();
        let users: HashMap<&str, _> = (0..)
            .map(UserIndex)
            .zip(&policy.users)
            .map(|(index, user)| (user.name.as_str(), (index, user)))
            .collect();
        let successor = |user: &User| {
            let mut ids = user.credentials.iter().map(Credential::id);
            let same = ids.find_map(|id| policy.user_by_id(&id));
            same.or_else(|| users.get(user.name.as_str()).copied())
        };
        Self {
            policy,
            on_remove,
            doors: old
                .doors
                .iter()
                .map(|door| names.get(door.name.as_str()).copied())
                .collect(),
            users: old.users.iter().map(successor).collect(),
            has_sequence: policy
                .sequences
                .iter()
                .flat_map(|each| &each.doors)
                .copied()
                .collect(),
        }
    }

    /// The lease's door and holder by the new policy.
    fn judge(&self, key: LeaseKey, holder: Holder) -> Result<(DoorIndex, Holder), Why> {
        let door = self.doors.get(usize::from(key.door.0)).copied().flatten();
        let door = door.ok_or(Why::Door)?;
        let is_retired = self.policy.is_retired(door);
        if is_retired && self.on_remove == OnRemove::Close {
            return Err(Why::Door);
        }
        if address::host(key.address, self.policy.loopback) != Some(key.address) {
            return Err(Why::Address);
        }
        let is_kept = self.on_remove == OnRemove::Keep;
        let holder = match holder {
            Holder::User(index) => match self.users.get(to_usize(index.0)).copied().flatten() {
                Some((_, user)) if !user.networks.allow(key.address) => return Err(Why::Right),
                Some((index, user)) if is_retired || user.may_open(door) => Holder::User(index),
                Some(_) => return Err(Why::Right),
                None if is_kept => Holder::Removed,
                None => return Err(Why::Holder),
            },
            Holder::Sequence if is_kept || self.has_sequence.contains(&door) => holder,
            Holder::Removed if is_kept => holder,
            Holder::Sequence | Holder::Removed => return Err(Why::Holder),
            Holder::Administrator => holder,
        };
        Ok((door, holder))
    }
}
