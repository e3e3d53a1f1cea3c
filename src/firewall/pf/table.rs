//! Encodes and decodes tables and their entries for pf.
//!
//! pf refuses an entry with bits after its prefix, bytes after an IPv4 address,
//! or feedback of an earlier call. It refuses a table with bytes after the NUL
//! of its name. So every buffer starts as zeros.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::abi::{self, Abi};
use crate::core::address::Entry;
use crate::core::door::Table;
use crate::firewall::{FirewallError, FirewallErrorKind};

/// The argument of a request about `table`, without elements.
///
/// # Errors
/// [`FirewallErrorKind::Unsupported`] for a name or an anchor that pf cannot have.
pub fn argument(abi: &Abi, table: &Table) -> Result<Vec<u8>, FirewallError> {
    check(abi, table)?;
    let mut argument = empty_argument(abi);
    abi.tables.name.write(&mut argument, table.name.as_bytes());
    abi.tables.anchor.write(&mut argument, anchor(table).as_bytes());
    Ok(argument)
}

/// A table to create, with `flags` of `PFR_TFLAG_*`.
///
/// # Errors
/// [`FirewallErrorKind::Unsupported`] for a name or an anchor that pf cannot have.
pub fn definition(abi: &Abi, table: &Table, flags: u32) -> Result<Vec<u8>, FirewallError> {
    check(abi, table)?;
    let layout = &abi.tables.table;
    let mut bytes = vec![0; layout.size];
    layout.name.write(&mut bytes, table.name.as_bytes());
    layout.anchor.write(&mut bytes, anchor(table).as_bytes());
    layout.flags.put(&mut bytes, flags.into());
    Ok(bytes)
}

/// The anchor's path as pf keeps it: without the leading slash.
#[must_use]
pub fn anchor(table: &Table) -> &str {
    table.anchor.as_deref().unwrap_or_default().trim_start_matches('/')
}

fn check(abi: &Abi, table: &Table) -> Result<(), FirewallError> {
    // The last byte of each stays the terminator.
    let fits = |text: &str, room: usize| text.len() < room && !text.contains('\0');
    if !table.name.is_empty()
        && fits(&table.name, abi.tables.name.size)
        && fits(anchor(table), abi.tables.anchor.size)
    {
        return Ok(());
    }
    let advice = format!("pf cannot have a table called {table}");
    Err(FirewallError::new(FirewallErrorKind::Unsupported, advice, None))
}

/// The argument of a request about no table in particular.
#[must_use]
pub fn empty_argument(abi: &Abi) -> Vec<u8> {
    vec![0; abi.tables.size]
}

/// Writes into `argument` that it points to `count` elements of `size` bytes.
pub fn announce(abi: &Abi, argument: &mut [u8], size: usize, count: usize) {
    abi.tables.element.put(argument, size as u64);
    abi.tables.count.put(argument, count as u64);
}

/// An entry in pf's layout.
#[must_use]
pub fn encode(abi: &Abi, entry: Entry) -> Vec<u8> {
    let layout = &abi.tables.entry;
    let mut bytes = vec![0; layout.size];
    match entry.address() {
        IpAddr::V4(v4) => layout.address.write(&mut bytes, &v4.octets()),
        IpAddr::V6(v6) => layout.address.write(&mut bytes, &v6.octets()),
    }
    layout.family.put(&mut bytes, family(abi, entry.address()));
    layout.prefix.put(&mut bytes, entry.prefix().into());
    bytes
}

/// An entry that pf listed. `None` for one that excludes (`!addr`), which opens
/// nothing, and for other families.
#[must_use]
pub fn decode(abi: &Abi, bytes: &[u8]) -> Option<Entry> {
    let layout = &abi.tables.entry;
    if bytes.len() < layout.size || layout.negated.get(bytes) != 0 {
        return None;
    }
    let address = layout.address.slice(bytes);
    let family = layout.family.get(bytes);
    let address: IpAddr = if family == u64::from(abi::AF_INET) {
        Ipv4Addr::from(*address.first_chunk::<4>()?).into()
    } else if family == u64::from(abi.inet6) {
        Ipv6Addr::from(*address.first_chunk::<16>()?).into()
    } else {
        return None;
    };
    Entry::new(address, u8::try_from(layout.prefix.get(bytes)).ok()?)
}

/// The system's number of the address family.
#[must_use]
pub fn family(abi: &Abi, address: IpAddr) -> u64 {
    let family = if address.is_ipv4() { abi::AF_INET } else { abi.inet6 };
    family.into()
}

/// A text that pf wrote, up to the first NUL.
#[must_use]
pub fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
