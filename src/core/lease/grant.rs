//! How leases begin and grow longer.

use std::time::Duration;

use super::{
    ADMIN_RESERVE, Admission, Holder, Holders, Lease, LeaseKey, Leases, Slot, to_usize,
};
use crate::core::door::Door;
use crate::core::reason::Reason;
use crate::core::time::Monotonic;

impl Leases {
    /// Whether `holder` may have `key` opened, and what that takes. An order
    /// of the administrator is not bound by the limits of doors, and by the
    /// daemon's only with [`ADMIN_RESERVE`] on top.
    ///
    /// # Errors
    /// [`Reason::Full`] when the daemon's, the door's or the user's limit is
    /// reached; [`Reason::Forbidden`] for a door that does not exist or is
    /// retired, and for a user who was removed.
    pub fn admit(&self, key: LeaseKey, holder: Holder) -> Result<Admission, Reason> {
        let door = self.policy.door(key.door).ok_or(Reason::Forbidden)?;
        let slot = self.slot(&key).ok_or(Reason::Forbidden)?;
        if self.policy.is_retired(key.door) || holder == Holder::Removed {
            return Err(Reason::Forbidden);
        }
        let lease = self.live.get(&key);
        let is_new_to_holder = lease.is_none_or(|lease| lease.holder != holder);
        if is_new_to_holder && !self.user_has_room(holder) {
            return Err(Reason::Full);
        }
        match lease {
            Some(lease) if self.is_reserved(lease.holder) && is_new_to_holder => {
                Err(Reason::Full)
            }
            Some(_) => Ok(Admission::Extends),
            None if self.has_room(key, door, holder) => Ok(self.admission(slot)),
            None => Err(Reason::Full),
        }
    }

    /// Puts back a lease that lived before, by no limit; `foreign` tells that
    /// its entry foreign before us then. One that lives already is at most
    /// extended.
    ///
    /// # Errors
    /// [`Reason::Forbidden`] for a door that does not exist.
    pub fn restore(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        opened: Monotonic,
        deadline: Monotonic,
        foreign: bool,
    ) -> Result<Admission, Reason> {
        let slot = self.slot(&key).ok_or(Reason::Forbidden)?;
        let admission = match self.live.get(&key) {
            Some(lease) if lease.deadline >= deadline => return Ok(Admission::Extends),
            Some(_) => Admission::Extends,
            None => self.admission(slot),
        };
        // As with grants: who had to put it in last, owns it.
        self.note_owner(key, foreign);
        if admission != Admission::Extends {
            self.hold_entry(key, foreign);
        }
        self.put(key, Lease { holder, opened, deadline });
        Ok(admission)
    }

    /// Opens `key` for `span` from `now` on, after [`Self::admit`] said yes
    /// and the entry stands in the table; `foreign` tells that it did before we
    /// put it there. A live lease is extended, never shortened; who extends
    /// it, holds it. Returns the deadline.
    pub fn commit(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        span: Duration,
        now: Monotonic,
        foreign: bool,
    ) -> Monotonic {
        self.note_owner(key, foreign);
        let deadline = now + span;
        let opened = match self.live.get(&key) {
            Some(lease) if lease.deadline >= deadline => return lease.deadline,
            Some(lease) => lease.opened,
            None => {
                self.hold_entry(key, foreign);
                now
            }
        };
        self.put(key, Lease { holder, opened, deadline });
        deadline
    }

    /// Has the lease of `key` last for `span` from `now` on, if that is longer
    /// than it does; whoever holds it goes on holding it. Returns the
    /// deadline, `None` when there is no such lease.
    pub fn extend(
        &mut self,
        key: LeaseKey,
        span: Duration,
        now: Monotonic,
    ) -> Option<Monotonic> {
        let lease = *self.live.get(&key)?;
        let deadline = lease.deadline.max(now + span);
        self.put(key, Lease { deadline, ..lease });
        Some(deadline)
    }

    /// The entry of `key` turned out to stand before we put it there: it is
    /// not ours to take out.
    pub fn disown(&mut self, key: &LeaseKey) {
        let slot = self.slot(key);
        if let Some(holders) = slot.and_then(|slot| self.entries.get_mut(&slot)) {
            holders.foreign = true;
        }
    }

    /// Writes a lease down, in place of what it was if it lives.
    fn put(&mut self, key: LeaseKey, lease: Lease) {
        if let Some(before) = self.live.insert(key, lease) {
            self.deadlines.remove(&(before.deadline, key));
            self.count(before.holder, -1);
        }
        self.deadlines.insert((lease.deadline, key));
        self.count(lease.holder, 1);
    }

    fn admission(&self, slot: Slot) -> Admission {
        if self.entries.contains_key(&slot) {
            Admission::SharesEntry
        } else {
            Admission::AddEntry
        }
    }

    fn user_has_room(&self, holder: Holder) -> bool {
        let Holder::User(index) = holder else { return true };
        let held = self.count_held(holder).unwrap_or(0);
        self.policy.user(index).is_some_and(|user| held < user.max_leases)
    }

    /// Whether one more lease fits into the limits that hold for all.
    fn has_room(&self, key: LeaseKey, door: &Door, holder: Holder) -> bool {
        let most = self.policy.limits.max_leases;
        if holder == Holder::Administrator {
            // His reserve is his even if a reload set the limit below what lives.
            return self.live.len() < to_usize(most.saturating_add(ADMIN_RESERVE))
                || self.of_administrator < ADMIN_RESERVE;
        }
        let is_users_too = self.has_users.get(usize::from(key.door.0)).copied();
        let most = share(most, holder, !self.policy.users.is_empty());
        let most_of_door = share(door.max_leases, holder, is_users_too.unwrap_or(false));
        self.live.len() < to_usize(most) && self.count_of(key.door) < most_of_door
    }

    /// Whether a lease may stand in a place of the reserve. Were others to
    /// take it over, they would hold more than the limit.
    fn is_reserved(&self, holder: Holder) -> bool {
        holder == Holder::Administrator
            && self.live.len() > to_usize(self.policy.limits.max_leases)
    }

    /// A held entry that had to be put in again is ours from now on, whoever
    /// put it there before and took it out.
    fn note_owner(&mut self, key: LeaseKey, foreign: bool) {
        let slot = self.slot(&key);
        if let Some(holders) = slot.and_then(|slot| self.entries.get_mut(&slot)) {
            holders.foreign &= foreign;
        }
    }

    fn hold_entry(&mut self, key: LeaseKey, foreign: bool) {
        if let Some(count) = self.of_door.get_mut(usize::from(key.door.0)) {
            *count += 1;
        }
        if let Some(slot) = self.slot(&key) {
            self.entries.entry(slot).or_insert(Holders { leases: 0, foreign }).leases += 1;
        }
    }
}

/// How much of a limit is there for `holder`. Sequences get three quarters of
/// what they share with users: who has seen one could fill it from forged
/// addresses, and keep the users out.
const fn share(limit: u32, holder: Holder, with_users: bool) -> u32 {
    if matches!(holder, Holder::Sequence) && with_users { limit - limit / 4 } else { limit }
}
