//! The kernel's tables over time: what could not be taken out yet, and which
//! tables went and came back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::reference::Reference;
use crate::core::address::Entry;
use crate::core::door::{Door, Table};
use crate::core::reason::Reason;
use crate::core::time::Monotonic;
use crate::firewall::{Added, Error, Firewall, Kill, Kind};
use crate::log::Log;
use crate::log::event::Event;

/// How soon a deletion that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The firewall, and what is known of its tables.
pub struct Tables {
    firewall: Box<dyn Firewall>,
    /// Those that could not be used when last looked at.
    unusable: BTreeSet<Table>,
    /// Entries that should be gone and are not, and when to try again.
    stuck: BTreeMap<(Table, Entry), Monotonic>,
    creates_missing: bool,
    reference: Option<Reference>,
}

impl Tables {
    /// Tables of `firewall`, of which nothing is known yet.
    #[must_use]
    pub fn new(firewall: Box<dyn Firewall>) -> Self {
        Self {
            firewall,
            unusable: BTreeSet::new(),
            stuck: BTreeMap::new(),
            creates_missing: false,
            reference: None,
        }
    }

    /// Has tables that are missing made.
    pub const fn create_missing(&mut self) {
        self.creates_missing = true;
    }

    /// Has the filter enabled until [`Self::release`], by a reference kept in
    /// the directory `run`.
    ///
    /// # Errors
    /// Why it could not be enabled.
    pub fn enable(&mut self, run: &Path) -> Result<(), String> {
        self.reference = Some(Reference::take(self.firewall.as_mut(), run)?);
        Ok(())
    }

    /// Says what keeps `tables` or the rules on `interfaces` from working, and
    /// whether the states of `killer`'s connections cannot be killed.
    ///
    /// # Errors
    /// When the system does not let us use the firewall at all.
    pub fn survey(
        &mut self,
        tables: &[Table],
        interfaces: &[String],
        killer: Option<&Door>,
        log: &mut Log,
    ) -> Result<(), Error> {
        for table in tables {
            match self.firewall.probe(table) {
                Err(error) if error.kind == Kind::Denied => return Err(error),
                _ => {}
            }
        }
        match self.firewall.review(tables, interfaces) {
            Ok(warnings) => {
                for warning in warnings {
                    log.say(&Event::Useless { warning: &warning });
                }
            }
            Err(error) => log.say(&Event::CannotReview { error: &error }),
        }
        if let Some(door) = killer
            && let Err(error) = self.firewall.kill(&Kill::nothing())
        {
            log.say(&Event::CannotKill { door: &door.name, error: &error });
        }
        Ok(())
    }

    /// Puts an entry into the kernel. `is_held` says that live leases hold it
    /// already: it should stand there, but may have been flushed.
    ///
    /// # Errors
    /// [`Reason::Full`] or [`Reason::Failed`]; what failed has been said.
    pub fn add(
        &mut self,
        table: &Table,
        entry: Entry,
        is_held: bool,
        now: Monotonic,
        log: &mut Log,
    ) -> Result<Added, Reason> {
        let was_stuck = self.stuck.remove(&(table.clone(), entry)).is_some();
        match self.firewall.add(table, entry) {
            Ok(Added::Present) if !was_stuck => {
                if !is_held {
                    log.say_often(&Event::Foreign { entry, table }, now);
                }
                Ok(Added::Present)
            }
            Ok(_) => Ok(Added::Added),
            Err(error) => {
                self.say_cannot_add(table, entry, &error, now, log);
                if !is_held && (was_stuck || error.kind == Kind::Unanswered) {
                    // It may stand there, and nobody would hold it.
                    self.stuck.insert((table.clone(), entry), now);
                }
                Err(if error.kind == Kind::Full { Reason::Full } else { Reason::Failed })
            }
        }
    }

    /// A table that cannot be used is said once, not with every entry.
    fn say_cannot_add(
        &mut self,
        table: &Table,
        entry: Entry,
        error: &Error,
        now: Monotonic,
        log: &mut Log,
    ) {
        if error.kind != Kind::Missing {
            log.say_often(&Event::CannotAdd { entry, table, error }, now);
        } else if self.unusable.insert(table.clone()) {
            log.say(&Event::TableUnusable { table, error });
        }
    }

