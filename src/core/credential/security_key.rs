//! The public key of a security key of type sk-ssh-ed25519.

use super::ed25519::Ed25519;
use super::{BadKey, ProofKind, Proven, Verifier};
use crate::core::bytes::Reader;
use crate::core::hash;
use crate::core::reason::Reason;
use crate::core::sshsig::{self, Attested};
use crate::core::statement::{Statement, UserId};

/// A signature over the statement as `ssh-keygen -Y sign` makes it, then the
/// flags and the counter of the security key.
pub const KIND: ProofKind = ProofKind {
    number: 4,
    name: "sk-ssh-ed25519@openssh.com",
    length: 69,
    counts: true,
    needs_touch: true,
    read_ssh: Some(|reader, verify| {
        let public = reader.string()?.try_into().map_err(|_| BadKey::Malformed)?;
        let application = std::str::from_utf8(reader.string()?);
        let application = application.map_err(|_| BadKey::Malformed)?;
        Ok(Box::new(SecurityKey::new(public, application, verify)?))
    }),
};

/// The public key.
pub struct SecurityKey {
    public: Ed25519,
    /// The application that the key was made for, by default `ssh:`.
    application: String,
    /// Whether the key must verify its user.
    verify: bool,
}

impl SecurityKey {
    /// Reads the 32 bytes of a key for `application`. With `verify` the key must
    /// verify its user.
    ///
    /// # Errors
    /// Those of [`Ed25519::new`].
    pub fn new(public: &[u8; 32], application: &str, verify: bool) -> Result<Self, BadKey> {
        let (public, application) = (Ed25519::new(public)?, application.to_owned());
        Ok(Self { public, application, verify })
    }
}

impl Verifier for SecurityKey {
    /// The first 8 bytes of SHA3-256("sk-ssh-ed25519" | public key |
    /// application).
    fn id(&self) -> UserId {
        hash::id("sk-ssh-ed25519", &[self.public.as_bytes(), self.application.as_bytes()])
    }

    fn kind(&self) -> &'static ProofKind {
        &KIND
    }

    fn check(&self, statement: &Statement, proof: &[u8]) -> Result<Proven, Reason> {
        let mut reader = Reader::new(proof);
        let (signature, attested) = (reader.bytes(64)?, Attested::read(&mut reader)?);
        attested.check(self.verify)?;
        let signed = attested.signed(&self.application, &sshsig::blob(statement));
        self.public.verify(&signed, signature)?;
        Ok(Proven { counter: attested.counter })
    }
}
