//! Users: which doors they may open, from where and how long.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::Networks;
use super::credential::Credential;
use super::door::{Door, DoorIndex};
use super::reason::Reason;
use super::time::Wall;
use super::token::UserId;

/// The place of a user in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserIndex(pub u32);

/// For which addresses a user may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SourcePolicy {
    /// Only an address that the token names and that is the packet's source.
    #[default]
    Bound,
    /// Also the packet's source when the token names no address. Serves clients
    /// behind NAT, and lets an attacker in the path redirect the grant.
    Observed,
    /// Also an address that the token names and that is not the packet's source.
    Delegate,
}

impl fmt::Display for SourcePolicy {
    /// As in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The default number of a user's proofs that are checked a second.
pub const PROOFS_PER_SECOND: u32 = 20;

/// The place of a credential among those of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialIndex(pub u8);

/// A holder of credentials, and its rights.
#[derive(Debug)]
pub struct User {
    /// Its name in the log.
    pub name: String,
    /// Its credentials, 1 to 255. Each one is enough.
    pub credentials: Vec<Credential>,
    /// The doors it may open, in rising order.
    pub doors: Vec<DoorIndex>,
    /// Which addresses it may open for.
    pub source: SourcePolicy,
    /// The networks that its packets may come from and doors may open for.
    pub networks: Networks,
    /// The first moment at which its tokens are valid.
    pub not_before: Option<Wall>,
    /// The last moment at which its tokens are valid.
    pub not_after: Option<Wall>,
    /// The longest lifetime of its leases, if that is shorter than the door's.
    pub max_open_for: Option<Duration>,
    /// The most leases that it may hold.
    pub max_leases: u32,
    /// How many proofs in its name are checked a second, after a burst.
    pub proofs_per_second: u32,
    /// The administrator's note.
    pub note: String,
}

impl User {
    /// Its id across configurations: that of its first credential.
    #[must_use]
    pub fn id(&self) -> UserId {
        self.credentials.first().map(Credential::id).unwrap_or_default()
    }

    /// The credential at `index`.
    #[must_use]
    pub fn credential(&self, index: CredentialIndex) -> Option<&Credential> {
        self.credentials.get(usize::from(index.0))
    }

    /// Whether the user may open `door`.
    #[must_use]
    pub fn may_open(&self, door: DoorIndex) -> bool {
        self.doors.binary_search(&door).is_ok()
    }

    /// Checks that the user and `credential` are valid at `wall`.
    ///
    /// # Errors
    /// [`Reason::Pending`] before the validity, [`Reason::Expired`] after it.
    pub fn check_validity(&self, credential: &Credential, wall: Wall) -> Result<(), Reason> {
        if self.not_before.is_some_and(|begin| wall < begin) {
            Err(Reason::Pending)
        } else if self.not_after.is_some_and(|end| wall > end) || !credential.is_valid_at(wall)
        {
            Err(Reason::Expired)
        } else {
            Ok(())
        }
    }

    /// Whether the user may be at `address` with `credential`.
    #[must_use]
    pub fn may_be_at(&self, credential: &Credential, address: IpAddr) -> bool {
        self.networks.allow(address) && credential.from.allow(address)
    }

    /// The lifetime of a lease of `door` that the user asks `wanted` for.
    #[must_use]
    pub fn lifetime(&self, door: &Door, wanted: Option<Duration>) -> Duration {
        let span = door.lifetime(wanted);
        self.max_open_for.map_or(span, |most| span.min(most))
    }
}
