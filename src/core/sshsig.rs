//! What ssh keys sign: the statement in the form of `ssh-keygen -Y sign`, and
//! what a security key makes of that.
//!
//! OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f describe the two.

use sha2::{Digest, Sha256, Sha512};

use super::bytes::{Malformed, Reader, Writer};
use super::reason::Reason;
use super::statement::Statement;

/// The namespace of our signatures: one made for a file or a commit is none.
pub const NAMESPACE: &str = "knockd";

const HASH: &str = "sha512";
/// Of [`blob`].
const LENGTH: usize = 6 + 4 + NAMESPACE.len() + 4 + 4 + HASH.len() + 4 + 64;

/// The flag that somebody touched the key.
const PRESENT: u8 = 1;
/// The flag that the key knew who did, by a PIN or a finger.
const VERIFIED: u8 = 4;

/// What ssh-keygen would sign for `statement`: the magic word, the namespace,
/// nothing, the name of the hash and the hash.
#[must_use]
pub fn blob(statement: &Statement) -> [u8; LENGTH] {
    let hash = Sha512::digest(statement.as_bytes());
    let begin = Writer::new().bytes(b"SSHSIG").string(NAMESPACE.as_bytes()).string(b"");
    begin.string(HASH.as_bytes()).string(&hash).padded()
}

/// What a security key says of itself in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attested {
    /// Who was there.
    pub flags: u8,
    /// How often the key has signed; 0 when it does not count.
    pub counter: u32,
}

impl Attested {
    /// Reads the 5 bytes after a signature.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { flags: reader.u8()?, counter: reader.u32()? })
    }

    /// Whether somebody touched the key; with `verify`, also whether it knew
    /// who did.
    ///
    /// # Errors
    /// [`Reason::Untouched`], [`Reason::Unverified`], and [`Reason::Invalid`]
    /// for flags of unknown meaning.
    pub const fn check(self, verify: bool) -> Result<(), Reason> {
        if self.flags & !(PRESENT | VERIFIED) != 0 {
            Err(Reason::Invalid)
        } else if self.flags & PRESENT == 0 {
            Err(Reason::Untouched)
        } else if verify && self.flags & VERIFIED == 0 {
            Err(Reason::Unverified)
        } else {
            Ok(())
        }
    }

    /// What the key signs in the place of `blob`: the hash of the application
    /// that it was made for, flags, counter, and the hash of the blob.
    #[must_use]
    pub fn signed(self, application: &str, blob: &[u8]) -> [u8; 69] {
        let begin = Writer::new().bytes(&Sha256::digest(application.as_bytes()));
        begin.u8(self.flags).u32(self.counter).bytes(&Sha256::digest(blob)).padded()
    }
}
