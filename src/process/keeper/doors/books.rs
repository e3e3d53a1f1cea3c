//! Others that know of an entry: the parent, which deletes what a dead keeper
//! leaves, and the lease file, from which the next keeper continues.
//!
//! Both know of an entry before the kernel does: nobody would delete one that
//! they do not know.

use std::collections::BTreeMap;
use std::io;

use crate::core::lease::LeaseKey;
use crate::core::slot::{Slot, TableList};
use crate::keep::leases::{LeaseFile, Record};
use crate::message::channel::Broken;
use crate::message::parent::FromKeeper;
use crate::process::keeper::parent::Parent;

/// The parent and the lease file, if there are any.
#[derive(Default)]
pub struct Books {
    parent: Option<Parent>,
    file: Option<LeaseFile>,
    /// The error of the last write to the file, until it is reported.
    trouble: Option<io::Error>,
    /// Leases that ended, whose entry is not deleted yet.
    pending: BTreeMap<Slot, Vec<LeaseKey>>,
    /// Whether leases stay in the file when their entries are deleted.
    suspends: bool,
}

impl Books {
    /// Books that the parent reads.
    pub(in crate::process::keeper) fn of_parent(parent: Parent) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    /// Keeps leases in `file` from now on, or in none.
    pub fn keep_in(&mut self, file: io::Result<LeaseFile>) {
        match file {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                self.file = None;
                self.trouble = Some(error);
            }
        }
    }

    /// Whether leases are kept in a file.
    #[must_use]
    pub const fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Why the file could not be written, once for each failure.
    pub const fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Sends the parent the names of all `tables`.
    ///
    /// # Errors
    /// The parent's.
    pub fn announce(&self, tables: &TableList) -> Result<(), Broken> {
        tables.iter().try_for_each(|(index, table)| {
            self.send(&[FromKeeper::Table { index, table: table.clone() }])
        })
    }

    /// Records that an entry is about to be added for a lease, or was found in
    /// its table.
    ///
    /// # Errors
    /// The parent's: then it must not be added.
    pub fn intend(&mut self, record: Record, slot: Slot) -> Result<(), Broken> {
        self.note_owner(slot, record.foreign)?;
        self.pending.remove(&slot);
        self.write(|file| file.intend(record));
        Ok(())
    }

    /// Records whether an entry is ours.
    ///
    /// # Errors
    /// The parent's.
    pub fn note_owner(&self, slot: Slot, foreign: bool) -> Result<(), Broken> {
        self.send(&[FromKeeper::Intend { slot, foreign }])
    }

    /// Records that entries are ours, before they are added.
    ///
    /// # Errors
    /// The parent's.
    pub fn own(&self, slots: &[Slot]) -> Result<(), Broken> {
        let intend = |slot: &Slot| FromKeeper::Intend { slot: *slot, foreign: false };
        self.send(&slots.iter().map(intend).collect::<Vec<_>>())
    }

    /// Records a lease, or its later deadline.
    pub fn commit(&mut self, record: Record) {
        self.write(|file| file.commit(record));
    }

    /// Records that leases ended, and that their entries are about to be deleted.
    pub fn closing(&mut self, ended: &[(LeaseKey, Slot)]) {
        let keys: Vec<_> = ended.iter().map(|(key, _)| *key).collect();
        self.write(|file| file.closing(&keys));
        for (key, slot) in ended {
            self.expired(*key, *slot);
        }
    }

    /// The same for a lease after its deadline, which the file shows: the next run
    /// deletes its entry and does not continue it.
    pub fn expired(&mut self, key: LeaseKey, slot: Slot) {
        self.pending.entry(slot).or_default().push(key);
    }

    /// Removes leases that leave no entry.
    pub fn free(&mut self, keys: &[LeaseKey]) {
        self.write(|file| file.free(keys));
    }

    /// Records that entries are deleted, and removes or suspends the leases that
    /// waited for that.
    pub fn gone(&mut self, slots: &[Slot]) {
        let waited = slots.iter().filter_map(|slot| self.pending.remove(slot));
        let keys: Vec<_> = waited.flatten().collect();
        if self.suspends {
            self.write(|file| file.suspend(&keys));
        } else {
            self.free(&keys);
        }
        let gone = |slot: &Slot| FromKeeper::Gone { slot: *slot };
        // A parent that is gone will not delete them again.
        drop(self.send(&slots.iter().map(gone).collect::<Vec<_>>()));
    }

    /// Leases stay in the file from now on when their entries are deleted.
    pub const fn suspend(&mut self) {
        self.suspends = true;
    }

    /// Whether leases stay in the file when their entries are deleted.
    #[must_use]
    pub const fn suspends(&self) -> bool {
        self.suspends
    }

    /// Suspends a lease as soon as its entry is deleted. Until then the next run
    /// finds the lease alive, and its entry as ours.
    pub fn suspend_after(&mut self, key: LeaseKey, slot: Slot) {
        self.pending.entry(slot).or_default().push(key);
    }

    fn write(&mut self, write: impl FnOnce(&mut LeaseFile) -> io::Result<()>) {
        if let Some(file) = &mut self.file
            && let Err(error) = write(file)
        {
            self.file = None;
            self.trouble = Some(error);
        }
    }

    fn send(&self, messages: &[FromKeeper]) -> Result<(), Broken> {
        self.parent.as_ref().map_or(Ok(()), |parent| parent.send_all(messages))
    }
}
