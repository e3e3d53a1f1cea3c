//! An Ed25519 public key (RFC 8032).

use ed25519_dalek::{Signature, VerifyingKey};

use super::{BadKey, ProofKind, Proven, Verifier};
use crate::core::hash;
use crate::core::reason::Reason;
use crate::core::statement::{Statement, UserId};

/// A signature over the statement.
pub const KIND: ProofKind = ProofKind {
    number: 2,
    name: "ed25519",
    length: 64,
    counts: false,
    needs_touch: false,
    read_ssh: None,
};

/// A public key that is not weak: only the holder of the private key can sign.
pub struct Ed25519(VerifyingKey);

/// The first 8 bytes of SHA3-256("ed25519" | public key).
#[must_use]
pub fn id(public: &[u8; 32]) -> UserId {
    hash::id("ed25519", &[public])
}

impl Ed25519 {
    /// Reads the 32 bytes of a public key.
    ///
    /// # Errors
    /// [`BadKey::Weak`] when they are not a point of the curve, or one of small
    /// order.
    pub fn new(public: &[u8; 32]) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(public).map_err(|_| BadKey::Weak)?;
        if key.is_weak() { Err(BadKey::Weak) } else { Ok(Self(key)) }
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether `signature` is the key's over `message`.
    ///
    /// # Errors
    /// [`Reason::Unproven`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Reason> {
        Signature::from_slice(signature)
            .and_then(|signature| self.0.verify_strict(message, &signature))
            .map_err(|_| Reason::Unproven)
    }
}

impl Verifier for Ed25519 {
    fn id(&self) -> UserId {
        id(self.as_bytes())
    }

    fn kind(&self) -> &'static ProofKind {
        &KIND
    }

    fn check(&self, statement: &Statement, proof: &[u8]) -> Result<Proven, Reason> {
        self.verify(statement.as_bytes(), proof)?;
        Ok(Proven::default())
    }
}
