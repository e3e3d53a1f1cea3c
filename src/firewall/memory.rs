//! Tables in memory, which filter nothing: for the demonstration, for tests and
//! to try a configuration.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Added, Backend, Deleted, Firewall, FirewallError, FirewallErrorKind, Kill, Status, Trace,
    Warning, pf,
};
use crate::core::address::Entry;
use crate::core::door::Table;

/// Tables that look like pf's.
pub static BACKEND: Backend = Backend {
    title: "Memory",
    absent: None,
    enforces: false,
    creates_tables: false,
    counts_references: false,
    uncounted: None,
    open: |_| Ok(Box::<Memory>::default()),
    judge: None,
    ..pf::BACKEND
};

/// The most entries that one table holds.
pub const MAX_ENTRIES: usize = 200_000;

/// A filter that lasts as long as the process. Every table exists.
#[derive(Debug, Default)]
pub struct Memory {
    tables: BTreeMap<Table, BTreeSet<Entry>>,
}

impl Firewall for Memory {
    fn probe(&mut self, _: &Table) -> Result<(), FirewallError> {
        Ok(())
    }

    fn add(&mut self, table: &Table, entry: Entry) -> Result<Added, FirewallError> {
        let entries = self.tables.entry(table.clone()).or_default();
        if entries.contains(&entry) {
            return Ok(Added::Present);
        }
        if entries.len() >= MAX_ENTRIES {
            return Err(FirewallError::new(
                FirewallErrorKind::Full,
                format!("table {table} is full"),
                None,
            ));
        }
        entries.insert(entry);
        Ok(Added::Added)
    }

    fn delete(&mut self, table: &Table, entry: Entry) -> Result<Deleted, FirewallError> {
        let deleted = self.tables.get_mut(table).is_some_and(|entries| entries.remove(&entry));
        Ok(if deleted { Deleted::Deleted } else { Deleted::Absent })
    }

    /// Nobody else can change them.
    fn traces(&mut self, tables: &[Table]) -> Vec<Option<Trace>> {
        vec![Some(Trace { number: 0, is_exact: true }); tables.len()]
    }

    fn holds(&mut self, table: &Table, entry: Entry) -> Result<bool, FirewallError> {
        Ok(self.tables.get(table).is_some_and(|entries| entries.contains(&entry)))
    }

    fn list(&mut self, table: &Table) -> Result<Vec<Entry>, FirewallError> {
        Ok(self.tables.get(table).into_iter().flatten().copied().collect())
    }

    fn status(&mut self) -> Result<Status, FirewallError> {
        Ok(Status::Disabled)
    }

    fn review(&mut self, _: &[Table], _: &[String]) -> Result<Vec<Warning>, FirewallError> {
        let why = "tables in memory filter no packets".to_owned();
        Ok(vec![Warning::Idle { why, todo: "configure another firewall" }])
    }

    fn create(&mut self, _: &Table) -> Result<(), FirewallError> {
        Ok(())
    }

    fn kill(&mut self, _: &Kill) -> Result<u64, FirewallError> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn table(name: &str) -> Table {
        Table { anchor: None, name: name.into() }
    }

    fn host(number: usize) -> Entry {
        Entry::host(Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into())
    }

    #[test]
    fn what_is_added_stands_there_until_it_is_deleted() {
        let (mut memory, ssh) = (Memory::default(), table("knock_ssh"));
        assert_eq!(memory.add(&ssh, host(1)).unwrap(), Added::Added);
        assert_eq!(memory.add(&ssh, host(1)).unwrap(), Added::Present);
        assert_eq!(memory.list(&ssh).unwrap(), [host(1)]);
        assert!(memory.holds(&ssh, host(1)).unwrap());
        assert!(!memory.holds(&ssh, host(2)).unwrap());
        assert_eq!(memory.delete(&ssh, host(1)).unwrap(), Deleted::Deleted);
        assert_eq!(memory.delete(&ssh, host(1)).unwrap(), Deleted::Absent);
        assert!(!memory.holds(&ssh, host(1)).unwrap());
        assert_eq!(memory.list(&ssh).unwrap(), []);
    }

    #[test]
    fn tables_know_nothing_of_each_other() {
        let mut memory = Memory::default();
        let anchored = Table { anchor: Some("knockd".into()), name: "knock_ssh".into() };
        let tables = [table("knock_ssh"), table("knock_web"), anchored];
        for (number, each) in tables.iter().enumerate() {
            assert_eq!(memory.add(each, host(number)).unwrap(), Added::Added);
        }
        for (number, each) in tables.iter().enumerate() {
            assert_eq!(memory.list(each).unwrap(), [host(number)]);
        }
        assert_eq!(memory.delete(&tables[0], host(1)).unwrap(), Deleted::Absent);
    }

    #[test]
    fn a_full_table_takes_no_more_until_one_goes() {
        let (mut memory, ssh) = (Memory::default(), table("knock_ssh"));
        for number in 0..MAX_ENTRIES {
            assert_eq!(memory.add(&ssh, host(number)).unwrap(), Added::Added);
        }
        let full = memory.add(&ssh, host(MAX_ENTRIES)).unwrap_err();
        assert_eq!(full.kind, FirewallErrorKind::Full);
        assert_eq!(memory.add(&ssh, host(0)).unwrap(), Added::Present);
        assert_eq!(memory.add(&table("knock_web"), host(0)).unwrap(), Added::Added);
        assert_eq!(memory.delete(&ssh, host(0)).unwrap(), Deleted::Deleted);
        assert_eq!(memory.add(&ssh, host(MAX_ENTRIES)).unwrap(), Added::Added);
    }
}
