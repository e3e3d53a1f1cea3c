//! What proves that a token is a user's.

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::address::Networks;
use super::hash;
#[cfg(feature = "legacy")]
use super::legacy::{fwknop, pyknock};
use super::reason::Reason;
use super::ssh::{self, Attested};
use super::time::Wall;
use super::token::{PROOF_LENGTH, ProofKind, Statement, UserId};

/// A secret or a public key, and within what bounds it counts.
#[derive(Debug)]
pub struct Credential {
    /// What a proof is checked by.
    pub key: Key,
    /// Where packets that it proves may come from.
    pub from: Networks,
    /// The last moment at which it counts.
    pub not_after: Option<Wall>,
}

/// What a proof is checked by.
pub enum Key {
    /// A secret that user and server share.
    Secret(Zeroizing<[u8; 32]>),
    /// An Ed25519 public key (RFC 8032).
    Ed25519(Box<VerifyingKey>),
    /// The public key of an ssh key pair, in a file or an agent.
    Ssh(Box<VerifyingKey>),
    /// The public key of a security key.
    SecurityKey(Box<SecurityKey>),
    /// The keys of a fwknop client.
    #[cfg(feature = "legacy")]
    Fwknop(Box<fwknop::Key>),
    /// The key of a pyknock client.
    #[cfg(feature = "legacy")]
    Pyknock(pyknock::Key),
}

/// The public key of a security key.
pub struct SecurityKey {
    public: VerifyingKey,
    /// What the key was made for, `ssh:` as a rule.
    application: String,
    /// Whether it must know who touches it.
    verify: bool,
}

impl fmt::Debug for Key {
    /// The kind alone: what it holds may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "legacy")]
            Self::Fwknop(key) => key.fmt(f),
            #[cfg(feature = "legacy")]
            Self::Pyknock(key) => key.fmt(f),
            _ => self.kind().fmt(f),
        }
    }
}

/// A public key that proves nothing, because anybody can sign for it, or
/// because it is no point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakKey;

/// What a proof that holds says besides.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// The counter of the security key that signed; 0 where none counts.
    pub counter: u32,
}

impl From<Key> for Credential {
    /// One that counts from everywhere and for ever.
    fn from(key: Key) -> Self {
        Self { key, from: Networks::default(), not_after: None }
    }
}

impl Credential {
    /// The id under which tokens name it, and with it the user.
    #[must_use]
    pub fn id(&self) -> UserId {
        self.key.id()
    }

    /// The proof kind that it accepts, and no other; none proves no native
    /// token.
    #[must_use]
    pub const fn kind(&self) -> Option<ProofKind> {
        self.key.kind()
    }

    /// Whether it still counts at `wall`.
    #[must_use]
    pub fn is_valid_at(&self, wall: Wall) -> bool {
        self.not_after.is_none_or(|end| wall <= end)
    }
}

impl Key {
    /// The key behind the 32 bytes of an Ed25519 public key.
    ///
    /// # Errors
    /// [`WeakKey`] when the bytes are no point of the curve, or one of small
    /// order.
    pub fn ed25519(public: &[u8; 32]) -> Result<Self, WeakKey> {
        strong(public).map(|key| Self::Ed25519(Box::new(key)))
    }

    /// The same as the key of an ssh key pair.
    ///
    /// # Errors
    /// As [`Self::ed25519`].
    pub fn ssh(public: &[u8; 32]) -> Result<Self, WeakKey> {
        strong(public).map(|key| Self::Ssh(Box::new(key)))
    }

    /// The same as the key of a security key that was made for `application`;
    /// `verify` tells that it must know who touches it.
    ///
    /// # Errors
    /// As [`Self::ed25519`].
    pub fn security_key(
        public: &[u8; 32],
        application: &str,
        verify: bool,
    ) -> Result<Self, WeakKey> {
        let (public, application) = (strong(public)?, application.to_owned());
        Ok(Self::SecurityKey(Box::new(SecurityKey { public, application, verify })))
    }

