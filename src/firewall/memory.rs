//! Tables in our own memory: they filter nothing. For the demonstration,
//! for tests, and for a first look at a configuration.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::{Added, Deleted, Error, Firewall, Kind, Status};
use crate::core::address::Entry;
use crate::core::door::Table;

/// The most entries that one table holds.
pub const MAX_ENTRIES: usize = 200_000;

/// A filter that lives and dies with the process. Every table is there.
#[derive(Debug, Default)]
pub struct Memory {
    tables: BTreeMap<Table, BTreeSet<Entry>>,
}

impl Firewall for Memory {
    fn probe(&mut self, _: &Table) -> Result<(), Error> {
        Ok(())
    }

    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, Error> {
        let entries = self.tables.entry(table.clone()).or_default();
        if entries.contains(&entry) {
            return Ok(Added::Present);
        }
        if entries.len() >= MAX_ENTRIES {
            return Err(Error::new(Kind::Full, format!("table {table} is full"), None));
        }
        entries.insert(entry);
        Ok(Added::Added)
    }

    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, Error> {
        let deleted = self.tables.get_mut(table).is_some_and(|entries| entries.remove(&entry));
        Ok(if deleted { Deleted::Deleted } else { Deleted::Absent })
    }

    fn list(&mut self, table: &Table) -> Result<Vec<Entry>, Error> {
        Ok(self.tables.get(table).into_iter().flatten().copied().collect())
    }

    fn status(&mut self) -> Result<Status, Error> {
        Ok(Status::Disabled)
    }
}
