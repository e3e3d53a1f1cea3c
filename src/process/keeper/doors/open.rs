//! From a permitted claim to an open door.

use std::time::Duration;

use super::{CHECK_INTERVAL, Doors, record};
use crate::core::claim::Claim;
use crate::core::lease::{Admission, Holder, Lease, LeaseKey};
use crate::core::reason::Reason;
use crate::core::slot::Slot;
use crate::core::time::Monotonic;
use crate::faults;
use crate::firewall::Added;
use crate::log::event::Event;
use crate::message::runner::Occasion;

impl Doors {
    /// Opens or extends `key` for `span`, within the limits of doors and users.
    ///
    /// # Errors
    /// The reason why it stays shut.
    pub fn open(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        span: Duration,
        now: Monotonic,
    ) -> Result<(), Reason> {
        let admission = self.leases.admit(key, holder)?;
        self.grant(key, holder, admission, span, now)
    }

    /// Opens or extends `key`, which was admitted.
    pub(super) fn grant(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        admission: Admission,
        span: Duration,
        now: Monotonic,
    ) -> Result<(), Reason> {
        let policy = self.policy();
        let slot = self.leases.slot(&key).ok_or(Reason::Forbidden)?;
        let is_held = admission != Admission::AddEntry;
        // Even if this fails because the table is missing, it must be checked
        // from now on.
        self.next_check.get_or_insert(now + CHECK_INTERVAL);
        // Asked before the intent, although the answer to the addition says it too. A
        // keeper that dies before the addition leaves the entry there only if it is
        // not ours; one that dies after it and before the answer leaves one that is.
        // The table is the same then, so the intent has to say whose it is.
        let was_there = if is_held {
            self.leases.is_foreign(&key)
        } else {
            self.tables.has_foreign(slot, now)?
        };
        if admission != Admission::Extends {
            let lease = Lease { holder, opened: now, deadline: now + span };
            let record = record(&policy, key, &lease, was_there);
            self.books.intend(record, slot).map_err(|_| Reason::Failed)?;
        }
        faults::point("intended");
        let added = match self.tables.add(slot, is_held, now) {
            Ok(added) => added,
            Err(reason) => {
                self.forget(key, slot, is_held);
                return Err(reason);
            }
        };
        faults::point("added");
        let foreign = added == Added::Present && (was_there || !is_held);
        if foreign != was_there {
            drop(self.books.note_owner(slot, foreign));
        }
        let before = self.leases.get(&key).map(|lease| lease.deadline);
        let deadline = self.leases.commit(key, holder, span, now, foreign);
        self.keep_in_books(&key);
        faults::point("committed");
        if admission != Admission::Extends {
            self.run(&policy, Occasion::Open, (key, holder), span, now);
        }
        if before != Some(deadline) {
            self.report_granted(key, holder, admission, span, now);
        }
        Ok(())
    }

    /// Removes an intent that failed from the books, unless the entry may be in
    /// its table all the same and is still to be deleted.
    fn forget(&mut self, key: LeaseKey, slot: Slot, is_held: bool) {
        if self.tables.is_stuck(slot) {
            self.books.closing(&[(key, slot)]);
        } else if !is_held {
            self.books.free(&[key]);
            self.books.gone(&[slot]);
        } else if self.leases.get(&key).is_none() {
            self.books.free(&[key]);
        }
    }

    fn keep_in_books(&mut self, key: &LeaseKey) {
        if let Some(lease) = self.leases.get(key) {
            let foreign = self.leases.is_foreign(key);
            self.books.commit(record(self.leases.policy(), *key, lease, foreign));
        }
    }

    fn report_granted(
        &mut self,
        key: LeaseKey,
        holder: Holder,
        admission: Admission,
        span: Duration,
        now: Monotonic,
    ) {
        let (policy, address) = (self.policy(), key.address);
        let Some((door, by)) = Self::names(&policy, key.door, holder) else { return };
        let event = if admission == Admission::Extends {
            self.counts.extended += 1;
            Event::Extended { door, address, by, span }
        } else {
            self.counts.opened += 1;
            Event::Opened { door, address, by, span }
        };
        self.log.write_limited(&event, now);
    }

    /// Logs that a door stays shut for a claim that was entitled.
    pub fn report_not_opened(&self, claim: &Claim, reason: Reason, now: Monotonic) {
        let holder = claim.ground.user().map_or(Holder::Sequence, Holder::User);
        let (policy, address) = (self.policy(), claim.address);
        if let Some((door, by)) = Self::names(&policy, claim.door, holder) {
            self.log.write_limited(&Event::NotOpened { door, address, by, reason }, now);
        }
    }
}
