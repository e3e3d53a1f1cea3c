//! Who may open.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::door::DoorIndex;
use super::hash;
use super::time::Wall;
use super::token::{PROOF_LENGTH, ProofKind, Statement, UserId};

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

/// What proves that a token is the user's.
pub enum Credential {
    /// A secret that user and server share.
    Secret(Zeroizing<[u8; 32]>),
    /// An Ed25519 public key (RFC 8032).
    Ed25519(Box<VerifyingKey>),
}

impl fmt::Debug for Credential {
    /// The kind alone: what it holds may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

/// A public key that proves nothing, because anybody can sign for it, or
/// because it is no point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakKey;

impl Credential {
    /// The credential behind the 32 bytes of an Ed25519 public key.
    ///
    /// # Errors
    /// [`WeakKey`] when the bytes are no point of the curve, or one of small
    /// order.
    pub fn ed25519(public: &[u8; 32]) -> Result<Self, WeakKey> {
        let key = VerifyingKey::from_bytes(public).map_err(|_| WeakKey)?;
        if key.is_weak() {
            return Err(WeakKey);
        }
        Ok(Self::Ed25519(Box::new(key)))
    }

    /// The id under which tokens name the user.
    #[must_use]
    pub fn id(&self) -> UserId {
        match self {
            Self::Secret(secret) => secret_id(secret),
            Self::Ed25519(key) => ed25519_id(key.as_bytes()),
        }
    }

    /// The proof kind that this credential accepts, and no other.
    #[must_use]
    pub const fn kind(&self) -> ProofKind {
        match self {
            Self::Secret(_) => ProofKind::Hmac,
            Self::Ed25519(_) => ProofKind::Ed25519,
        }
    }

    /// Whether `proof` proves `statement`: an HMAC compared in constant time,
    /// or a signature by the strict rules (canonical, no small order).
    #[must_use]
    pub fn proves(&self, statement: &Statement, proof: &[u8; PROOF_LENGTH]) -> bool {
        match self {
            Self::Secret(secret) => {
                let expected = hash::hmac(secret, &[statement.as_bytes()]);
                expected.ct_eq(&proof[..32]).into()
            }
            Self::Ed25519(key) => {
                let mut bytes = [0; 64];
                bytes.copy_from_slice(&proof[..64]);
                let signature = Signature::from_bytes(&bytes);
                key.verify_strict(statement.as_bytes(), &signature).is_ok()
            }
        }
    }
}

/// The first 8 bytes of SHA3-256("secret" | user secret).
#[must_use]
pub fn secret_id(secret: &[u8; 32]) -> UserId {
    hash::id("secret", &[secret])
}

/// The first 8 bytes of SHA3-256("ed25519" | public key).
#[must_use]
pub fn ed25519_id(public: &[u8; 32]) -> UserId {
    hash::id("ed25519", &[public])
}

/// Who holds a credential, and what it is good for.
#[derive(Debug)]
pub struct User {
    /// As logs call it.
    pub name: String,
    /// What proves it.
    pub credential: Credential,
    /// The doors it may open, in rising order.
    pub doors: Vec<DoorIndex>,
    /// For which addresses.
    pub source: SourcePolicy,
    /// The last moment at which its tokens count.
    pub not_after: Option<Wall>,
    /// How many leases it may hold at once.
    pub max_leases: u32,
}

impl User {
    /// Whether the user may open `door`.
    #[must_use]
    pub fn may_open(&self, door: DoorIndex) -> bool {
        self.doors.binary_search(&door).is_ok()
    }

    /// Whether the user's validity covers `wall`.
    #[must_use]
    pub fn is_valid_at(&self, wall: Wall) -> bool {
        self.not_after.is_none_or(|end| wall <= end)
    }
}
