//! What a firewall can do, as data. A new firewall is a file or folder with
//! such a row, and the row's line in [`Choice`](super::Choice).
#![forbid(unsafe_code)]

use super::{Firewall, FirewallError, Guarded};
use crate::core::finding::Finding;
use crate::core::name::is_table;

/// What is wrong with a text, as the end of a sentence that names it.
pub type Fault = fn(&str) -> Option<&'static str>;

/// A firewall.
#[derive(Debug)]
pub struct Backend {
    /// As prose calls it.
    pub title: &'static str,
    /// Why this system has none of it.
    pub absent: Option<&'static str>,
    /// Whether it filters packets; if not, nothing is at stake.
    pub enforces: bool,
    /// The field of the configuration that it takes; its fault is a sentence.
    pub field: Option<(&'static str, Fault)>,
    /// What a table cannot be called.
    pub table_fault: Fault,
    /// What an anchor cannot be called; none if there are no anchors.
    pub anchor_fault: Option<Fault>,
    /// Whether a table may hold a network and a part of it.
    pub nests_networks: bool,
    /// Whether it ends connections.
    pub kills_states: bool,
    /// Whether it makes tables that are missing.
    pub creates_tables: bool,
    /// Whether references may keep it enabled.
    pub counts_references: bool,
    /// Why this system does not count them.
    pub uncounted: Option<&'static str>,
    /// Opens it, as the field says.
    ///
    /// # Errors
    /// What the system says.
    pub open: fn(&str) -> Result<Box<dyn Firewall>, FirewallError>,
    /// Follows packets through its rules; none if nobody can read them.
    pub judge: Option<fn(&Guarded<'_>) -> Vec<Finding>>,
}

/// What no firewall's table can be called.
#[must_use]
pub fn table_fault(name: &str) -> Option<&'static str> {
    (!is_table(name)).then_some("must be 1 to 31 bytes of letters, digits, _ . and -")
}
