//! The entries that are ours, as the keeper announced them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::address::Entry;
use crate::core::door::Table;

/// What a keeper that dies leaves in the kernel's tables.
#[derive(Debug, Default)]
pub struct Owned {
    tables: BTreeMap<u16, Arc<Table>>,
    entries: BTreeSet<(Arc<Table>, Entry)>,
}

impl Owned {
    /// The keeper calls `table` by `number` from now on.
    pub fn name(&mut self, number: u16, table: Table) {
        self.tables.insert(number, Arc::new(table));
    }

    /// The table that the keeper calls by `number`.
    #[must_use]
    pub fn table(&self, number: u16) -> Option<&Table> {
        self.tables.get(&number).map(Arc::as_ref)
    }

    /// An entry is about to be ours, or is found to be somebody else's.
    pub fn intend(&mut self, number: u16, entry: Entry, foreign: bool) {
        let Some(table) = self.tables.get(&number) else { return };
        let slot = (Arc::clone(table), entry);
        if foreign {
            self.entries.remove(&slot);
        } else {
            self.entries.insert(slot);
        }
    }

    /// An entry is out.
    pub fn gone(&mut self, number: u16, entry: Entry) {
        if let Some(table) = self.tables.get(&number) {
            self.entries.remove(&(Arc::clone(table), entry));
        }
    }

    /// All that is ours, and is not any more.
    #[must_use]
    pub fn take(&mut self) -> BTreeSet<(Arc<Table>, Entry)> {
        std::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Table {
        Table { anchor: None, name: name.into() }
    }

    fn entry(last: u8) -> Entry {
        Entry::host([192, 0, 2, last].into())
    }

    fn left(mut owned: Owned) -> Vec<String> {
        owned.take().iter().map(|(table, entry)| format!("{} {entry}", table.name)).collect()
    }

    #[test]
    fn what_was_intended_and_is_not_gone_is_ours() {
        let mut owned = Owned::default();
        owned.name(0, table("ssh"));
        owned.name(1, table("web"));
        owned.intend(0, entry(7), false);
        owned.intend(0, entry(8), false);
        owned.intend(1, entry(7), false);
        owned.gone(0, entry(8));
        assert_eq!(left(owned), ["ssh 192.0.2.7", "web 192.0.2.7"]);
    }

    #[test]
    fn what_stood_before_us_is_left_alone() {
        let mut owned = Owned::default();
        owned.name(0, table("ssh"));
        owned.intend(0, entry(7), true);
        owned.intend(0, entry(8), false);
        owned.intend(0, entry(8), true);
        assert!(left(owned).is_empty());
    }

    #[test]
    fn entries_keep_their_table_when_numbers_change() {
        let mut owned = Owned::default();
        owned.name(0, table("ssh"));
        owned.intend(0, entry(7), false);
        owned.name(0, table("web"));
        owned.intend(9, entry(9), false);
        assert_eq!(left(owned), ["ssh 192.0.2.7"]);
    }
}
