//! Slots: entries of tables in a form that is cheap to copy and to compare.

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
pub struct TableList(Vec<Table>);

impl TableList {
    /// The index of `table`, which is added if it is new.
    pub fn index(&mut self, table: &Table) -> TableIndex {
        self.find(table).unwrap_or_else(|| {
            self.0.push(table.clone());
            to_index(self.0.len() - 1)
        })
    }

    /// The index of `table`, if it is listed.
    #[must_use]
    pub fn find(&self, table: &Table) -> Option<TableIndex> {
        self.0.iter().position(|other| other == table).map(to_index)
    }

    /// The table at `index`.
    #[must_use]
    pub fn get(&self, index: TableIndex) -> Option<&Table> {
        self.0.get(usize::try_from(index.0).ok()?)
    }

    /// All tables with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (TableIndex, &Table)> {
        (0..).map(TableIndex).zip(&self.0)
    }
}

fn to_index(place: usize) -> TableIndex {
    TableIndex(u32::try_from(place).unwrap_or(u32::MAX))
}
