//! Tokens of older programs.
//!
//! Their packets have no gate key in front: what keeps strangers out is the
//! HMAC of each user who has such a key, one after another, so their number
//! is small. What one of them authenticates becomes an [`Ask`], and meets the
//! gate as a native token does.

use std::time::Duration;

use super::user::{CredentialIndex, UserIndex};

mod digest;
pub mod fwknop;
pub mod key;
pub mod pyknock;

pub use digest::Digest;
pub use key::{Ask, Key};

/// How many keys one format may have: a stranger's packet costs an HMAC each.
pub const MAX_KEYS: usize = 32;
/// The most ports that one packet may ask for.
pub const MAX_PORTS: usize = 16;

/// A format, by the program that made it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// fwknop 2, symmetric.
    Fwknop,
    /// pyknock.
    Pyknock,
}

/// How packets of one format arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Which format.
    pub format: Format,
    /// The UDP port that clients send to. Nothing listens on it.
    pub port: u16,
    /// Whose keys are tried, in this order; 1 to [`MAX_KEYS`].
    pub keys: Vec<(UserIndex, CredentialIndex)>,
}

/// How tokens of older programs arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// Their formats, each at a port of its own; never empty.
    pub ways: Vec<Way>,
    /// How far a packet's time may lie from ours, either way.
    pub max_skew: Duration,
}

/// A key of HMAC without the zeros at its end, which change nothing: HMAC pads
/// keys with them (RFC 2104).
fn significant(key: &[u8]) -> &[u8] {
    let end = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    key.get(..end).unwrap_or(key)
}
