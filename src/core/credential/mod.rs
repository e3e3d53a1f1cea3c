//! What proves that a token is a user's.
//!
//! Each kind of proof is a file here and a row of [`ProofKind::ALL`]. Packets
//! of older programs have keys of their own, in `legacy`.

use std::fmt::{self, Debug};

use super::address::Networks;
use super::bytes::{Malformed, Reader};
#[cfg(feature = "legacy")]
use super::legacy::key::Key as Older;
use super::reason::Reason;
use super::statement::{Statement, UserId};
use super::time::Wall;

pub mod ed25519;
pub mod secret;
pub mod security_key;
pub mod ssh;

/// A kind of proof. Tokens name it by number, and no credential accepts
/// another kind than its own.
pub struct ProofKind {
    /// Its number in a token.
    pub number: u8,
    /// As administrators call it; of ssh keys the type that ssh gives them.
    pub name: &'static str,
    /// How many bytes of the proof field it fills.
    pub length: usize,
    /// Whether the key counts what it signs.
    pub counts: bool,
    /// Whether somebody must touch the key for each proof.
    pub needs_touch: bool,
    /// Of ssh keys: reads a public key after its type. The flag demands a key
    /// that knows who touches it.
    pub read_ssh: Option<ReadSsh>,
}

/// See [`ProofKind::read_ssh`].
pub type ReadSsh = fn(&mut Reader<'_>, bool) -> Result<Box<dyn Verifier>, BadKey>;

impl ProofKind {
    /// All of them.
    pub const ALL: [&Self; 4] =
        [&secret::KIND, &ed25519::KIND, &ssh::KIND, &security_key::KIND];

    /// The kind with this number in a token.
    #[must_use]
    pub fn from_number(number: u8) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|kind| kind.number == number)
    }

    /// The kinds that are types of ssh keys.
    pub fn ssh() -> impl Iterator<Item = &'static Self> {
        Self::ALL.into_iter().filter(|kind| kind.read_ssh.is_some())
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

/// What proofs of one kind are checked by.
pub trait Verifier: Send + Sync {
    /// The id under which tokens name the user.
    fn id(&self) -> UserId;

    /// The only kind that it accepts.
    fn kind(&self) -> &'static ProofKind;

    /// Whether `proof`, which is as long as its kind says, proves `statement`:
    /// secrets are compared in constant time, signatures by the strict rules
    /// (canonical, no small order).
    ///
    /// # Errors
    /// [`Reason::Unproven`]; of security keys also [`Reason::Invalid`] for a
    /// flag of unknown meaning, [`Reason::Untouched`] and
    /// [`Reason::Unverified`].
    fn check(&self, statement: &Statement, proof: &[u8]) -> Result<Proven, Reason>;
}

/// What a proof that holds says besides.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proven {
    /// How often the key has signed; 0 where it does not count.
    pub counter: u32,
}

/// Why bytes are no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadKey {
    /// They have another form.
    Malformed,
    /// Anybody can sign for it, or it is no point of the curve.
    Weak,
}

impl From<Malformed> for BadKey {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The public key in `blob`, as ssh encodes it. With `verify` it must know who
/// touches it.
///
/// # Errors
/// [`BadKey`], for a type that no kind has, too.
pub fn read_ssh(blob: &[u8], verify: bool) -> Result<Box<dyn Verifier>, BadKey> {
    let mut reader = Reader::new(blob);
    let name = reader.string()?;
    let kind = ProofKind::ssh().find(|kind| kind.name.as_bytes() == name);
    let read = kind.and_then(|kind| kind.read_ssh).ok_or(BadKey::Malformed)?;
    let key = read(&mut reader, verify)?;
    reader.end()?;
    Ok(key)
}

/// A secret or a public key, and within what bounds it counts.
#[derive(Debug)]
pub struct Credential {
    /// What tokens or packets are checked by.
    pub key: Key,
    /// Where packets that it proves may come from.
    pub from: Networks,
    /// The last moment at which it counts.
    pub not_after: Option<Wall>,
}

/// What tokens or packets are checked by.
pub enum Key {
    /// Checks the proof of a token.
    Token(Box<dyn Verifier>),
    /// Authenticates the packets of an older program.
    #[cfg(feature = "legacy")]
    Older(Box<dyn Older>),
}

impl Debug for Key {
    /// The kind alone: what it holds may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(key) => key.kind().fmt(f),
            #[cfg(feature = "legacy")]
            Self::Older(key) => key.fmt(f),
        }
    }
}

impl From<Box<dyn Verifier>> for Credential {
    /// One that counts from everywhere and for ever.
    fn from(key: Box<dyn Verifier>) -> Self {
        Self::from(Key::Token(key))
    }
}

impl<V: Verifier + 'static> From<V> for Credential {
    fn from(key: V) -> Self {
        Self::from(Box::new(key) as Box<dyn Verifier>)
    }
}

impl From<Key> for Credential {
    fn from(key: Key) -> Self {
        Self { key, from: Networks::default(), not_after: None }
    }
}

impl Credential {
    /// The id under which tokens name it, and with it the user.
    #[must_use]
    pub fn id(&self) -> UserId {
        match &self.key {
            Key::Token(key) => key.id(),
            #[cfg(feature = "legacy")]
            Key::Older(key) => key.id(),
        }
    }

    /// The kind of proof that it accepts; none for packets of older programs.
    #[must_use]
    pub fn kind(&self) -> Option<&'static ProofKind> {
        match &self.key {
            Key::Token(key) => Some(key.kind()),
            #[cfg(feature = "legacy")]
            Key::Older(_) => None,
        }
    }

    /// Whether the proof field of a token, zeros at its end included, proves
    /// `statement`.
    ///
    /// # Errors
    /// Those of [`Verifier::check`].
    pub fn check(&self, statement: &Statement, field: &[u8]) -> Result<Proven, Reason> {
        match &self.key {
            Key::Token(key) => {
                let proof = field.get(..key.kind().length).ok_or(Reason::Unproven)?;
                key.check(statement, proof)
            }
            #[cfg(feature = "legacy")]
            Key::Older(_) => Err(Reason::Unproven),
        }
    }

    /// Whether it still counts at `wall`.
    #[must_use]
    pub fn is_valid_at(&self, wall: Wall) -> bool {
        self.not_after.is_none_or(|end| wall <= end)
    }
}
