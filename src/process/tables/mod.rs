//! The tables of the firewall over time: entries that could not be deleted yet,
//! and tables that went and came back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

mod check;
mod delete;

use super::complaints::Complaints;
use super::reference::Reference;
use crate::core::address::Entry;
use crate::core::door::{Door, Table};
use crate::core::reason::Reason;
use crate::core::slot::{Slot, TableIndex, TableList};
use crate::core::time::Monotonic;
use crate::firewall::{Added, BATCH, Firewall, FirewallError, FirewallErrorKind, Kill};
use crate::log::Log;
use crate::log::event::Event;
use check::Look;

/// The firewall, and what is known of its tables.
pub struct Tables {
    firewall: Box<dyn Firewall>,
    names: TableList,
    /// Those that could not be used when they were checked last, or that did not
    /// get all their entries again.
    unusable: BTreeSet<TableIndex>,
    complaints: Complaints,
    /// What showed changes by others when each table was checked last.
    looks: BTreeMap<TableIndex, Look>,
    /// Entries that could not be deleted, and when to try again.
    stuck: BTreeMap<Slot, Monotonic>,
    creates_missing: bool,
    reference: Option<Reference>,
    log: Log,
}

impl Tables {
    /// Tables of `firewall`, of which nothing is known yet.
    #[must_use]
    pub fn new(firewall: Box<dyn Firewall>, log: Log) -> Self {
        Self {
            firewall,
            names: TableList::default(),
            unusable: BTreeSet::new(),
            complaints: Complaints::new(log.clone()),
            looks: BTreeMap::new(),
            stuck: BTreeMap::new(),
            creates_missing: false,
            reference: None,
            log,
        }
    }

    /// All tables that have an index.
    #[must_use]
    pub const fn names(&self) -> &TableList {
        &self.names
    }

    /// The same, to add others.
    pub const fn names_mut(&mut self) -> &mut TableList {
        &mut self.names
    }

    /// Whether to create missing tables.
    pub const fn create_missing(&mut self, wanted: bool) {
        self.creates_missing = wanted;
    }

    /// Keeps the filter enabled until [`Self::release`], by a reference that is
    /// recorded in the directory `run`.
    ///
    /// # Errors
    /// Why it could not be enabled.
    pub fn enable(&mut self, run: &Path) -> Result<(), String> {
        self.reference = Some(Reference::take(self.firewall.as_mut(), run)?);
        Ok(())
    }

    /// Gives back the reference that keeps the filter enabled, if one is held.
    pub fn release(&mut self) {
        if let Some(reference) = self.reference.take()
            && let Err(error) = reference.give_back(self.firewall.as_mut())
        {
            self.log.write(&Event::CannotRelease { error: &error.why() });
        }
    }

    /// Checks that the system lets us use `tables` at all, and logs it when it
    /// does not let us kill the states of `killer`'s connections.
    ///
    /// # Errors
    /// When it does not let us use the tables.
    pub fn survey(
        &mut self,
        tables: &BTreeSet<TableIndex>,
        killer: Option<&Door>,
    ) -> Result<(), FirewallError> {
        for table in self.named(tables) {
            match self.firewall.probe(&table) {
                Err(error) if error.kind == FirewallErrorKind::Denied => return Err(error),
                _ => {}
            }
        }
        if let Some(door) = killer
            && let Err(error) = self.firewall.kill(&Kill::nothing())
        {
            self.log.write(&Event::CannotKill { door: &door.name, error: &error.why() });
        }
        Ok(())
    }

    /// Logs what makes `tables` or the rules on `interfaces` useless, and when that
    /// is over.
    pub fn review(&mut self, tables: &BTreeSet<TableIndex>, interfaces: &[String]) {
        let tables = self.named(tables);
        match self.firewall.review(&tables, interfaces) {
            Ok(warnings) => {
                self.complaints.can_ask(None);
                self.complaints.review(warnings, &tables, interfaces);
            }
            Err(error) => self.complaints.cannot_ask(None, &error),
        }
    }

    /// Whether something was logged that may be over later.
    pub fn has_complaints(&self) -> bool {
        !self.unusable.is_empty() || !self.complaints.is_empty()
    }

    fn named(&self, tables: &BTreeSet<TableIndex>) -> Vec<Table> {
        tables.iter().filter_map(|index| self.names.get(*index)).cloned().collect()
    }

    /// Whether a table may hold a network and a part of it.
    pub fn nests_networks(&self) -> bool {
        self.firewall.nests_networks()
    }

    /// Whether an entry is in its table that is not ours. One that could not be
    /// deleted is still ours.
    ///
    /// # Errors
    /// [`Reason::Failed`]; the failure is logged.
    pub fn has_foreign(&mut self, slot: Slot, now: Monotonic) -> Result<bool, Reason> {
        if self.is_stuck(slot) {
            return Ok(false);
        }
        let table = self.names.get(slot.table).ok_or(Reason::Failed)?;
        match self.firewall.holds(table, slot.entry) {
            Ok(is_there) => Ok(is_there),
            // A table that is still to be created is empty.
            Err(error) if error.kind == FirewallErrorKind::Missing && self.creates_missing => {
                Ok(false)
            }
            Err(error) => {
                self.report_not_added(slot, &error, now);
                Err(Reason::Failed)
            }
        }
    }

