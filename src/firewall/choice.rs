//! Which firewall holds the tables.
#![forbid(unsafe_code)]

use serde::Deserialize;

/// A firewall, as the configuration chooses it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Choice {
    /// pf, of OpenBSD, FreeBSD and macOS.
    Pf,
    /// nftables, with the sets of this table of family inet.
    Nft {
        /// The table's name.
        table: String,
    },
    /// None: tables in our own memory.
    Memory,
}
