//! Requests that add or delete several entries.
#![forbid(unsafe_code)]

use super::{Pf, abi, status, table};
use crate::core::address::Entry;
use crate::core::door::Table;
use crate::firewall::pf::advice;
use crate::firewall::{Deleted, FirewallError, FirewallErrorKind};
use crate::ioctl::Device;

impl<D: Device> Pf<D> {
    /// Entries in pf's layout.
    pub(super) fn encode(&self, entries: &[Entry]) -> Vec<u8> {
        entries.iter().flat_map(|entry| table::encode(self.abi, *entry)).collect()
    }

    /// Adds elements, all or none. Returns how many were not there.
    pub(super) fn add_elements(
        &mut self,
        table: &Table,
        elements: &mut [u8],
        what: &str,
    ) -> Result<u64, FirewallError> {
        let count = elements.len() / self.abi.tables.entry.size;
        self.keep_clear_of_limit(table, count, what)?;
        let asked = (elements, abi::PFR_FLAG_FEEDBACK);
        let answer = self.ask(|tables| &tables.add, table, asked, what)?;
        let added = self.abi.tables.added.get(&answer);
        self.note(table, added, 1);
        Ok(added)
    }

    /// Deletes those elements that are there.
    pub(super) fn delete_elements(
        &mut self,
        table: &Table,
        elements: &mut [u8],
        what: &str,
    ) -> Result<(), FirewallError> {
        let asked = (elements, abi::PFR_FLAG_FEEDBACK);
        let answer = self.ask(|tables| &tables.delete, table, asked, what)?;
        self.note(table, self.abi.tables.deleted.get(&answer), -1);
        Ok(())
    }

    /// Counts entries that we added, or deleted.
    fn note(&mut self, table: &Table, entries: u64, sign: i64) {
        let change = sign * i64::try_from(entries).unwrap_or(0);
        match self.ours.get_mut(table) {
            Some(ours) => *ours += change,
            None => drop(self.ours.insert(table.clone(), change)),
        }
    }

    /// Whether the table holds the opposite of an added element. OpenBSD writes the
    /// feedback of several in reverse order, so which one is not known.
    pub(super) fn has_conflict(&self, elements: &[u8]) -> bool {
        let layout = &self.abi.tables.entry;
        elements
            .chunks_exact(layout.size)
            .any(|element| layout.feedback.get(element) == abi::PFR_FB_CONFLICT.into())
    }

    /// What became of an element that was to be deleted.
    pub(super) fn deleted(&self, element: &[u8]) -> Deleted {
        let feedback = self.abi.tables.entry.feedback.get(element);
        if feedback == abi::PFR_FB_DELETED.into() { Deleted::Deleted } else { Deleted::Absent }
    }

    /// Refuses an addition close to the limit on a kernel that does not report
    /// full tables, but sleeps with a lock that every other request needs.
    fn keep_clear_of_limit(
        &mut self,
        table: &Table,
        count: usize,
        what: &str,
    ) -> Result<(), FirewallError> {
        let Some(limit) = &self.abi.limit else { return Ok(()) };
        let room = status::headroom(&mut self.device, self.abi, limit)
            .map_err(|error| advice::about_table(self.abi, what, table, error))?;
        if room >= count as u64 {
            return Ok(());
        }
        let advice = "pf's tables are close to their limit: raise `set limit table-entries` in \
                      pf.conf";
        let error = FirewallError::new(FirewallErrorKind::Full, advice, None);
        Err(error.of(format!("{what} table {table}")))
    }
}
