//! Who else knows of an entry: the parent, which takes out what a dead keeper
//! leaves, and the lease file, from which the next one goes on.
//!
//! Both are told before the kernel is: what they do not know of, nobody would
//! shut.

use std::collections::BTreeMap;
use std::io::{self, Stdin};

use crate::core::address::Entry;
use crate::core::door::Table;
use crate::core::lease::LeaseKey;
use crate::keep::leases::{LeaseFile, Record};
use crate::message::channel::{Broken, Channel};
use crate::message::parent::FromKeeper;

/// An entry of a table.
pub type Slot = (Table, Entry);

/// The parent and the lease file, as far as there are any.
#[derive(Default)]
pub struct Books {
    parent: Option<Channel<Stdin>>,
    file: Option<LeaseFile>,
    /// What the file said last when it could not be written; said once.
    trouble: Option<io::Error>,
    numbers: BTreeMap<Table, u16>,
    /// Leases whose entry should be out and is not.
    pending: BTreeMap<Slot, Vec<LeaseKey>>,
    /// Whether leases are to stay in the file when their entries go.
    rests: bool,
}

impl Books {
    /// Books that the parent reads.
    #[must_use]
    pub fn of_parent(parent: Channel<Stdin>) -> Self {
        Self { parent: Some(parent), ..Self::default() }
    }

    /// The parent.
    pub const fn parent(&mut self) -> Option<&mut Channel<Stdin>> {
        self.parent.as_mut()
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

    /// Why they are not any more, if that is news.
    pub const fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Gives every table a number that the parent knows it by. Those that had
    /// one keep it: entries may be on their way out of tables that no door has
    /// any more.
    ///
    /// # Errors
    /// The parent's.
    pub fn name(&mut self, tables: &[Table]) -> Result<(), Broken> {
        for table in tables {
            let next = u16::try_from(self.numbers.len()).map_err(|_| Broken::Senseless)?;
            let number = *self.numbers.entry(table.clone()).or_insert(next);
            self.tell(&FromKeeper::Table { number, table: table.clone() })?;
        }
        Ok(())
    }

    /// An entry is about to be put into its table for a lease, or is found to
    /// stand there.
    ///
    /// # Errors
    /// The parent's: then it must not be put there.
    pub fn intend(&mut self, record: Record, slot: &Slot) -> Result<(), Broken> {
        self.note_owner(slot, record.foreign)?;
        self.pending.remove(slot);
        self.write(|file| file.intend(record));
        Ok(())
    }

    /// Whose an entry is.
    ///
    /// # Errors
    /// The parent's.
    pub fn note_owner(&mut self, (table, entry): &Slot, foreign: bool) -> Result<(), Broken> {
        let Some(table) = self.numbers.get(table).copied() else { return Ok(()) };
        self.tell(&FromKeeper::Intend { table, entry: *entry, foreign })
    }

    /// A lease lives, or lives longer.
    pub fn commit(&mut self, record: Record) {
        self.write(|file| file.commit(record));
    }

    /// A lease ended, and its entry is about to be taken out.
    pub fn closing(&mut self, key: LeaseKey, slot: &Slot) {
        self.write(|file| file.closing(key));
        self.pending.entry(slot.clone()).or_default().push(key);
    }

    /// A lease ended that leaves no entry, or never lived.
    pub fn free(&mut self, key: LeaseKey) {
        self.write(|file| file.free(key));
    }

    /// An entry is out.
    pub fn gone(&mut self, slot: &Slot) {
        for key in self.pending.remove(slot).unwrap_or_default() {
            if self.rests {
                self.write(|file| file.suspend(key));
            } else {
                self.free(key);
            }
        }
        let (table, entry) = slot;
        if let Some(table) = self.numbers.get(table).copied() {
            // A parent that is gone will not shut what is shut.
            drop(self.tell(&FromKeeper::Gone { table, entry: *entry }));
        }
    }

    /// All entries are about to be taken out, and the leases to stay.
    pub const fn rest(&mut self) {
        self.rests = true;
    }

    /// Whether leases stay in the file when their entries go.
    #[must_use]
    pub const fn rests(&self) -> bool {
        self.rests
    }

    /// The lease rests as soon as its entry is out. Until then the next run
    /// finds it as it lived, and its entry as ours.
    pub fn resting(&mut self, key: LeaseKey, slot: &Slot) {
        self.pending.entry(slot.clone()).or_default().push(key);
    }

    fn write(&mut self, write: impl FnOnce(&mut LeaseFile) -> io::Result<()>) {
        if let Some(file) = &mut self.file
            && let Err(error) = write(file)
        {
            self.file = None;
            self.trouble = Some(error);
        }
    }

    fn tell(&mut self, message: &FromKeeper) -> Result<(), Broken> {
        self.parent.as_mut().map_or(Ok(()), |parent| parent.send(message, None))
    }
}