    /// Whether an entry could not be deleted.
    #[must_use]
    pub fn is_stuck(&self, slot: Slot) -> bool {
        self.stuck.contains_key(&slot)
    }

    /// Leaves an entry to another process.
    pub fn forget(&mut self, slot: Slot) {
        self.stuck.remove(&slot);
    }

    /// The tables that could not be used when they were checked last.
    #[must_use]
    pub const fn unusable(&self) -> &BTreeSet<TableIndex> {
        &self.unusable
    }

    /// Adds an entry. `is_held` is whether live leases hold it: then it should be
    /// there, but may have been flushed.
    ///
    /// # Errors
    /// [`Reason::Full`] or [`Reason::Failed`]; the failure is logged.
    pub fn add(&mut self, slot: Slot, is_held: bool, now: Monotonic) -> Result<Added, Reason> {
        let was_stuck = self.stuck.remove(&slot).is_some();
        let table = self.names.get(slot.table).ok_or(Reason::Failed)?;
        let mut added = self.firewall.add(table, slot.entry);
        if let Err(error) = &added
            && error.kind == FirewallErrorKind::Missing
            && self.creates_missing
        {
            added = self.firewall.create(table).and_then(|()| {
                self.log.write(&Event::TableCreated { table });
                self.firewall.add(table, slot.entry)
            });
        }
        match added {
            // A held entry is there, even where there is no room for another; if
            // it is not, the next check of the table finds out.
            Err(error) if is_held && error.kind == FirewallErrorKind::Full => {
                Ok(Added::Present)
            }
            Ok(Added::Present) if !was_stuck => {
                if !is_held {
                    let event = Event::Foreign { entry: slot.entry, table };
                    self.log.write_limited(&event, now);
                }
                Ok(Added::Present)
            }
            Ok(_) => Ok(Added::Added),
            Err(error) => {
                self.report_not_added(slot, &error, now);
                if !is_held && (was_stuck || error.kind == FirewallErrorKind::Unanswered) {
                    // It may be there, and no lease would hold it.
                    self.stuck.insert(slot, now);
                }
                Err(if error.kind == FirewallErrorKind::Full {
                    Reason::Full
                } else {
                    Reason::Failed
                })
            }
        }
    }

    /// Adds entries that live leases hold. What cannot be added is logged; the next
    /// check of its table finds out whether it is there.
    pub fn add_held(&mut self, slots: &[Slot], now: Monotonic) {
        for (index, entries) in by_table(slots) {
            let Some(table) = self.names.get(index).cloned() else { continue };
            for part in entries.chunks(BATCH) {
                let mut outcomes = self.firewall.add_missing(&table, part);
                let is_missing =
                    |error: &FirewallError| error.kind == FirewallErrorKind::Missing;
                if self.creates_missing
                    && outcomes.iter().any(|(_, added)| added.as_ref().is_err_and(is_missing))
                    && self.firewall.create(&table).is_ok()
                {
                    self.log.write(&Event::TableCreated { table: &table });
                    outcomes = self.firewall.add_missing(&table, part);
                }
                for (entry, added) in outcomes {
                    let slot = Slot { table: index, entry };
                    self.stuck.remove(&slot);
                    if let Err(error) = added
                        && error.kind != FirewallErrorKind::Full
                    {
                        self.report_not_added(slot, &error, now);
                    }
                }
            }
        }
    }

    /// A table that cannot be used is logged once, not with every entry.
    fn report_not_added(&mut self, slot: Slot, error: &FirewallError, now: Monotonic) {
        let Some(table) = self.names.get(slot.table) else { return };
        if error.kind != FirewallErrorKind::Missing {
            let event = Event::CannotAdd { entry: slot.entry, table, error: &error.why() };
            self.log.write_limited(&event, now);
        } else if self.unusable.insert(slot.table) {
            self.log.write(&Event::TableUnusable { table, error: &error.why() });
        }
    }

    /// Ends the connections of `entry` through `door`.
    pub fn kill(&mut self, door: &Door, entry: Entry, now: Monotonic) {
        let kill = Kill { entry, ports: door.ports.clone(), rdomain: door.rdomain };
        let door = door.name.as_str();
        match self.firewall.kill(&kill) {
            Ok(0) => {}
            Ok(states) => self.log.write_limited(&Event::Killed { door, entry, states }, now),
            Err(error) => {
                let event = Event::CannotKill { door, error: &error.why() };
                self.log.write_limited(&event, now);
            }
        }
    }
}

/// The entries of `slots` by table.
fn by_table(slots: &[Slot]) -> BTreeMap<TableIndex, Vec<Entry>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for slot in slots {
        tables.entry(slot.table).or_default().push(slot.entry);
    }
    tables
}
