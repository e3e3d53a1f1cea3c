//! Tokens of older programs.
//!
//! Their packets have no gate key. A packet is checked by the HMAC of each user
//! with such a key, one after the other, so the number of keys is limited. An
//! authentic packet becomes an [`Ask`], which the gate judges like a native
//! token.

use std::time::Duration;

use super::user::{CredentialIndex, UserIndex};

mod digest;
pub mod fwknop;
pub mod key;
pub mod pyknock;

pub use digest::Digest;
pub use key::{Ask, OlderKey};

/// The most keys of one format: a stranger's packet costs an HMAC for each.
pub const MAX_KEYS: usize = 32;
/// The most ports that one packet may ask for.
pub const MAX_PORTS: usize = 16;

/// A format, named after its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// fwknop 2 with symmetric keys.
    Fwknop,
    /// pyknock.
    Pyknock,
}

/// How packets of one format arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Their format.
    pub format: Format,
    /// The UDP port that clients send to. Nothing listens on it.
    pub port: u16,
    /// The keys to try, in this order; 1 to [`MAX_KEYS`].
    pub keys: Vec<(UserIndex, CredentialIndex)>,
}

/// How tokens of older programs arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// One for each format, at least one. Each has its own port.
    pub ways: Vec<Way>,
    /// How far a packet's time may lie from ours, either way.
    pub max_skew: Duration,
}

/// An HMAC key without trailing zeros. HMAC pads keys with zeros (RFC 2104), so
/// they make no difference.
fn significant(key: &[u8]) -> &[u8] {
    let end = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    key.get(..end).unwrap_or(key)
}
