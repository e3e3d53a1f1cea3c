//! Slots: entries of tables in a form that is cheap to copy and to compare.

use std::collections::BTreeMap;

use super::address::Entry;
use super::door::Table;

/// A table, by its place in a [`TableList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableIndex(pub u32);

/// One entry of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The table.
    pub table: TableIndex,
    /// The entry.
    pub entry: Entry,
}

/// Tables, each once. None is ever removed, so an index stays valid across
/// reloads: entries may still have to be deleted from a table that no door names
/// any more.
#[derive(Debug, Clone, Default)]
pub struct TableList {
    all: Vec<Table>,
    indices: BTreeMap<Table, TableIndex>,
}

impl TableList {
    /// The index of `table`, which is added if it is new.
    pub fn index(&mut self, table: &Table) -> TableIndex {
        self.find(table).unwrap_or_else(|| {
            let index = TableIndex(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
            self.all.push(table.clone());
            self.indices.insert(table.clone(), index);
            index
        })
    }

    /// The index of `table`, if it is listed.
    #[must_use]
    pub fn find(&self, table: &Table) -> Option<TableIndex> {
        self.indices.get(table).copied()
    }

    /// The table at `index`.
    #[must_use]
    pub fn get(&self, index: TableIndex) -> Option<&Table> {
        self.all.get(usize::try_from(index.0).ok()?)
    }

    /// All tables with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (TableIndex, &Table)> {
        (0..).map(TableIndex).zip(&self.all)
    }
}
