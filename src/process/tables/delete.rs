//! Deletes entries, again and again until they are gone.

use std::time::Duration;

use super::{Tables, by_table};
use crate::core::slot::Slot;
use crate::core::time::Monotonic;
use crate::firewall::{BATCH, Deleted, FirewallErrorKind};
use crate::log::event::Event;

/// How soon a deletion that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

impl Tables {
    /// Deletes entries. Returns those that are gone. The others may still be there:
    /// they are tried again until they are gone, and the first failure of each
    /// table is logged. A missing table holds no entry.
    pub fn delete(&mut self, slots: &[Slot], now: Monotonic) -> Vec<(Slot, Deleted)> {
        let mut gone = Vec::with_capacity(slots.len());
        for (index, entries) in by_table(slots) {
            let Some(table) = self.names.get(index) else { continue };
            let parts = entries.chunks(BATCH);
            let outcomes = parts.flat_map(|part| self.firewall.delete_all(table, part));
            for (entry, deleted) in outcomes {
                let slot = Slot { table: index, entry };
                match deleted {
                    Err(error) if error.kind != FirewallErrorKind::Missing => {
                        if !self.stuck.keys().any(|other| other.table == index) {
                            let error = &error.why();
                            self.log.write(&Event::CannotDelete { entry, table, error });
                        }
                        self.stuck.insert(slot, now + RETRY_INTERVAL);
                    }
                    deleted => {
                        self.stuck.remove(&slot);
                        gone.push((slot, deleted.unwrap_or(Deleted::Absent)));
                    }
                }
            }
        }
        gone
    }

    /// Tries again to delete what is due, a batch of it. Returns what is gone.
    pub fn retry(&mut self, now: Monotonic) -> Vec<Slot> {
        let due = self.stuck.iter().filter(|(_, due)| **due <= now).take(BATCH);
        let due: Vec<_> = due.map(|(slot, _)| *slot).collect();
        let gone: Vec<_> = self.delete(&due, now).into_iter().map(|(slot, _)| slot).collect();
        for slot in &gone {
            if let Some(table) = self.names.get(slot.table) {
                self.log.write_limited(&Event::Deleted { entry: slot.entry, table }, now);
            }
        }
        gone
    }

    /// Makes all that is stuck due.
    pub fn retry_at_once(&mut self, now: Monotonic) {
        self.stuck.values_mut().for_each(|due| *due = now);
    }

    /// How many entries could not be deleted.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.stuck.len()
    }

    /// When [`Self::retry`] has something to do.
    #[must_use]
    pub fn next_retry(&self) -> Option<Monotonic> {
        self.stuck.values().min().copied()
    }
}
