//! Decides: (sighting, now) to verdict.

use std::net::IpAddr;
use std::time::Duration;

use super::door::DoorIndex;
use super::reason::Reason;
use super::time::Wall;
use super::user::UserIndex;

/// What a token is remembered by, so that it opens nothing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayId {
    /// Unique per user; the salt of a native token.
    pub id: [u8; 16],
    /// When the token was made.
    pub issued: Wall,
    /// From when on it is refused as stale, and need not be remembered.
    pub expires: Wall,
}

/// What a decoder makes of a sighting that may open a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Which door.
    pub door: DoorIndex,
    /// For which host.
    pub address: IpAddr,
    /// For how long; `None` is the door's own lifetime.
    pub lifetime: Option<Duration>,
    /// Who asks; nobody in particular behind a sequence.
    pub user: Option<UserIndex>,
    /// What must not come twice; sequences have none.
    pub replay: Option<ReplayId>,
}

/// What the gate decided about one sighting.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Open these doors; never empty, at most [`MAX_CLAIMS`].
    Open(Vec<Claim>),
    /// Do nothing.
    Ignore(Refusal),
}

/// The most doors that one packet can open.
pub const MAX_CLAIMS: usize = 16;

/// Why nothing is done, and as far as known for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The user whom the token names, once its tag was valid.
    pub user: Option<UserIndex>,
    /// The token's time of issue less ours, in milliseconds, where that is
    /// the reason.
    pub offset: Option<i64>,
}
