//! What keeps doors from protecting anything. Each is logged once when it begins
//! and once when it is over.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::door::Table;
use crate::core::slot::TableIndex;
use crate::firewall::{FirewallError, Warning};
use crate::log::Log;
use crate::log::event::Event;

/// What was logged and is not over.
pub struct Complaints {
    /// By what is logged when they are over.
    warnings: BTreeMap<String, Warning>,
    /// What the firewall does not tell: its state, or the entries of a table.
    unknown: BTreeSet<Option<TableIndex>>,
    log: Log,
}

impl Complaints {
    /// None so far.
    pub const fn new(log: Log) -> Self {
        Self { warnings: BTreeMap::new(), unknown: BTreeSet::new(), log }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.warnings.is_empty() && self.unknown.is_empty()
    }

    /// Logs what changed since the last review, of `tables` and `interfaces`.
    pub fn review(&mut self, warnings: Vec<Warning>, tables: &[Table], interfaces: &[String]) {
        let before = std::mem::take(&mut self.warnings);
        for warning in warnings {
            let over = warning.over();
            if before.get(&over) != Some(&warning) {
                self.log.write(&Event::Useless { warning: &warning });
            }
            self.warnings.insert(over, warning);
        }
        for (over, warning) in &before {
            // What a new configuration leaves out is not looked at any more.
            let is_asked = match warning {
                Warning::Unreferenced(table) => tables.contains(table),
                Warning::Skipped(interface) => interfaces.contains(interface),
                Warning::Disabled(_) | Warning::Idle { .. } => true,
            };
            if is_asked && !self.warnings.contains_key(over) {
                self.log.write(&Event::Useful { over });
            }
        }
    }

    /// The firewall does not tell its state, or the entries of `table`.
    pub fn cannot_ask(&mut self, table: Option<TableIndex>, error: &FirewallError) {
        if self.unknown.insert(table) {
            self.log.write(&Event::CannotReview { error });
        }
    }

    /// The firewall tells it.
    pub fn can_ask(&mut self, table: Option<TableIndex>) {
        if self.unknown.remove(&table) {
            self.log.write(&Event::CanReview);
        }
    }
}
