//! What a user proves itself with.
//!
//! Each kind of proof that the client makes is a file here; what files and
//! agents hold of ssh keys is read through the rows of [`SSH_TYPES`].

use ssh_key::private::KeypairData;

use super::ClientError;
use crate::core::bytes::{Malformed, Reader};
use crate::core::credential::{ProofKind, Verifier};
use crate::core::sshsig;
use crate::core::statement::{Statement, UserId};

pub mod ed25519;
pub mod secret;
pub mod security_key;
pub mod ssh;

/// What a user proves itself with. It is wiped when dropped.
pub trait UserKey {
    /// The id under which tokens name the user.
    fn user_id(&self) -> UserId;

    /// The kind of proof that it makes.
    fn kind(&self) -> &'static ProofKind;

    /// The proof of `statement`, as long as its kind says.
    ///
    /// # Errors
    /// When another holds the key and does not sign as its kind must.
    fn prove(&self, statement: &Statement) -> Result<Vec<u8>, ClientError>;
}

/// A type of ssh keys.
pub struct SshType {
    /// The kind of proof that they make.
    pub kind: &'static ProofKind,
    /// The private key that a file holds, if it is of this type.
    pub private: fn(&KeypairData) -> Option<Box<dyn UserKey>>,
    /// The proof in a signature that an agent made, after the type.
    pub proof: fn(&mut Reader<'_>) -> Result<Vec<u8>, Malformed>,
}

/// All types of ssh keys.
pub const SSH_TYPES: &[SshType] = &[ssh::TYPE, security_key::TYPE];

/// Signs with an ssh key.
pub trait Signs {
    /// Signs as ssh would, and returns the signature as ssh encodes it. It may
    /// take as long as somebody takes to touch a security key.
    ///
    /// # Errors
    /// When it does not; the text says what to do.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ClientError>;
}

/// An ssh key that another holds.
pub struct Held<S> {
    /// The public half.
    pub public: Box<dyn Verifier>,
    /// Holds the private half.
    pub holder: S,
}

impl<S: Signs> UserKey for Held<S> {
    fn user_id(&self) -> UserId {
        self.public.id()
    }

    fn kind(&self) -> &'static ProofKind {
        self.public.kind()
    }

    fn prove(&self, statement: &Statement) -> Result<Vec<u8>, ClientError> {
        let signature = self.holder.sign(&sshsig::blob(statement))?;
        let kind = self.kind();
        proof_in(kind, &signature).map_err(|Malformed| {
            ClientError::new(format!("the agent made no signature of type {}", kind.name))
        })
    }
}

/// The proof in a signature as ssh encodes it.
fn proof_in(kind: &ProofKind, signature: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader::new(signature);
    let found = SSH_TYPES.iter().find(|found| found.kind == kind).ok_or(Malformed)?;
    if reader.string()? != kind.name.as_bytes() {
        return Err(Malformed);
    }
    let proof = (found.proof)(&mut reader)?;
    reader.end()?;
    if proof.len() == kind.length { Ok(proof) } else { Err(Malformed) }
}
