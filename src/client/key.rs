//! What a user proves itself with.
#![forbid(unsafe_code)]

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::Error;
use crate::core::credential;
use crate::core::hash;
use crate::core::ssh::{self, Attested};
use crate::core::token::{PROOF_LENGTH, ProofKind, Statement, UserId};

/// What a user proves itself with.
pub enum Key {
    /// A secret that the server knows too.
    Secret(Zeroizing<[u8; 32]>),
    /// An Ed25519 private key (RFC 8032), wiped when dropped.
    Ed25519(Box<SigningKey>),
    /// The private key of an ssh key pair, wiped when dropped.
    Ssh(Box<SigningKey>),
    /// An ssh key that somebody else holds.
    Held(Public, Box<dyn Signs>),
}

/// The public half of an ssh key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Public {
    /// Of type ssh-ed25519.
    Ssh([u8; 32]),
    /// Of a security key, and what that was made for.
    SecurityKey([u8; 32], String),
}

impl Public {
    /// The id under which tokens name the user.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Ssh(public) => credential::ssh_id(public),
            Self::SecurityKey(public, application) => {
                credential::security_key_id(public, application)
            }
        }
    }

    /// The kind of proof that it checks.
    #[must_use]
    pub const fn kind(&self) -> ProofKind {
        match self {
            Self::Ssh(_) => ProofKind::Ssh,
            Self::SecurityKey(..) => ProofKind::SecurityKey,
        }
    }
}

/// Who holds an ssh key and signs with it.
pub trait Signs {
    /// Signs as ssh would. It may take as long as somebody takes to touch a
    /// security key.
    ///
    /// # Errors
    /// When it does not; the text says what to do.
    fn sign(&self, message: &[u8]) -> Result<Signed, Error>;
}

/// A signature by an ssh key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// The signature proper.
    pub signature: [u8; 64],
    /// What a security key said besides.
    pub attested: Option<Attested>,
}

impl Key {
    /// The private key behind the 32 bytes of an Ed25519 seed.
    #[must_use]
    pub fn ed25519(seed: &[u8; 32]) -> Self {
        Self::Ed25519(Box::new(SigningKey::from_bytes(seed)))
    }

    /// The same as the private half of an ssh key pair.
    #[must_use]
    pub fn ssh(seed: &[u8; 32]) -> Self {
        Self::Ssh(Box::new(SigningKey::from_bytes(seed)))
    }

    /// The id under which tokens name the user.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Secret(secret) => credential::secret_id(secret),
            Self::Ed25519(key) => credential::ed25519_id(key.verifying_key().as_bytes()),
            Self::Ssh(key) => credential::ssh_id(key.verifying_key().as_bytes()),
            Self::Held(public, _) => public.user_id(),
        }
    }

    /// The kind of proof that it makes.
    #[must_use]
    pub const fn kind(&self) -> ProofKind {
        match self {
            Self::Secret(_) => ProofKind::Hmac,
            Self::Ed25519(_) => ProofKind::Ed25519,
            Self::Ssh(_) => ProofKind::Ssh,
            Self::Held(public, _) => public.kind(),
        }
    }

    /// The proof field for `statement`, padded with zeros.
    ///
    /// # Errors
    /// When somebody else holds the key and does not sign as its kind must.
    pub fn prove(&self, statement: &Statement) -> Result<[u8; PROOF_LENGTH], Error> {
        let mut field = [0; PROOF_LENGTH];
        let proof = &mut field[..self.kind().length()];
        match self {
            Self::Secret(secret) => {
                proof.copy_from_slice(&hash::hmac(secret, &[statement.as_bytes()]));
            }
            Self::Ed25519(key) => {
                proof.copy_from_slice(&key.sign(statement.as_bytes()).to_bytes());
            }
            Self::Ssh(key) => {
                proof.copy_from_slice(&key.sign(&ssh::signed(statement)).to_bytes());
            }
            Self::Held(public, holder) => {
                let signed = holder.sign(&ssh::signed(statement))?;
                if signed.attested.is_some() != (public.kind() == ProofKind::SecurityKey) {
                    let text = "the agent signed with a key of another type than asked for";
                    return Err(Error::new(text.into()));
                }
                proof[..64].copy_from_slice(&signed.signature);
                if let Some(attested) = signed.attested {
                    proof[64] = attested.flags();
                    proof[65..].copy_from_slice(&attested.counter.to_be_bytes());
                }
            }
        }
        Ok(field)
    }
}

impl fmt::Debug for Key {
    /// The kind alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}
