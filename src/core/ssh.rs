//! What ssh keys sign: the statement in the form of `ssh-keygen -Y sign`, and
//! what a security key makes of that.
//!
//! OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f describe the two.

use sha2::{Digest, Sha256, Sha512};

use super::token::Statement;

/// The namespace of our signatures: one made for a file or a commit is none.
pub const NAMESPACE: &str = "knockd";
/// The algorithm of keys that are files or sit in an agent.
pub const ED25519: &str = "ssh-ed25519";
/// The algorithm of security keys.
pub const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";

/// Of [`signed`].
const LENGTH: usize = 6 + 4 + NAMESPACE.len() + 4 + 4 + HASH.len() + 4 + 64;
const HASH: &str = "sha512";

/// The flag that somebody touched the key.
const PRESENT: u8 = 1;
/// The flag that the key knew who did, by a PIN or a finger.
const VERIFIED: u8 = 4;

/// The blob that ssh-keygen would sign for `statement`: the magic word, the
/// namespace, nothing, the name of the hash and the hash, each a string of
/// SSH (RFC 4251, section 5) but the first.
#[must_use]
pub fn signed(statement: &Statement) -> [u8; LENGTH] {
    let hash = Sha512::digest(statement.as_bytes());
    let mut blob = [0; LENGTH];
    let (magic, mut rest) = blob.split_at_mut(6);
    magic.copy_from_slice(b"SSHSIG");
    for part in [NAMESPACE.as_bytes(), b"", HASH.as_bytes(), &hash] {
        let (length, behind) = rest.split_at_mut(4);
        length.copy_from_slice(&(part.len() as u32).to_be_bytes());
        let (place, behind) = behind.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    blob
}

/// What a security key says of itself in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attested {
    flags: u8,
    /// How often the key has signed; 0 when it does not count.
    pub counter: u32,
}

impl Attested {
    /// From the byte of flags and the 4 bytes of the counter.
    #[must_use]
    pub const fn new(flags: u8, counter: u32) -> Self {
        Self { flags, counter }
    }

    /// The byte of flags.
    #[must_use]
    pub const fn flags(self) -> u8 {
        self.flags
    }

    /// Whether only flags are set whose meaning is known here.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.flags & !(PRESENT | VERIFIED) == 0
    }

    /// Whether somebody touched the key.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.flags & PRESENT != 0
    }

    /// Whether the key knew who did.
    #[must_use]
    pub const fn is_verified(self) -> bool {
        self.flags & VERIFIED != 0
    }

    /// What the key signs in the place of `blob`: the hash of the application
    /// that it was made for, flags, counter, and the hash of the blob.
    #[must_use]
    pub fn signed(self, application: &str, blob: &[u8]) -> [u8; 69] {
        let mut bytes = [0; 69];
        bytes[..32].copy_from_slice(&Sha256::digest(application.as_bytes()));
        bytes[32] = self.flags;
        bytes[33..37].copy_from_slice(&self.counter.to_be_bytes());
        bytes[37..].copy_from_slice(&Sha256::digest(blob));
        bytes
    }
}
