//! The public key of an ssh key pair in a file or an agent, of type
//! ssh-ed25519.

use super::ed25519::Ed25519;
use super::{BadKey, ProofKind, Proven, Verifier};
use crate::core::hash;
use crate::core::reason::Reason;
use crate::core::sshsig;
use crate::core::statement::{Statement, UserId};

/// A signature over the statement as `ssh-keygen -Y sign` makes it.
pub const KIND: ProofKind = ProofKind {
    number: 3,
    name: "ssh-ed25519",
    length: 64,
    counts: false,
    needs_touch: false,
    read_ssh: Some(|reader, _| {
        let public = reader.string()?.try_into().map_err(|_| BadKey::Malformed)?;
        Ok(Box::new(Ssh::new(public)?))
    }),
};

/// The public key.
pub struct Ssh(Ed25519);

/// The first 8 bytes of SHA3-256("ssh-ed25519" | public key).
#[must_use]
pub fn id(public: &[u8; 32]) -> UserId {
    hash::id("ssh-ed25519", &[public])
}

impl Ssh {
    /// Reads the 32 bytes of a public key.
    ///
    /// # Errors
    /// Those of [`Ed25519::new`].
    pub fn new(public: &[u8; 32]) -> Result<Self, BadKey> {
        Ed25519::new(public).map(Self)
    }
}

impl Verifier for Ssh {
    fn id(&self) -> UserId {
        id(self.0.as_bytes())
    }

    fn kind(&self) -> &'static ProofKind {
        &KIND
    }

    fn check(&self, statement: &Statement, proof: &[u8]) -> Result<Proven, Reason> {
        self.0.verify(&sshsig::blob(statement), proof)?;
        Ok(Proven::default())
    }
}
