//! How leases begin and are extended.

use std::time::Duration;

use super::{ADMIN_RESERVE, Admission, Holder, Holders, Lease, LeaseKey, Leases, to_usize};
use crate::core::door::Door;
use crate::core::reason::Reason;
use crate::core::slot::Slot;
use crate::core::time::Monotonic;

impl Leases {
    /// Whether `holder` may open `key`, and what that needs. The limits of doors
    /// do not bind the administrator, who has [`ADMIN_RESERVE`] leases on top of
    /// the daemon's limit.
    ///
    /// # Errors
    /// [`Reason::Full`] when the limit of the daemon, the door or the user is
    /// reached; [`Reason::Forbidden`] for a door that does not exist or is
    /// retired, and for a removed user.
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

    /// Restores a lease of an earlier run or policy. No limit applies. `foreign`
    /// is whether its entry was in the table before us. A live lease is extended,
    /// never shortened.
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
        // An entry that we had to add again is ours, as in `commit`.
        self.note_owner(key, foreign);
        if admission != Admission::Extends {
            self.hold_entry(key, foreign);
        }
        self.put(key, Lease { holder, opened, deadline });
        Ok(admission)
    }

    /// Opens `key` for `span` from `now`. Call it after [`Self::admit`] allowed
    /// it and the entry is in the table. `foreign` is whether the entry was there
    /// before us. A live lease is extended, never shortened, and `holder` becomes
    /// its holder if it was extended. Returns the deadline.
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

    /// Extends the lease of `key` to `span` from `now`. Never shortens it, and
    /// keeps its holder. Returns the deadline, or `None` without such a lease.
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

    /// Records that the entry of `key` was in the table before us, so it is not
    /// ours to delete.
    pub fn disown(&mut self, key: &LeaseKey) {
        let slot = self.slot(key);
        if let Some(holders) = slot.and_then(|slot| self.entries.get_mut(&slot)) {
            holders.foreign = true;
        }
    }

    /// Inserts a lease, or replaces the live one.
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

    /// Whether the limits of the daemon and of the door admit one more lease.
    fn has_room(&self, key: LeaseKey, door: &Door, holder: Holder) -> bool {
        let most = self.policy.limits.max_leases;
        if holder == Holder::Administrator {
            // The reserve holds even if a reload lowered the limit below the
            // number of live leases.
            return self.live.len() < to_usize(most.saturating_add(ADMIN_RESERVE))
                || self.of_administrator < ADMIN_RESERVE;
        }
        let is_users_too = self.has_users.get(usize::from(key.door.0)).copied();
        let most = share(most, holder, !self.policy.users.is_empty());
        let most_of_door = share(door.max_leases, holder, is_users_too.unwrap_or(false));
        self.live.len() < to_usize(most) && self.count_of(key.door) < most_of_door
    }

    /// Whether a lease may be one of the reserve. Other holders may not take it
    /// over: they would exceed the limit.
    fn is_reserved(&self, holder: Holder) -> bool {
        holder == Holder::Administrator
            && self.live.len() > to_usize(self.policy.limits.max_leases)
    }

    /// An entry that was foreign is ours once we had to add it again.
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

/// The part of a limit that `holder` may use. Sequences get three quarters of a
/// limit that they share with users: whoever has seen a sequence can knock it
/// from forged addresses, and would keep the users out.
const fn share(limit: u32, holder: Holder, with_users: bool) -> u32 {
    if matches!(holder, Holder::Sequence) && with_users { limit - limit / 4 } else { limit }
}
