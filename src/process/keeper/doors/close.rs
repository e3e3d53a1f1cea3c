//! How leases end: by their deadline, by order, or with the daemon.

use std::iter;
use std::rc::Rc;
use std::time::Duration;

use super::{Doors, Killers};
use crate::core::lease::{Closed, LeaseKey};
use crate::core::policy::Policy;
use crate::core::slot::Slot;
use crate::core::time::Monotonic;
use crate::faults;
use crate::firewall::BATCH;
use crate::log::event::{Ending, Event};
use crate::message::runner::Occasion;

impl Doors {
    /// Does what is due: ends leases, tries again to delete entries, checks
    /// tables. Of many leases it ends a batch; the rest is still due, so messages
    /// that wait for the next turn do not wait for all of them.
    pub fn tick(&mut self, now: Monotonic) {
        let ended = iter::from_fn(|| self.leases.expire(now)).take(BATCH).collect();
        let mut gone = self.close(ended, Ending::Expired, now);
        gone.append(&mut self.retry(now));
        self.kill_states(&gone, now);
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
        loop {
            let ended: Vec<_> = iter::from_fn(|| self.leases.close_any()).take(BATCH).collect();
            if ended.is_empty() {
                break;
            }
            gone.append(&mut self.close(ended, Ending::Stopped, now));
        }
        self.tables.retry_at_once(now);
        while self.tables.next_retry().is_some_and(|due| due <= now) {
            gone.append(&mut self.retry(now));
        }
        self.kill_states(&gone, now);
        self.tables.release();
        self.tables.stuck()
    }

    /// Tries again to delete what could not be deleted. Returns what could be.
    fn retry(&mut self, now: Monotonic) -> Vec<Slot> {
        let gone = self.tables.retry(now);
        self.books.gone(&gone);
        gone
    }

    /// Closes the leases of `keys`. Returns the entries that are deleted.
    pub(super) fn close_keys(
        &mut self,
        keys: &[LeaseKey],
        ending: Ending,
        now: Monotonic,
    ) -> Vec<Slot> {
        let mut gone = Vec::new();
        for keys in keys.chunks(BATCH) {
            let ended = keys.iter().filter_map(|key| self.leases.close(*key)).collect();
            gone.append(&mut self.close(ended, ending, now));
        }
        gone
    }

    /// Deletes the entries of leases that ended, as far as no other lease needs
    /// them. Returns the entries that are deleted.
    ///
    /// All leases take each step together, in the order of one: the books know of
    /// the end, the entry is deleted, the books forget the lease. So at each step
    /// every entry that may be in its table is in the books as well.
    pub(super) fn close(
        &mut self,
        ended: Vec<Closed>,
        ending: Ending,
        now: Monotonic,
    ) -> Vec<Slot> {
        let policy = self.policy();
        let run = |doors: &mut Self, Closed { key, lease, .. }: &Closed| {
            let (after, held) = (now.since(lease.opened), (*key, lease.holder));
            doors.run(&policy, Occasion::Close, held, after, now);
        };
        // Before the books forget the lease: a crash in between runs the command
        // again, and does not lose it.
        ended.iter().filter(|closed| closed.slot.is_none()).for_each(|each| run(self, each));
        self.note_ends(&ended, ending);
        let slots: Vec<_> = ended.iter().filter_map(|closed| closed.slot).collect();
        let mut gone = Vec::new();
        if !slots.is_empty() {
            faults::point("closing");
            gone = self.tables.delete(&slots, now).into_iter().map(|(slot, _)| slot).collect();
            faults::point("deleted");
            ended.iter().filter(|each| each.slot.is_some()).for_each(|each| run(self, each));
            self.books.gone(&gone);
        }
        for Closed { key, lease, .. } in ended {
            self.report_closed(&policy, key, now.since(lease.opened), ending, now);
        }
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

    /// Records that leases end, before their entries are deleted: a lease that ended
    /// early must not come back after a crash. One after its deadline does not.
    fn note_ends(&mut self, ended: &[Closed], ending: Ending) {
        let (mut closing, mut free, mut not_ours) = (Vec::new(), Vec::new(), Vec::new());
        for Closed { key, slot: deleted, .. } in ended {
            match (*deleted, self.leases.slot(key)) {
                (_, Some(slot)) if self.books.suspends() => {
                    self.books.suspend_after(*key, slot);
                    if deleted.is_none() && !self.leases.is_held(key) {
                        not_ours.push(slot);
                    }
                }
                (Some(slot), _) if ending == Ending::Expired => {
                    self.books.expired(*key, slot);
                }
                (Some(slot), _) => closing.push((*key, slot)),
                (None, _) => free.push(*key),
            }
        }
        self.books.closing(&closing);
        self.books.free(&free);
        // Nothing will be deleted.
        self.books.gone(&not_ours);
    }

    /// Ends the connections of deleted entries, for every door of their table
    /// that wants it. Call it after all entries of a round are deleted: a new
    /// packet would make a state again.
    pub(super) fn kill_states(&mut self, gone: &[Slot], now: Monotonic) {
        self.kill_states_of(&Rc::clone(&self.killers), gone, now);
    }

    /// The same for doors of an earlier configuration.
    pub(super) fn kill_states_of(&mut self, killers: &Killers, gone: &[Slot], now: Monotonic) {
        for slot in gone {
            for door in killers.get(&slot.table).into_iter().flatten() {
                self.tables.kill(door, slot.entry, now);
            }
        }
    }
}
