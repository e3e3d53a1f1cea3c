//! Credentials: they prove which user made a token.
//!
//! Each kind of proof is a file here and a row of [`ProofKind::ALL`]. The keys
//! of older programs are in `legacy`.

use std::fmt::{self, Debug};

use super::address::Networks;
use super::bytes::{Malformed, Reader};
#[cfg(feature = "legacy")]
use super::legacy::key::OlderKey;
use super::reason::Reason;
use super::statement::{Statement, UserId};
use super::time::Wall;

pub mod ed25519;
pub mod secret;
pub mod security_key;
pub mod ssh;

/// A kind of proof. Tokens name it by number. A credential accepts one kind
/// only.
pub struct ProofKind {
    /// Its number in a token.
    pub number: u8,
    /// Its name in messages. For ssh keys that is the key type of ssh.
    pub name: &'static str,
    /// How many bytes of the proof field it fills.
    pub length: usize,
    /// Whether the key counts its signatures.
    pub counts: bool,
    /// Whether the user must touch the key for each proof.
    pub needs_touch: bool,
    /// For ssh keys: reads a public key after its type. The flag requires that
    /// the key verifies its user.
    pub read_ssh: Option<ReadSsh>,
}

/// See [`ProofKind::read_ssh`].
pub type ReadSsh = fn(&mut Reader<'_>, bool) -> Result<Box<dyn Verifier>, BadKey>;

impl ProofKind {
    /// All of them.
    pub const ALL: &[&Self] = &[&secret::KIND, &ed25519::KIND, &ssh::KIND, &security_key::KIND];

    /// The kind with this number in a token.
    #[must_use]
    pub fn from_number(number: u8) -> Option<&'static Self> {
        Self::ALL.iter().copied().find(|kind| kind.number == number)
    }

    /// The kinds that are types of ssh keys.
    pub fn ssh() -> impl Iterator<Item = &'static Self> {
        Self::ALL.iter().copied().filter(|kind| kind.read_ssh.is_some())
    }
}

impl PartialEq for ProofKind {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for ProofKind {}

impl Debug for ProofKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Checks proofs of one kind.
pub trait Verifier: Send + Sync {
    /// The id that tokens name the user by.
    fn id(&self) -> UserId;

    /// The kind that it accepts.
    fn kind(&self) -> &'static ProofKind;

    /// Checks that `proof`, which has the length of its kind, proves
    /// `statement`. HMACs are compared in constant time. Signatures must be
    /// canonical and of no small order.
    ///
    /// # Errors
    /// [`Reason::Unproven`]; for security keys also [`Reason::Invalid`] for an
    /// unknown flag, [`Reason::Untouched`] and [`Reason::Unverified`].
    fn check(&self, statement: &Statement, proof: &[u8]) -> Result<Proven, Reason>;
}

/// What else a valid proof states.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proven {
    /// How often the key has signed; 0 where it does not count.
    pub counter: u32,
}

/// Why bytes are not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKey {
    /// They are not encoded as a key.
    Malformed,
    /// Anyone can sign for the key, or it is not a point of the curve.
    Weak,
}

impl From<Malformed> for BadKey {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads a public key as ssh encodes it. With `verify` the key must verify its
/// user at each signature.
///
/// # Errors
/// [`BadKey`], also for an unknown key type.
pub fn read_ssh(blob: &[u8], verify: bool) -> Result<Box<dyn Verifier>, BadKey> {
    let mut reader = Reader::new(blob);
    let name = reader.string()?;
    let kind = ProofKind::ssh().find(|kind| kind.name.as_bytes() == name);
    let read = kind.and_then(|kind| kind.read_ssh).ok_or(BadKey::Malformed)?;
    let key = read(&mut reader, verify)?;
    reader.end()?;
    Ok(key)
}

/// A secret or a public key, and where and until when it is valid.
#[derive(Debug)]
pub struct Credential {
    /// The key that checks tokens or packets.
    pub key: CredentialKey,
    /// The networks that packets may come from and doors may open for.
    pub from: Networks,
    /// The last moment at which it is valid.
    pub not_after: Option<Wall>,
}

/// The key of a credential.
pub enum CredentialKey {
    /// Checks the proof of a token.
    Token(Box<dyn Verifier>),
    /// Authenticates the packets of an older program.
    #[cfg(feature = "legacy")]
    Older(Box<dyn OlderKey>),
}

impl Debug for CredentialKey {
    /// Shows the kind only: the key may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(key) => key.kind().fmt(f),
            #[cfg(feature = "legacy")]
            Self::Older(key) => key.fmt(f),
        }
    }
}

impl From<Box<dyn Verifier>> for Credential {
    /// A credential that is valid everywhere and for ever.
    fn from(key: Box<dyn Verifier>) -> Self {
        Self::from(CredentialKey::Token(key))
    }
}

impl<V: Verifier + 'static> From<V> for Credential {
    fn from(key: V) -> Self {
        Self::from(Box::new(key) as Box<dyn Verifier>)
    }
}

impl From<CredentialKey> for Credential {
    fn from(key: CredentialKey) -> Self {
        Self { key, from: Networks::default(), not_after: None }
    }
}

impl Credential {
    /// The id that tokens name the credential and its user by.
    #[must_use]
    pub fn id(&self) -> UserId {
        match &self.key {
            CredentialKey::Token(key) => key.id(),
            #[cfg(feature = "legacy")]
            CredentialKey::Older(key) => key.id(),
        }
    }

    /// The kind of proof that it accepts; `None` for a key of an older program.
    #[must_use]
    pub fn kind(&self) -> Option<&'static ProofKind> {
        match &self.key {
            CredentialKey::Token(key) => Some(key.kind()),
            #[cfg(feature = "legacy")]
            CredentialKey::Older(_) => None,
        }
    }

    /// Checks that the proof field of a token, padding included, proves
    /// `statement`.
    ///
    /// # Errors
    /// Those of [`Verifier::check`].
    pub fn check(&self, statement: &Statement, field: &[u8]) -> Result<Proven, Reason> {
        match &self.key {
            CredentialKey::Token(key) => {
                let proof = field.get(..key.kind().length).ok_or(Reason::Unproven)?;
                key.check(statement, proof)
            }
            #[cfg(feature = "legacy")]
            CredentialKey::Older(_) => Err(Reason::Unproven),
        }
    }

    /// Whether it is still valid at `wall`.
    #[must_use]
    pub fn is_valid_at(&self, wall: Wall) -> bool {
        self.not_after.is_none_or(|end| wall <= end)
    }
}
