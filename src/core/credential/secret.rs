//! A secret that user and server share.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ProofKind, Proven, Verifier};
use crate::core::hash;
use crate::core::reason::Reason;
use crate::core::statement::{Statement, UserId};

/// HMAC-SHA3-256 over the statement.
pub const KIND: ProofKind = ProofKind {
    number: 1,
    name: "hmac",
    length: 32,
    counts: false,
    needs_touch: false,
    read_ssh: None,
};

/// A shared secret.
pub struct Secret(pub Zeroizing<[u8; 32]>);

/// The first 8 bytes of SHA3-256("secret" | secret).
#[must_use]
pub fn id(secret: &[u8; 32]) -> UserId {
    hash::id("secret", &[secret])
}

/// The proof of a statement.
#[must_use]
pub fn prove(secret: &[u8; 32], statement: &Statement) -> [u8; 32] {
    hash::hmac(secret, &[statement.as_bytes()])
}

impl Verifier for Secret {
    fn id(&self) -> UserId {
        id(&self.0)
    }

    fn kind(&self) -> &'static ProofKind {
        &KIND
    }

    fn check(&self, statement: &Statement, proof: &[u8]) -> Result<Proven, Reason> {
        let holds: bool = prove(&self.0, statement).ct_eq(proof).into();
        if holds { Ok(Proven::default()) } else { Err(Reason::Unproven) }
    }
}
