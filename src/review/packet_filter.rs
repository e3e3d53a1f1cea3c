//! Whether the packet filter filters, and whether the doors' tables are of
//! use in it.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use crate::core::door::{Door, Table};
use crate::core::finding::Finding;
use crate::firewall::{Backend, Error, Firewall, Kind, Warning};

/// Nobody here can read the rules.
pub fn unread(backend: &Backend) -> Finding {
    let text = format!(
        "those of {} are not followed, what they let through is not known: check from outside \
         that the doors are shut",
        backend.title
    );
    Finding::warning("rules", text)
}

/// The packet filter could not be opened.
pub fn closed(error: &Error) -> Finding {
    let text = format!("cannot use it: {error}");
    match error.kind {
        // Perhaps only we may not.
        Kind::Denied => Finding::warning("firewall", format!("{text}: run knockctl as root")),
        _ => Finding::error("firewall", text),
    }
}

/// Asks `firewall` about the tables of `doors`, and about `interfaces` that
/// are captured on.
#[must_use]
pub fn check(
    firewall: &mut dyn Firewall,
    doors: &[Door],
    interfaces: &[String],
) -> Vec<Finding> {
    let tables: BTreeSet<&Table> = doors.iter().map(|door| &door.table).collect();
    let tables: Vec<Table> = tables.into_iter().cloned().collect();
    let mut findings = Vec::new();
    let mut idle = BTreeSet::new();
    match firewall.review(&tables, interfaces) {
        Ok(warnings) => {
            if !warnings.iter().any(|warning| matches!(warning, Warning::Disabled(_))) {
                findings.push(Finding::ok("firewall", "enabled"));
            }
            for warning in warnings {
                findings.push(Finding::error(subject(&warning), warning.to_string()));
                if let Warning::Unreferenced(table) = warning {
                    idle.insert(table);
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
        match firewall.probe(table) {
            Ok(()) if idle.contains(table) => {}
            Ok(()) => findings.push(Finding::ok(subject, "there")),
            Err(error) => findings.push(Finding::error(subject, error.to_string())),
        }
    }
    findings
}

fn subject(warning: &Warning) -> String {
    match warning {
        Warning::Disabled(_) => "firewall".to_owned(),
        Warning::Unreferenced(table) => format!("table {table}"),
        Warning::Skipped(interface) => format!("interface {interface}"),
    }
}
