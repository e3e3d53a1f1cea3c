//! An Ed25519 private key (RFC 8032).

use ed25519_dalek::{Signer as _, SigningKey};

use super::{ClientError, UserKey};
use crate::core::credential::{ProofKind, ed25519};
use crate::core::statement::{Statement, UserId};

/// The private key.
pub struct Ed25519(SigningKey);

impl Ed25519 {
    /// The key of these 32 bytes, its seed.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32 bytes of the public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The signature over `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl UserKey for Ed25519 {
    fn user_id(&self) -> UserId {
        ed25519::id(&self.public())
    }

    fn kind(&self) -> &'static ProofKind {
        &ed25519::KIND
    }

    fn prove(&self, statement: &Statement) -> Result<Vec<u8>, ClientError> {
        Ok(self.sign(statement.as_bytes()).to_vec())
    }
}
