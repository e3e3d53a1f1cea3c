//! The statement that a proof proves: the claim of a token to one server, under
//! one salt.

use super::bytes::Writer;
use super::mark::{MARK_LENGTH, NONCE_LENGTH};

/// Length of the salt.
pub const SALT_LENGTH: usize = NONCE_LENGTH + MARK_LENGTH;
/// Length of the claim, the part of the body that is proven.
pub const CLAIM_LENGTH: usize = 48;

const LABEL: &[u8] = b"knockd spa 1 proof";
const LENGTH: usize = LABEL.len() + 16 + SALT_LENGTH + CLAIM_LENGTH;

/// The nonce of a token and its mark, unique per token.
pub type Salt = [u8; SALT_LENGTH];
/// The id of a user in a token.
pub type UserId = [u8; 8];
/// The id of a server in a statement.
pub type ServerId = [u8; 16];

/// The bytes that a proof proves: label, server, salt and the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement([u8; LENGTH]);

impl Statement {
    /// The statement of a claim made under `salt` to `server`.
    #[must_use]
    pub fn new(server: &ServerId, salt: &Salt, claim: &[u8; CLAIM_LENGTH]) -> Self {
        Self(Writer::new().bytes(LABEL).bytes(server).bytes(salt).bytes(claim).padded())
    }

    /// The bytes to sign.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
