//! The bytes that ssh keys sign for a statement, as `ssh-keygen -Y sign` does.
//!
//! They are described in PROTOCOL.sshsig of OpenSSH, those of security keys in
//! PROTOCOL.u2f.

use sha2::{Digest, Sha256, Sha512};

use super::bytes::{Malformed, Reader, Writer};
use super::reason::Reason;
use super::statement::Statement;

/// The namespace of our signatures. A signature of a file or a commit has
/// another one.
pub const NAMESPACE: &str = "knockd";

const HASH: &str = "sha512";
/// Length of [`blob`].
const LENGTH: usize = 6 + 4 + NAMESPACE.len() + 4 + 4 + HASH.len() + 4 + 64;

/// The flag of a touched key.
const PRESENT: u8 = 1;
/// The flag of a key that verified its user by PIN or fingerprint.
const VERIFIED: u8 = 4;

/// The bytes to sign for `statement`: the magic word, the namespace, an empty
/// string, the name of the hash and the hash.
#[must_use]
pub fn blob(statement: &Statement) -> [u8; LENGTH] {
    let hash = Sha512::digest(statement.as_bytes());
    let begin = Writer::new().bytes(b"SSHSIG").string(NAMESPACE.as_bytes()).string(b"");
    begin.string(HASH.as_bytes()).string(&hash).padded()
}

/// The flags and the counter that a security key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attested {
    /// Whether the user touched the key, and whether it verified the user.
    pub flags: u8,
    /// How often the key has signed; 0 if it does not count.
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

    /// Checks that the user touched the key; with `verify`, also that the key
    /// verified the user.
    ///
    /// # Errors
    /// [`Reason::Untouched`], [`Reason::Unverified`], and [`Reason::Invalid`]
    /// for unknown flags.
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

    /// What the key signs instead of `blob`: the hash of its application, flags,
    /// counter, and the hash of the blob.
    #[must_use]
    pub fn signed(self, application: &str, blob: &[u8]) -> [u8; 69] {
        let begin = Writer::new().bytes(&Sha256::digest(application.as_bytes()));
        begin.u8(self.flags).u32(self.counter).bytes(&Sha256::digest(blob)).padded()
    }
}
