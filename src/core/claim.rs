//! A claim: the gate asks the keeper to open a door.

use std::net::IpAddr;
use std::time::Duration;

use super::door::DoorIndex;
use super::replay::ReplayId;
use super::sequence::SequenceIndex;
use super::user::{CredentialIndex, UserIndex};

/// One door for one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The door to open.
    pub door: DoorIndex,
    /// The host to open it for.
    pub address: IpAddr,
    /// What the claim is based on.
    pub ground: Ground,
}

/// What a claim is based on. Each ground names what the keeper needs to judge it
/// again, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// A token of a user.
    Token(Authorization),
    /// A packet of an older client, which may open several doors.
    Older(Authorization),
    /// A sequence with fixed steps.
    Fixed(SequenceIndex),
    /// A rolling sequence, with the steps of this period.
    Rolling(SequenceIndex, u64),
    /// A line of a list of sequences, by the offset of its first byte.
    Line(SequenceIndex, u32),
}

/// What a user's packet asks for, after its proof was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authorization {
    /// The user that made the packet.
    pub user: UserIndex,
    /// The credential that proved it.
    pub credential: CredentialIndex,
    /// The lifetime asked for; `None` is the door's own.
    pub lifetime: Option<Duration>,
    /// The id that the packet is recorded by, so that it counts once.
    pub replay: ReplayId,
}

impl Ground {
    /// The user's packet, unless a sequence was knocked.
    #[must_use]
    pub const fn authorization(&self) -> Option<&Authorization> {
        match self {
            Self::Token(authorization) | Self::Older(authorization) => Some(authorization),
            Self::Fixed(_) | Self::Rolling(..) | Self::Line(..) => None,
        }
    }

    /// The user, unless a sequence was knocked.
    #[must_use]
    pub fn user(&self) -> Option<UserIndex> {
        self.authorization().map(|authorization| authorization.user)
    }

    /// The lifetime asked for.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.authorization()?.lifetime
    }
}
