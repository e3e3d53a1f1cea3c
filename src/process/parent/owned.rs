//! The entries that are ours, as the keeper announced them.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::slot::{Slot, TableIndex};

/// What a keeper that dies leaves in the tables. Every keeper numbers tables by
/// itself; here they have the parent's own indices.
#[derive(Debug, Default)]
pub struct Owned {
    tables: BTreeMap<TableIndex, TableIndex>,
    entries: BTreeSet<Slot>,
}

impl Owned {
    /// The keeper's index `theirs` means the table `ours` from now on.
    pub fn name(&mut self, theirs: TableIndex, ours: TableIndex) {
        self.tables.insert(theirs, ours);
    }

    /// Records that an entry is about to be ours, or is not. Returns it by our own
    /// index, if the keeper has named its table.
    pub fn intend(&mut self, slot: Slot, foreign: bool) -> Option<Slot> {
        let slot = self.translate(slot)?;
        if foreign {
            self.entries.remove(&slot);
        } else {
            self.entries.insert(slot);
        }
        Some(slot)
    }

    /// Records that an entry was deleted.
    pub fn gone(&mut self, slot: Slot) {
        if let Some(slot) = self.translate(slot) {
            self.entries.remove(&slot);
        }
    }

    /// Takes all that is ours.
    #[must_use]
    pub fn take(&mut self) -> BTreeSet<Slot> {
        std::mem::take(&mut self.entries)
    }

    fn translate(&self, slot: Slot) -> Option<Slot> {
        self.tables.get(&slot.table).map(|table| Slot { table: *table, ..slot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::address::Entry;

    fn slot(table: u32, last: u8) -> Slot {
        Slot { table: TableIndex(table), entry: Entry::host([192, 0, 2, last].into()) }
    }

    /// The keeper's tables 0 and 1 are ours, 10 and 11.
    fn owned() -> Owned {
        let mut owned = Owned::default();
        owned.name(TableIndex(0), TableIndex(10));
        owned.name(TableIndex(1), TableIndex(11));
        owned
    }

    fn left(mut owned: Owned) -> Vec<Slot> {
        owned.take().into_iter().collect()
    }

    #[test]
    fn what_was_intended_and_not_deleted_is_ours() {
        let mut owned = owned();
        assert_eq!(owned.intend(slot(0, 7), false), Some(slot(10, 7)));
        owned.intend(slot(0, 8), false);
        owned.intend(slot(1, 7), false);
        owned.gone(slot(0, 8));
        assert_eq!(left(owned), [slot(10, 7), slot(11, 7)]);
    }

    #[test]
    fn what_was_there_before_us_is_left_alone() {
        let mut owned = owned();
        owned.intend(slot(0, 7), true);
        owned.intend(slot(0, 8), false);
        owned.intend(slot(0, 8), true);
        assert!(left(owned).is_empty());
    }

    #[test]
    fn entries_keep_their_table_when_another_keeper_numbers_them() {
        let mut owned = owned();
        owned.intend(slot(0, 7), false);
        owned.name(TableIndex(0), TableIndex(12));
        assert_eq!(owned.intend(slot(9, 9), false), None);
        assert_eq!(left(owned), [slot(10, 7)]);
    }
}
