//! Which firewall holds the tables.
#![forbid(unsafe_code)]

use serde::Deserialize;

/// A firewall, as the configuration chooses it. knockd.ron(5) explains each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each has a file or folder of its name")]
pub enum Choice {
    Pf,
    Nft { table: String },
    Memory,
}
