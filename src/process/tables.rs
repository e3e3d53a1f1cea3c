//! The kernel's tables over time: what could not be taken out yet, and which
//! tables went and came back.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Those that could not be used when last looked at, or that did not get
    /// all their entries again.
    unusable: BTreeSet<Table>,
    /// What a review found and what could not be listed, as it was said.
    complaints: BTreeSet<String>,
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
            complaints: BTreeSet::new(),
            stuck: BTreeMap::new(),
            creates_missing: false,
            reference: None,
        }
    }

    /// Whether tables that are missing are made.
    pub const fn create_missing(&mut self, wanted: bool) {
        self.creates_missing = wanted;
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

    /// Tries whether the system lets us use `tables` at all, and says it when
    /// it does not let us kill the states of `killer`'s connections.
    ///
    /// # Errors
    /// When it does not let us use the tables.
    pub fn survey(
        &mut self,
        tables: &[Table],
        killer: Option<&Door>,
        log: &mut Log,
    ) -> Result<(), Error> {
        for table in tables {
            match self.firewall.probe(table) {
                Err(error) if error.kind == Kind::Denied => return Err(error),
                _ => {}
            }
        }
        if let Some(door) = killer
            && let Err(error) = self.firewall.kill(&Kill::nothing())
        {
            log.say(&Event::CannotKill { door: &door.name, error: &error });
        }
        Ok(())
    }

    /// Says what makes `tables` or the rules on `interfaces` useless, each
    /// once as long as it lasts.
    pub fn review(&mut self, tables: &[Table], interfaces: &[String], log: &mut Log) {
        let mut found = BTreeSet::new();
        match self.firewall.review(tables, interfaces) {
            Ok(warnings) => {
                for warning in warnings {
                    if !self.complaints.contains(&warning.to_string()) {
                        log.say(&Event::Useless { warning: &warning });
                    }
                    found.insert(warning.to_string());
                }
            }
            Err(error) => {
                if !self.complaints.contains(&error.to_string()) {
                    log.say(&Event::CannotReview { error: &error });
                }
                found.insert(error.to_string());
            }
        }
        self.complaints = found;
    }

    /// Whether somebody else's entry stands there. One of ours that could not
    /// be taken out is ours still.
    ///
    /// # Errors
    /// [`Reason::Failed`]; what failed has been said.
    pub fn stands(
        &mut self,
        table: &Table,
        entry: Entry,
        now: Monotonic,
        log: &mut Log,
    ) -> Result<bool, Reason> {
        if self.is_stuck(table, entry) {
            return Ok(false);
        }
        match self.firewall.holds(table, entry) {
            Ok(stands) => Ok(stands),
            // One that is yet to be made holds nothing.
            Err(error) if error.kind == Kind::Missing && self.creates_missing => Ok(false),
            Err(error) => {
                self.say_cannot_add(table, entry, &error, now, log);
                Err(Reason::Failed)
            }
        }
    }

    /// Whether an entry should be gone and is not.
    #[must_use]
    pub fn is_stuck(&self, table: &Table, entry: Entry) -> bool {
        self.stuck.contains_key(&(table.clone(), entry))
    }

    /// Another looks after an entry from now on.
    pub fn forget(&mut self, table: &Table, entry: Entry) {
        self.stuck.remove(&(table.clone(), entry));
    }

    /// The tables that could not be used when last looked at.
    pub fn unusable(&self) -> impl Iterator<Item = &Table> {
        self.unusable.iter()
    }

    /// What was found wrong when last looked at.
    pub fn complaints(&self) -> impl Iterator<Item = &str> {
        self.complaints.iter().map(String::as_str)
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
        match self.add_or_create(table, entry, log) {
            // A held entry stands, even where there is no room for another; if
            // it does not, the next look at the table will tell.
            Err(error) if is_held && error.kind == Kind::Full => Ok(Added::Present),
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

    fn add_or_create(
        &mut self,
        table: &Table,
        entry: Entry,
        log: &mut Log,
    ) -> Result<Added, Error> {
        match self.firewall.add(table, entry) {
            Err(error) if error.kind == Kind::Missing && self.creates_missing => {
                self.probe_or_create(table, log)?;
                self.firewall.add(table, entry)
            }
            added => added,
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

    /// Takes an entry out of the kernel; whether it is out. A missing table
    /// holds no entry; any other failure is tried again until it succeeds, and
    /// said for the first entry of its table.
    pub fn delete(
        &mut self,
        table: &Table,
        entry: Entry,
        now: Monotonic,
        log: &mut Log,
    ) -> bool {
        let slot = (table.clone(), entry);
        match self.firewall.delete(table, entry) {
            Err(error) if error.kind != Kind::Missing => {
                if !self.stuck.keys().any(|(other, _)| other == table) {
                    log.say(&Event::CannotDelete { entry, table, error: &error });
                }
                self.stuck.insert(slot, now + RETRY_INTERVAL);
                false
            }
            _ => {
                self.stuck.remove(&slot);
                true
            }
        }
    }

    /// Tries again to delete what is due; returns what is out at last.
    pub fn retry(&mut self, now: Monotonic, log: &mut Log) -> Vec<(Table, Entry)> {
        let due = self.stuck.iter().filter(|(_, due)| **due <= now);
        let mut due: Vec<_> = due.map(|(slot, _)| slot.clone()).collect();
        due.retain(|(table, entry)| {
            let is_out = self.delete(table, *entry, now, log);
            if is_out {
                log.say_often(&Event::Deleted { entry: *entry, table }, now);
            }
            is_out
        });
        due
    }

    /// Has everything that is stuck be due.
    pub fn hurry(&mut self, now: Monotonic) {
        self.stuck.values_mut().for_each(|due| *due = now);
    }

    /// How many entries should be gone and are not.
    #[must_use]
    pub fn left(&self) -> usize {
        self.stuck.len()
    }

    /// When [`Self::retry`] has something to do.
    #[must_use]
    pub fn next_retry(&self) -> Option<Monotonic> {
        self.stuck.values().min().copied()
    }

    /// Ends the connections of `entry` through `door`.
    pub fn kill(&mut self, door: &Door, entry: Entry, now: Monotonic, log: &mut Log) {
        let kill = Kill { entry, ports: door.ports.clone(), rdomain: door.rdomain };
        let door = door.name.as_str();
        match self.firewall.kill(&kill) {
            Ok(0) => {}
            Ok(states) => log.say_often(&Event::Killed { door, entry, states }, now),
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
                let restored = self.restore(table, ours, log);
                log.say(&Event::TableBack { table, restored });
                return Vec::new();
            }
            Ok(()) if ours.is_empty() => return Vec::new(),
            Ok(()) => {}
        }
        let standing: BTreeSet<_> = match self.firewall.list(table) {
            Ok(standing) => standing.into_iter().collect(),
            Err(error) => {
                if self.complaints.insert(error.to_string()) {
                    log.say(&Event::CannotReview { error: &error });
                }
                return Vec::new();
            }
        };
        let gone = ours.iter().filter(|entry| !standing.contains(entry));
        let gone: Vec<_> = gone.copied().collect();
        // Nobody takes all out one by one: the table was flushed or reloaded.
        let is_flushed = gone.len() == ours.len() && (gone.len() > 1 || standing.is_empty());
        if !is_flushed {
            return gone;
        }
        let restored = self.restore(table, ours, log);
        log.say(&Event::TableEmptied { table, restored });
        Vec::new()
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

    /// Puts our entries back, and says how many. What is left of them when one
    /// fails is tried again at the next look.
    fn restore(&mut self, table: &Table, ours: &[Entry], log: &mut Log) -> usize {
        self.unusable.remove(table);
        for (restored, entry) in ours.iter().enumerate() {
            if let Err(error) = self.firewall.add(table, *entry) {
                log.say(&Event::CannotAdd { entry: *entry, table, error: &error });
                self.unusable.insert(table.clone());
                return restored;
            }
        }
        ours.len()
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
