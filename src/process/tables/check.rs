//! Checks tables, and adds our entries again to those that were emptied.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Tables;
use crate::core::address::{Entry, Family};
use crate::core::door::Table;
use crate::core::slot::TableIndex;
use crate::core::time::Monotonic;
use crate::firewall::{BATCH, FirewallError, FirewallErrorKind, Trace};
use crate::log::event::Event;

/// How often a table is listed although nothing shows that others changed it.
pub const LIST_INTERVAL: Duration = Duration::from_secs(60);

/// What was known when a table was checked.
pub(super) struct Look {
    trace: Trace,
    at: Monotonic,
}

impl Tables {
    /// The `tables` that are to be checked: those that could not be used, and those
    /// that others may have changed since they were checked last. Listing a hundred
    /// thousand entries takes a tenth of a second.
    pub fn changed(
        &mut self,
        tables: &BTreeSet<TableIndex>,
        now: Monotonic,
    ) -> Vec<TableIndex> {
        // Before they are listed: a later change shows at the next check.
        let traces = self.firewall.traces(&self.named(tables));
        let mut changed = Vec::new();
        for (index, trace) in tables.iter().zip(traces) {
            let is_same = self.looks.get(index).is_some_and(|look| {
                Some(look.trace) == trace
                    && (look.trace.is_exact || now.since(look.at) < LIST_INTERVAL)
            });
            if is_same && !self.unusable.contains(index) {
                continue;
            }
            self.looks.remove(index);
            if let Some(trace) = trace {
                self.looks.insert(*index, Look { trace, at: now });
            }
            changed.push(*index);
        }
        changed
    }

    /// Has all tables checked again: doors may need something else of them.
    pub fn look_again(&mut self) {
        self.looks.clear();
    }

    /// The entries of a table, if it can be listed.
    pub fn list(&mut self, index: TableIndex) -> Option<BTreeSet<Entry>> {
        let table = self.names.get(index)?;
        Some(self.firewall.list(table).ok()?.into_iter().collect())
    }

    /// Checks a table, which should hold `ours` and networks of `families`. Logs one
    /// that cannot be used. One that came back or was flushed gets them again.
    /// Returns the entries that somebody deleted one by one: they are revoked.
    pub fn check(
        &mut self,
        index: TableIndex,
        ours: &[Entry],
        families: &[Family],
    ) -> Vec<Entry> {
        let Some(table) = &self.names.get(index).cloned() else { return Vec::new() };
        let was_usable = !self.unusable.contains(&index);
        match self.check_or_create(table, families) {
            Err(error) => {
                if self.unusable.insert(index) {
                    self.log.write(&Event::TableUnusable { table, error: &error.why() });
                }
                return Vec::new();
            }
            Ok(()) if !was_usable => {
                let restored = self.restore(index, table, ours);
                self.log.write(&Event::TableBack { table, restored });
                return Vec::new();
            }
            Ok(()) if ours.is_empty() => return Vec::new(),
            Ok(()) => {}
        }
        let listed: BTreeSet<_> = match self.firewall.list(table) {
            Ok(listed) => listed.into_iter().collect(),
            Err(error) => {
                self.looks.remove(&index);
                self.complaints.cannot_ask(Some(index), &error);
                return Vec::new();
            }
        };
        self.complaints.can_ask(Some(index));
        let gone: Vec<_> =
            ours.iter().filter(|entry| !listed.contains(entry)).copied().collect();
        // Nobody deletes all one by one: the table was flushed or reloaded.
        let is_flushed = gone.len() == ours.len() && (gone.len() > 1 || listed.is_empty());
        if !is_flushed {
            return gone;
        }
        let restored = self.restore(index, table, ours);
        self.log.write(&Event::TableEmptied { table, restored });
        Vec::new()
    }

    fn check_or_create(
        &mut self,
        table: &Table,
        families: &[Family],
    ) -> Result<(), FirewallError> {
        match self.firewall.check(table, families) {
            Err(error) if error.kind == FirewallErrorKind::Missing && self.creates_missing => {
                self.firewall.create(table)?;
                self.log.write(&Event::TableCreated { table });
                Ok(())
            }
            checked => checked,
        }
    }

    /// Adds our entries again, and returns how many. The rest, after a failure,
    /// is tried again at the next check.
    fn restore(&mut self, index: TableIndex, table: &Table, ours: &[Entry]) -> usize {
        self.unusable.remove(&index);
        let mut restored = 0;
        for part in ours.chunks(BATCH) {
            for (entry, added) in self.firewall.add_missing(table, part) {
                match added {
                    Ok(()) => restored += 1,
                    Err(error) => {
                        if self.unusable.insert(index) {
                            let error = &error.why();
                            self.log.write(&Event::CannotAdd { entry, table, error });
                        }
                    }
                }
            }
            if self.unusable.contains(&index) {
                break;
            }
        }
        restored
    }
}
