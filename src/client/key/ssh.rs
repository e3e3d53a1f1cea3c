//! The private key of an ssh key pair of type ssh-ed25519.

use zeroize::Zeroizing;

use super::ed25519::Ed25519;
use super::{ClientError, SshType, UserKey};
use crate::core::credential::{ProofKind, ssh};
use crate::core::sshsig;
use crate::core::statement::{Statement, UserId};

/// How files and agents hold it.
pub const TYPE: SshType = SshType {
    kind: &ssh::KIND,
    private: |pair| {
        let seed = Zeroizing::new(pair.ed25519()?.private.to_bytes());
        Some(Box::new(Ssh::new(&seed)))
    },
    proof: |reader| reader.string().map(<[u8]>::to_vec),
};

/// The private key.
pub struct Ssh(Ed25519);

impl Ssh {
    /// The key of these 32 bytes, its seed.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(Ed25519::new(seed))
    }
}

impl UserKey for Ssh {
    fn user_id(&self) -> UserId {
        ssh::id(&self.0.public())
    }

    fn kind(&self) -> &'static ProofKind {
        &ssh::KIND
    }

    fn prove(&self, statement: &Statement) -> Result<Vec<u8>, ClientError> {
        Ok(self.0.sign(&sshsig::blob(statement)).to_vec())
    }
}
