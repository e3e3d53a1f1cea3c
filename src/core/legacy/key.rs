//! What an older program's packet asks for, if it is authentic.

use std::fmt::Debug;
use std::time::Duration;

use crate::core::address::Wanted;
use crate::core::reason::Reason;
use crate::core::sighting::Port;
use crate::core::statement::UserId;
use crate::core::time::Wall;

/// What packets of one user are authenticated by.
pub trait Key: Debug + Send + Sync {
    /// What the user is remembered by.
    fn id(&self) -> UserId;

    /// What `datagram` asks for, if someone with this key made it: one HMAC,
    /// compared in constant time.
    ///
    /// # Errors
    /// [`Reason::Length`] and [`Reason::Stranger`] for what another made; the
    /// inner ones for what cannot be read.
    fn read(&self, datagram: &[u8]) -> Result<Result<Ask, Reason>, Reason>;
}

/// What an authentic packet asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// When it was made.
    pub issued: Wall,
    /// For which address. Not yet judged.
    pub wanted: Wanted,
    /// Which ports are to be opened; none is all that the user may.
    pub ports: Option<Vec<Port>>,
    /// For how long; `None` is the door's own lifetime.
    pub lifetime: Option<Duration>,
    /// What no other packet of the user has in common with it, whatever its
    /// spelling.
    pub once: [u8; 16],
}
