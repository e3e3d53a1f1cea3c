//! Checks whether the packet filter filters, and whether the doors' tables have an
//! effect in it.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use crate::core::door::{self, Door, Table};
use crate::core::finding::Finding;
use crate::firewall::{Backend, Firewall, FirewallError, FirewallErrorKind, Warning};

/// The finding for a packet filter whose rules we cannot follow.
pub fn unread(backend: &Backend) -> Finding {
    let text = format!(
        "those of {} are not followed: check from outside that strangers do not get in",
        backend.title
    );
    Finding::warning("rules", text)
}

/// The finding for a packet filter that could not be opened.
pub fn closed(error: &FirewallError, is_root: bool) -> Finding {
    let text = format!("cannot use it: {error}");
    match error.kind {
        FirewallErrorKind::Denied => Finding::denied("firewall", &text, is_root),
        _ => Finding::error("firewall", text),
    }
}

/// Asks `firewall` about the tables of `doors` and about the captured
/// `interfaces`. Returns findings, and those interfaces whose packets are
/// filtered; `None` if no packet is.
#[must_use]
pub fn check(
    firewall: &mut dyn Firewall,
    doors: &[Door],
    interfaces: &[String],
) -> (Vec<Finding>, Option<Vec<String>>) {
    let tables: BTreeSet<&Table> = doors.iter().map(|door| &door.table).collect();
    let tables: Vec<Table> = tables.into_iter().cloned().collect();
    let mut findings = Vec::new();
    let mut idle = BTreeSet::new();
    let mut filtered = Some(interfaces.to_vec());
    match firewall.review(&tables, interfaces) {
        Ok(warnings) => {
            let is_off = |warning: &Warning| {
                matches!(warning, Warning::Disabled(_) | Warning::Idle { .. })
            };
            if warnings.iter().any(is_off) {
                filtered = None;
            } else {
                findings.push(Finding::ok("firewall", "enabled"));
            }
            for warning in warnings {
                findings.push(Finding::error(subject(&warning), warning.to_string()));
                match warning {
                    Warning::Unreferenced(table) => drop(idle.insert(table)),
                    Warning::Skipped(name) => filtered = without(filtered, &name),
                    Warning::Disabled(_) | Warning::Idle { .. } => {}
                }
            }
        }
        Err(error) => {
            let text = format!("cannot tell whether doors protect anything: {error}");
            findings.push(Finding::warning("firewall", text));
        }
    }
    for table in &tables {
        let subject = format!("table {table}");
        match firewall.check(table, &door::networks(doors, table)) {
            Ok(()) if idle.contains(table) => {}
            Ok(()) => findings.push(Finding::ok(subject, "there")),
            Err(error) => findings.push(Finding::error(subject, error.to_string())),
        }
    }
    (findings, filtered)
}

/// Removes an interface. An empty list would mean that none is known.
fn without(names: Option<Vec<String>>, name: &str) -> Option<Vec<String>> {
    let mut names = names?;
    names.retain(|other| other != name);
    (!names.is_empty()).then_some(names)
}

fn subject(warning: &Warning) -> String {
    match warning {
        Warning::Disabled(_) | Warning::Idle { .. } => "firewall".to_owned(),
        Warning::Unreferenced(table) => format!("table {table}"),
        Warning::Skipped(interface) => format!("interface {interface}"),
    }
}