    /// Takes an entry out of the kernel. A missing table holds no entry; any
    /// other failure is tried again until it succeeds, and said once.
    pub fn delete(&mut self, table: &Table, entry: Entry, now: Monotonic, log: &mut Log) {
        let slot = (table.clone(), entry);
        match self.firewall.delete(table, entry) {
            Err(error) if error.kind != Kind::Missing => {
                if self.stuck.insert(slot, now + RETRY_INTERVAL).is_none() {
                    log.say_often(&Event::CannotDelete { entry, table, error: &error }, now);
                }
            }
            _ => {
                self.stuck.remove(&slot);
            }
        }
    }

    /// Tries again to delete what is due.
    pub fn retry(&mut self, now: Monotonic, log: &mut Log) {
        let due = self.stuck.iter().filter(|(_, due)| **due <= now);
        for (table, entry) in due.map(|(slot, _)| slot.clone()).collect::<Vec<_>>() {
            self.delete(&table, entry, now, log);
        }
    }

    /// Tries once more to delete everything, whether due or not. Returns how
    /// many entries are left.
    pub fn retry_all(&mut self, now: Monotonic, log: &mut Log) -> usize {
        self.stuck.values_mut().for_each(|due| *due = now);
        self.retry(now, log);
        self.stuck.len()
    }

    /// When [`Self::retry`] has something to do.
    #[must_use]
    pub fn next_retry(&self) -> Option<Monotonic> {
        self.stuck.values().min().copied()
    }

    /// Ends the connections of `address` through `door`.
    pub fn kill(&mut self, door: &Door, address: IpAddr, now: Monotonic, log: &mut Log) {
        let kill = Kill { address, ports: door.ports.clone(), rdomain: door.rdomain };
        let door = door.name.as_str();
        match self.firewall.kill(&kill) {
            Ok(0) => {}
            Ok(states) => log.say_often(&Event::Killed { door, address, states }, now),
            Err(error) => log.say_often(&Event::CannotKill { door, error: &error }, now),
        }
    }

    /// Whether some table could not be used when last looked at.
    #[must_use]
    pub fn is_any_unusable(&self) -> bool {
        !self.unusable.is_empty()
    }

    /// Looks at `table`, which should hold `ours`. One that went is said; one
    /// that came back or was emptied gets them again. Returns the entries that
    /// somebody took out one by one: they are revoked.
    pub fn check(&mut self, table: &Table, ours: &[Entry], log: &mut Log) -> Vec<Entry> {
        let was_usable = !self.unusable.contains(table);
        match self.probe_or_create(table, log) {
            Err(error) => {
                if self.unusable.insert(table.clone()) {
                    log.say(&Event::TableUnusable { table, error: &error });
                }
                return Vec::new();
            }
            Ok(()) if !was_usable => {
                self.unusable.remove(table);
                let restored = self.restore(table, ours, log);
                log.say(&Event::TableBack { table, restored });
                return Vec::new();
            }
            Ok(()) if ours.is_empty() => return Vec::new(),
            Ok(()) => {}
        }
        let Ok(standing) = self.firewall.list(table) else { return Vec::new() };
        if standing.is_empty() {
            let restored = self.restore(table, ours, log);
            log.say(&Event::TableEmptied { table, restored });
            return Vec::new();
        }
        let standing: BTreeSet<_> = standing.into_iter().collect();
        ours.iter().filter(|entry| !standing.contains(entry)).copied().collect()
    }

    fn probe_or_create(&mut self, table: &Table, log: &mut Log) -> Result<(), Error> {
        match self.firewall.probe(table) {
            Err(error) if error.kind == Kind::Missing && self.creates_missing => {
                self.firewall.create(table)?;
                log.say(&Event::TableCreated { table });
                Ok(())
            }
            probed => probed,
        }
    }

    fn restore(&mut self, table: &Table, ours: &[Entry], log: &mut Log) -> usize {
        let mut restored = 0;
        for entry in ours {
            match self.firewall.add(table, *entry) {
                Ok(_) => restored += 1,
                Err(error) => {
                    log.say(&Event::CannotAdd { entry: *entry, table, error: &error });
                    break;
                }
            }
        }
        restored
    }

    /// Gives back the reference that keeps the filter enabled, if one is held.
    pub fn release(&mut self, log: &mut Log) {
        if let Some(reference) = self.reference.take()
            && let Err(error) = reference.give_back(self.firewall.as_mut())
        {
            log.say(&Event::CannotRelease { error: &error });
        }
    }
}
