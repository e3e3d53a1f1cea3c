//! nftables, which only Linux has: what it can do, and how its rules are
//! written.
#![forbid(unsafe_code)]

mod dialect;
#[cfg(target_os = "linux")]
mod linux;

pub use dialect::DIALECT;
#[cfg(target_os = "linux")]
pub use linux::{MAX_ENTRIES, Nft};

use super::backend::{self, Backend};
use super::{Firewall, FirewallError};
use crate::core::name::is_table;

const ABSENT: &str = "nftables is Linux's, write firewall: Pf";

/// nftables.
pub static BACKEND: Backend = Backend {
    title: "nft",
    absent: if cfg!(target_os = "linux") { None } else { Some(ABSENT) },
    enforces: true,
    field: Some(("table", |name| {
        is_unfit(name).then_some(
            "the nft table must be 1 to 31 bytes of letters, digits, _ . and -, a letter first",
        )
    })),
    table_fault: |name| {
        backend::table_fault(name)
            .or(is_unfit(name).then_some("must begin with a letter, rename it"))
    },
    anchor_fault: None,
    nests_networks: false,
    kills_states: false,
    creates_tables: false,
    counts_references: false,
    uncounted: None,
    open,
    judge: None,
};

/// Whether nft(8) could not write the name: a letter comes first.
fn is_unfit(name: &str) -> bool {
    let is_letter = |first: char| first.is_ascii_alphabetic();
    !is_table(name) || !name.starts_with(is_letter)
}

#[cfg(target_os = "linux")]
fn open(table: &str) -> Result<Box<dyn Firewall>, FirewallError> {
    Ok(Box::new(Nft::open(table)?))
}

#[cfg(not(target_os = "linux"))]
fn open(_: &str) -> Result<Box<dyn Firewall>, FirewallError> {
    Err(FirewallError::new(super::FirewallErrorKind::Unsupported, ABSENT, None))
}
