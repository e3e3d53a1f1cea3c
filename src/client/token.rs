//! A token from what a client holds and what it asks for: pure, so that the
//! same input makes the same bytes.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use crate::core::credential;
use crate::core::door;
use crate::core::hash;
use crate::core::time::Wall;
use crate::core::token::UserId;
use crate::core::token::{
    GateKey, PROOF_LENGTH, ProofKind, Request, SALT_LENGTH, Salt, Statement, Wanted,
};

/// What a user proves itself with.
pub enum Key {
    /// A secret that the server knows too.
    Secret(Zeroizing<[u8; 32]>),
    /// An Ed25519 private key (RFC 8032), wiped when dropped.
    Ed25519(Box<SigningKey>),
}

impl Key {
    /// The private key behind the 32 bytes of an Ed25519 seed.
    #[must_use]
    pub fn ed25519(seed: &[u8; 32]) -> Self {
        Self::Ed25519(Box::new(SigningKey::from_bytes(seed)))
    }

    /// The id under which tokens name the user.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Secret(secret) => credential::secret_id(secret),
            Self::Ed25519(key) => credential::ed25519_id(key.verifying_key().as_bytes()),
        }
    }

    /// The kind of proof that it makes.
    #[must_use]
    pub const fn kind(&self) -> ProofKind {
        match self {
            Self::Secret(_) => ProofKind::Hmac,
            Self::Ed25519(_) => ProofKind::Ed25519,
        }
    }

    /// The proof field for `statement`, padded with zeros.
    fn prove(&self, statement: &Statement) -> [u8; PROOF_LENGTH] {
        let mut field = [0; PROOF_LENGTH];
        let proof = &mut field[..self.kind().length()];
        match self {
            Self::Secret(secret) => {
                proof.copy_from_slice(&hash::hmac(secret, &[statement.as_bytes()]));
            }
            Self::Ed25519(key) => {
                proof.copy_from_slice(&key.sign(statement.as_bytes()).to_bytes());
            }
        }
        field
    }
}

impl fmt::Debug for Key {
    /// The kind alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

/// What a client holds to be let in by one server.
#[derive(Debug)]
pub struct Access {
    /// The key that the server shares with all its clients.
    pub gate_key: GateKey,
    /// The server's name, 1 to 64 bytes of `a-z 0-9 . -`.
    pub server_name: String,
    /// The user's own.
    pub key: Key,
}

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The door's name.
    pub door: String,
    /// For how long, in whole seconds; `None` is the door's own lifetime.
    pub lifetime: Option<Duration>,
}

/// The random bytes of one token, never used for a second one.
#[derive(Debug, Clone)]
pub struct Random {
    /// The token's salt.
    pub salt: Salt,
    /// As much padding as the longest token needs.
    pub padding: [u8; 255],
}

impl Random {
    /// Fresh bytes from the operating system.
    ///
    /// # Errors
    /// When the system has no random bytes to give.
    pub fn fresh() -> Result<Self, getrandom::Error> {
        let mut random = Self { salt: [0; SALT_LENGTH], padding: [0; 255] };
        getrandom::fill(&mut random.salt)?;
        getrandom::fill(&mut random.padding)?;
        Ok(random)
    }
}

impl Access {
    /// The datagram that asks for `ask` for the address `wanted`, made at
    /// `issued`.
    #[must_use]
    pub fn token(&self, ask: &Ask, wanted: Wanted, issued: Wall, random: &Random) -> Vec<u8> {
        let claim = Request {
            kind: self.key.kind(),
            issued,
            user: self.key.user_id(),
            door: door::wire_id(&ask.door),
            wanted,
            lifetime: ask.lifetime,
        }
        .encode();
        let server = self.gate_key.server_id(&self.server_name);
        let proof = self.key.prove(&Statement::new(&server, &random.salt, &claim));
        self.gate_key.seal(&random.salt, &claim, &proof, &random.padding)
    }
}
