//! A secret that the server knows, too.

use zeroize::Zeroizing;

use super::{ClientError, UserKey};
use crate::core::credential::{ProofKind, secret};
use crate::core::statement::{Statement, UserId};

/// The secret.
pub struct Secret(pub Zeroizing<[u8; 32]>);

impl UserKey for Secret {
    fn user_id(&self) -> UserId {
        secret::id(&self.0)
    }

    fn kind(&self) -> &'static ProofKind {
        &secret::KIND
    }

    fn prove(&self, statement: &Statement) -> Result<Vec<u8>, ClientError> {
        Ok(secret::prove(&self.0, statement).to_vec())
    }
}
