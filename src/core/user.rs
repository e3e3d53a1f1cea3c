//! Who may open.

use std::net::IpAddr;
use std::time::Duration;

use super::address::Networks;
use super::credential::Credential;
use super::door::{Door, DoorIndex};
use super::reason::Reason;
use super::time::Wall;
use super::token::UserId;

/// A user by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserIndex(pub u32);

/// For which addresses a user may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourcePolicy {
    /// Only an address that the token names and the packet comes from.
    #[default]
    Bound,
    /// Also the address that the packet comes from, unnamed. Serves clients
    /// behind NAT; lets someone in the path redirect the grant.
    Observed,
    /// Also an address that the token names and the packet does not come from.
    Delegate,
}

/// How many proofs a second are checked in a user's name unless configured.
pub const PROOFS_PER_SECOND: u32 = 20;

/// A credential by its place among its user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialIndex(pub u8);

/// Who holds credentials, and what they are good for.
#[derive(Debug)]
pub struct User {
    /// As logs call it.
    pub name: String,
    /// What proves it: at least one, at most 255. Each does by itself.
    pub credentials: Vec<Credential>,
    /// The doors it may open, in rising order.
    pub doors: Vec<DoorIndex>,
    /// For which addresses.
    pub source: SourcePolicy,
    /// Where its packets may come from, and for where doors open to it.
    pub networks: Networks,
    /// The first moment at which its tokens count.
    pub not_before: Option<Wall>,
    /// The last moment at which its tokens count.
    pub not_after: Option<Wall>,
    /// The longest lifetime of its leases, where it is shorter than the door's.
    pub max_open_for: Option<Duration>,
    /// How many leases it may hold at once.
    pub max_leases: u32,
    /// How many proofs in its name are checked a second, in the long run.
    pub proofs_per_second: u32,
    /// What the administrator wrote down about it.
    pub note: String,
}

impl User {
    /// What it is remembered by: the id of its first credential.
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

    /// Whether the validity of the user and of `credential` cover `wall`.
    ///
    /// # Errors
    /// [`Reason::Pending`] before it, [`Reason::Expired`] after it.
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
