//! How leases end: by their deadline, by order, or with the daemon.

use std::time::Duration;

use super::Doors;
use crate::core::door::OnClose;
use crate::core::lease::{Closed, LeaseKey};
use crate::core::policy::Policy;
use crate::core::slot::Slot;
use crate::core::time::Monotonic;
use crate::faults;
use crate::log::event::{Ending, Event};
use crate::message::runner::Occasion;

impl Doors {
    /// Does what is due: ends leases, tries again to delete entries, checks
    /// tables.
    pub fn tick(&mut self, now: Monotonic) {
        let mut gone = Vec::new();
        while let Some(closed) = self.leases.expire(now) {
            gone.extend(self.close(closed, Ending::Expired, now));
        }
        gone.append(&mut self.retry(now));
        self.kill_states(&self.policy(), &gone, now);
        self.check_if_due(now);
        self.report_books();
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [self.leases.next_deadline(), self.tables.next_retry(), self.next_check]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes every door, because the daemon stops. Leases before their deadline
    /// stay in the lease file for the next start. Returns how many entries could
    /// not be deleted.
    pub fn close_all(&mut self, now: Monotonic) -> usize {
        self.books.suspend();
        let mut gone = Vec::new();
        while let Some(closed) = self.leases.close_any() {
            gone.extend(self.close(closed, Ending::Stopped, now));
        }
        self.tables.retry_at_once(now);
        gone.append(&mut self.retry(now));
        self.kill_states(&self.policy(), &gone, now);
        self.tables.release();
        self.tables.stuck()
    }

    /// Tries again to delete what could not be deleted. Returns what could be.
    fn retry(&mut self, now: Monotonic) -> Vec<Slot> {
        let gone = self.tables.retry(now);
        for slot in &gone {
            self.books.gone(*slot);
        }
        gone
    }

    /// Deletes a lease's entry, if no other lease needs it. Returns the entry if
    /// it is deleted.
    pub(super) fn close(
        &mut self,
        closed: Closed,
        ending: Ending,
        now: Monotonic,
    ) -> Option<Slot> {
        let Closed { key, lease, slot } = closed;
        let (policy, after) = (self.policy(), now.since(lease.opened));
        let (occasion, held) = (Occasion::Close, (key, lease.holder));
        // Before the books forget the lease: a crash in between runs the command
        // again, and does not lose it.
        if slot.is_none() {
            self.run(&policy, occasion, held, after, now);
        }
        self.note_end(key, slot);
        let gone = slot.filter(|slot| {
            faults::point("closing");
            let is_deleted = self.tables.delete(*slot, now).is_some();
            faults::point("deleted");
            self.run(&policy, occasion, held, after, now);
            if is_deleted {
                self.books.gone(*slot);
            }
            is_deleted
        });
        self.report_closed(&policy, key, after, ending, now);
        gone
    }

    pub(super) fn report_closed(
        &mut self,
        policy: &Policy,
        key: LeaseKey,
        after: Duration,
        ending: Ending,
        now: Monotonic,
    ) {
        self.counts.closed += 1;
        if let Some(door) = policy.door(key.door) {
            let (door, address) = (door.name.as_str(), key.address);
            self.log.write_limited(&Event::Closed { door, address, after, ending }, now);
        }
    }

    /// Records that a lease ends, before its entry is deleted: a lease that ended
    /// early must not come back after a crash.
    fn note_end(&mut self, key: LeaseKey, deleted: Option<Slot>) {
        match (deleted, self.leases.slot(&key)) {
            (_, Some(slot)) if self.books.suspends() => {
                self.books.suspend_after(key, slot);
                if deleted.is_none() && !self.leases.is_held(&key) {
                    // It is not ours: nothing will be deleted.
                    self.books.gone(slot);
                }
            }
            (Some(slot), _) => self.books.closing(key, slot),
            (None, _) => self.books.free(key),
        }
    }

    /// Ends the connections of deleted entries, for every door of their table
    /// that wants it. Call it after all entries of a round are deleted: a new
    /// packet would make a state again.
    pub(super) fn kill_states(&mut self, policy: &Policy, gone: &[Slot], now: Monotonic) {
        for slot in gone {
            let table = self.tables.names().get(slot.table).cloned();
            let doors = policy.doors.iter().filter(|door| table.as_ref() == Some(&door.table));
            for door in doors.filter(|door| door.on_close == OnClose::KillStates) {
                self.tables.kill(door, slot.entry, now);
            }
        }
    }
}
