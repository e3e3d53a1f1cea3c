//! Turns errors of the system into messages that state what to do.
#![forbid(unsafe_code)]

use std::io;

use nix::libc;

use super::abi::Abi;
use crate::core::door::Table;
use crate::firewall::{FirewallError, FirewallErrorKind};

/// The error when /dev/pf cannot be opened.
#[must_use]
pub fn cannot_open(abi: &Abi, source: io::Error) -> FirewallError {
    let (kind, todo) = match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENXIO | libc::ENODEV) => {
            (FirewallErrorKind::Missing, abi.load)
        }
        Some(libc::EACCES | libc::EPERM) => (FirewallErrorKind::Denied, "start knockd as root"),
        Some(libc::EBUSY) => {
            (FirewallErrorKind::Denied, "another program has it open: stop that program")
        }
        _ => (FirewallErrorKind::System, ""),
    };
    FirewallError::new(kind, todo, Some(source)).of("cannot open /dev/pf")
}

/// The error when a request about a table fails. `what` is the beginning of the
/// message, such as "cannot add 192.0.2.7 to".
#[must_use]
pub fn about_table(abi: &Abi, what: &str, table: &Table, source: io::Error) -> FirewallError {
    let (kind, todo) = match source.raw_os_error() {
        // ENOENT: the anchor does not exist yet.
        Some(libc::ESRCH | libc::ENOENT) => (FirewallErrorKind::Missing, definition(table)),
        Some(libc::EPERM) => (FirewallErrorKind::Denied, denied(abi)),
        Some(libc::ENOMEM) => (
            FirewallErrorKind::Full,
            "raise `set limit table-entries` in pf.conf, or close doors".to_owned(),
        ),
        Some(libc::EEXIST) => (FirewallErrorKind::System, "it is there already".to_owned()),
        _ => general(abi, &source),
    };
    FirewallError::new(kind, todo, Some(source)).of(format!("{what} table {table}"))
}

/// The error when a request about pf itself fails.
#[must_use]
pub fn about_pf(abi: &Abi, what: &str, source: io::Error) -> FirewallError {
    let (kind, todo) = match source.raw_os_error() {
        Some(libc::EPERM) => (FirewallErrorKind::Denied, abi.privilege.to_owned()),
        _ => general(abi, &source),
    };
    FirewallError::new(kind, todo, Some(source)).of(what)
}

/// The line that defines a table, and where to add it.
fn definition(table: &Table) -> String {
    let line = format!("add `table <{}> persist` to", table.name);
    match &table.anchor {
        None => format!("{line} /etc/pf.conf, then run `pfctl -f /etc/pf.conf`"),
        Some(anchor) => {
            format!("{line} the file of anchor {anchor}, then run `pfctl -a {anchor} -f FILE`")
        }
    }
}

fn denied(abi: &Abi) -> String {
    format!("drop `const` from the table's line if it is there, and {}", abi.privilege)
}

fn general(abi: &Abi, source: &io::Error) -> (FirewallErrorKind, String) {
    match source.raw_os_error() {
        Some(libc::EACCES) => {
            (FirewallErrorKind::Denied, "/dev/pf is open for reading only".to_owned())
        }
        Some(libc::EPERM) => (FirewallErrorKind::Denied, abi.privilege.to_owned()),
        Some(libc::ENODEV | libc::ENOTTY) => (
            FirewallErrorKind::Unsupported,
            format!(
                "this kernel does not know the requests of {}: rebuild knockd for it",
                abi.system
            ),
        ),
        Some(libc::ENOMEM) => {
            (FirewallErrorKind::Full, "the kernel has no memory for it".to_owned())
        }
        _ => (FirewallErrorKind::System, String::new()),
    }
}
