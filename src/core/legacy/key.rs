//! Keys of older programs, and what their packets ask for.

use std::fmt::Debug;
use std::time::Duration;

use crate::core::address::Wanted;
use crate::core::reason::Reason;
use crate::core::sighting::Port;
use crate::core::statement::UserId;
use crate::core::time::Wall;

/// Authenticates packets of one user.
pub trait OlderKey: Debug + Send + Sync {
    /// The id that the user's packets are recorded by.
    fn id(&self) -> UserId;

    /// Reads what `datagram` asks for, if it was made with this key. Computes one
    /// HMAC and compares it in constant time.
    ///
    /// # Errors
    /// [`Reason::Length`] or [`Reason::Stranger`] if it was not made with this
    /// key. The inner result fails if it was, but cannot be read.
    fn read(&self, datagram: &[u8]) -> Result<Result<Ask, Reason>, Reason>;
}

/// What an authentic packet asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// When the packet was made.
    pub issued: Wall,
    /// The address to open for, not yet judged.
    pub wanted: Wanted,
    /// The ports to open; `None` is all that the user may open.
    pub ports: Option<Vec<Port>>,
    /// The lifetime; `None` is the door's own.
    pub lifetime: Option<Duration>,
    /// The replay id. Other encodings of the same packet have the same id.
    pub once: [u8; 16],
}