    /// The id under which tokens name the user.
    #[must_use]
    pub fn id(&self) -> UserId {
        match self {
            Self::Secret(secret) => secret_id(secret),
            Self::Ed25519(key) => ed25519_id(key.as_bytes()),
            Self::Ssh(key) => ssh_id(key.as_bytes()),
            Self::SecurityKey(key) => security_key_id(key.public.as_bytes(), &key.application),
            #[cfg(feature = "legacy")]
            Self::Fwknop(key) => key.id(),
            #[cfg(feature = "legacy")]
            Self::Pyknock(key) => key.id(),
        }
    }

    /// The proof kind that it accepts, and no other; none proves no native
    /// token.
    #[must_use]
    pub const fn kind(&self) -> Option<ProofKind> {
        match self {
            Self::Secret(_) => Some(ProofKind::Hmac),
            Self::Ed25519(_) => Some(ProofKind::Ed25519),
            Self::Ssh(_) => Some(ProofKind::Ssh),
            Self::SecurityKey(_) => Some(ProofKind::SecurityKey),
            #[cfg(feature = "legacy")]
            Self::Fwknop(_) | Self::Pyknock(_) => None,
        }
    }

    /// Whether `proof` proves `statement`: an HMAC compared in constant time,
    /// or a signature by the strict rules (canonical, no small order).
    ///
    /// # Errors
    /// [`Reason::Unproven`]; of security keys also [`Reason::Invalid`] for a
    /// flag of unknown meaning, [`Reason::Untouched`] and
    /// [`Reason::Unverified`].
    pub fn check(
        &self,
        statement: &Statement,
        proof: &[u8; PROOF_LENGTH],
    ) -> Result<Proven, Reason> {
        let (signature, rest) = proof.split_first_chunk().ok_or(Reason::Unproven)?;
        let mut counter = 0;
        let holds = match self {
            Self::Secret(secret) => {
                let expected = hash::hmac(secret, &[statement.as_bytes()]);
                expected.ct_eq(&proof[..32]).into()
            }
            Self::Ed25519(key) => is_signed(key, statement.as_bytes(), signature),
            Self::Ssh(key) => is_signed(key, &ssh::signed(statement), signature),
            Self::SecurityKey(key) => {
                let attested = key.attested(rest)?;
                counter = attested.counter;
                let bytes = attested.signed(&key.application, &ssh::signed(statement));
                is_signed(&key.public, &bytes, signature)
            }
            #[cfg(feature = "legacy")]
            Self::Fwknop(_) | Self::Pyknock(_) => false,
        };
        if holds { Ok(Proven { counter }) } else { Err(Reason::Unproven) }
    }
}

impl SecurityKey {
    /// What stands behind the signature, if it is enough.
    fn attested(&self, behind: &[u8]) -> Result<Attested, Reason> {
        let (&[flags, a, b, c, d], _) = behind.split_first_chunk().ok_or(Reason::Invalid)?;
        let attested = Attested::new(flags, u32::from_be_bytes([a, b, c, d]));
        if !attested.is_known() {
            Err(Reason::Invalid)
        } else if !attested.is_present() {
            Err(Reason::Untouched)
        } else if self.verify && !attested.is_verified() {
            Err(Reason::Unverified)
        } else {
            Ok(attested)
        }
    }
}

fn strong(public: &[u8; 32]) -> Result<VerifyingKey, WeakKey> {
    let key = VerifyingKey::from_bytes(public).map_err(|_| WeakKey)?;
    if key.is_weak() { Err(WeakKey) } else { Ok(key) }
}

fn is_signed(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
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

/// The first 8 bytes of SHA3-256("ssh-ed25519" | public key).
#[must_use]
pub fn ssh_id(public: &[u8; 32]) -> UserId {
    hash::id("ssh-ed25519", &[public])
}

/// The first 8 bytes of SHA3-256("sk-ssh-ed25519" | public key | application).
#[must_use]
pub fn security_key_id(public: &[u8; 32], application: &str) -> UserId {
    hash::id("sk-ssh-ed25519", &[public, application.as_bytes()])
}
