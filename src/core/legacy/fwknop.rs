//! SPA data of fwknop 2 with symmetric keys, as its client sends it over UDP.
//!
//! The datagram is base64 without padding: AES-256-CBC data as `openssl enc`
//! makes it ("Salted__", 8 bytes of salt, blocks) without the 10 characters
//! that all such data begins with, then an HMAC over all before it, those
//! characters included. The plaintext is fields between colons:
//!
//! ```text
//! random : user : seconds : version : type : message [: seconds] : digest
//! ```
//!
//! `random` is 16 digits; `user` and `message` are in base64. The message is an
//! address and ports, `192.0.2.7,tcp/22`. Type 1 asks for access, type 3 for
//! access during `seconds`. Nothing is decrypted before the HMAC is valid. The
//! replay id is made of the plaintext, so another base64 text of the same
//! packet does not count again.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use aes::Aes256;
use base64ct::{Base64Unpadded, Encoding};
use cbc::Decryptor;
use cbc::cipher::{Array, BlockModeDecrypt, KeyIvInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Ask, Digest, MAX_PORTS};
use crate::core::address::Wanted;
use crate::core::hash;
use crate::core::port;
use crate::core::reason::Reason;
use crate::core::sighting::Port;
use crate::core::statement::UserId;
use crate::core::time::Wall;

/// The UDP port of fwknopd.
pub const PORT: u16 = 62_201;
/// The shortest datagram: salt, the five blocks of the shortest plaintext, and
/// the shortest HMAC.
pub const MIN_LENGTH: usize = 140;
/// The longest datagram: a plaintext of 576 bytes, which has room for the longest
/// fields, and the longest HMAC. It bounds what we hash for a stranger.
pub const MAX_LENGTH: usize = 866;
/// The most bytes of an encryption key.
pub const MAX_KEY: usize = 32;
/// The most bytes of an HMAC key.
pub const MAX_HMAC_KEY: usize = 128;

/// [`MAGIC`] in base64.
const PREFIX: &[u8] = b"U2FsdGVkX1";
const MAGIC: &[u8] = b"Salted__";
const SALT: usize = 8;
const BLOCK: usize = 16;
/// An address with up to [`MAX_PORTS`] ports fits.
const MAX_MESSAGE: usize = 256;

/// The keys of a user.
pub struct FwknopKey {
    /// 1 to [`MAX_KEY`] bytes.
    encryption: Zeroizing<Vec<u8>>,
    /// 1 to [`MAX_HMAC_KEY`] bytes.
    hmac: Zeroizing<Vec<u8>>,
    digest: Digest,
    /// Whether MD5 and SHA-1 are accepted in the plaintext.
    broken_digests: bool,
}

impl fmt::Debug for FwknopKey {
    /// Shows no byte of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FwknopKey")
    }
}

/// A datagram with a valid HMAC.
#[derive(Debug)]
pub struct Sealed<'a> {
    key: &'a FwknopKey,
    data: &'a [u8],
}

impl FwknopKey {
    /// The keys for encryption and HMAC; `digest` is that of the HMAC.
    /// `broken_digests` accepts MD5 and SHA-1 in the plaintext.
    #[must_use]
    pub const fn new(
        encryption: Zeroizing<Vec<u8>>,
        hmac: Zeroizing<Vec<u8>>,
        digest: Digest,
        broken_digests: bool,
    ) -> Self {
        Self { encryption, hmac, digest, broken_digests }
    }

    /// Checks that `datagram` was made with this key. Compares one HMAC in
    /// constant time.
    ///
    /// # Errors
    /// [`Reason::Length`], [`Reason::Stranger`].
    pub fn authenticate<'a>(&'a self, datagram: &'a [u8]) -> Result<Sealed<'a>, Reason> {
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&datagram.len()) {
            return Err(Reason::Length);
        }
        let end = datagram.len().saturating_sub(self.digest.text_length());
        let (data, tag) = datagram.split_at(end);
        let mut given = [0; 64];
        let given = Base64Unpadded::decode(tag, &mut given).map_err(|_| Reason::Stranger)?;
        let expected = self.digest.hmac(&self.hmac, &[PREFIX, data]);
        if bool::from(expected.as_bytes().ct_eq(given)) {
            Ok(Sealed { key: self, data })
        } else {
            Err(Reason::Stranger)
        }
    }

    /// Decrypts `blocks` in place. Returns the plaintext.
    fn decrypt<'b>(&self, salt: &[u8], blocks: &'b mut [u8]) -> Option<&'b [u8]> {
        let (whole, rest) = Array::slice_as_chunks_mut(blocks);
        if !rest.is_empty() {
            return None;
        }
        let (key, iv) = self.derive(salt);
        let mut cipher = Decryptor::<Aes256>::new((&*key).into(), (&*iv).into());
        cipher.decrypt_blocks(whole);
        let padding = usize::from(*blocks.last()?);
        let (text, padded) = blocks.split_at(blocks.len().checked_sub(padding)?);
        let is_padding = (1..=BLOCK).contains(&padding)
            && padded.iter().all(|byte| usize::from(*byte) == padding);
        is_padding.then_some(text)
    }

    /// The AES key and the initialisation vector, as `EVP_BytesToKey` of OpenSSL
    /// derives them with MD5 and one round.
    fn derive(&self, salt: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 16]>) {
        let mut stream = Zeroizing::new([0; 48]);
        let mut input = Zeroizing::new([0; BLOCK + MAX_KEY + SALT]);
        let mut before = 0;
        let mut length = 0;
        for part in [&self.encryption[..], salt] {
            let part = part.get(..MAX_KEY).unwrap_or(part);
            input[BLOCK + length..][..part.len()].copy_from_slice(part);
            length += part.len();
        }
        for chunk in stream.chunks_mut(BLOCK) {
            let start = BLOCK - before;
            let digest = Digest::Md5.hash(&input[start..BLOCK + length]);
            input[..BLOCK].copy_from_slice(digest.as_bytes());
            chunk.copy_from_slice(digest.as_bytes());
            before = BLOCK;
        }
        let (mut key, mut iv) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 16]));
        key.copy_from_slice(&stream[..32]);
        iv.copy_from_slice(&stream[32..]);
        (key, iv)
    }
}

impl super::OlderKey for FwknopKey {
    /// The HMAC key identifies the user.
    fn id(&self) -> UserId {
        hash::id("fwknop", &[super::significant(&self.hmac)])
    }

    fn read(&self, datagram: &[u8]) -> Result<Result<Ask, Reason>, Reason> {
        self.authenticate(datagram).map(|sealed| sealed.decode())
    }
}

impl Sealed<'_> {
    /// Reads what it asks for.
    ///
    /// # Errors
    /// [`Reason::Invalid`] for data that fwknop does not send;
    /// [`Reason::Version`] for another major version; [`Reason::Unsupported`] for
    /// commands, NAT, server authentication and digests that are not accepted.
    pub fn decode(&self) -> Result<Ask, Reason> {
        let mut text = [0; PREFIX.len() + MAX_LENGTH];
        text[..PREFIX.len()].copy_from_slice(PREFIX);
        let end = PREFIX.len() + self.data.len();
        text.get_mut(PREFIX.len()..end).ok_or(Reason::Length)?.copy_from_slice(self.data);

        let mut bytes = Zeroizing::new([0; PREFIX.len() + MAX_LENGTH]);
        let length = Base64Unpadded::decode(&text[..end], &mut bytes[..])
            .map_err(|_| Reason::Invalid)?
            .len();
        let (head, blocks) =
            bytes[..length].split_at_mut_checked(MAGIC.len() + SALT).ok_or(Reason::Invalid)?;
        let (magic, salt) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(Reason::Invalid);
        }
        let plain = self.key.decrypt(salt, blocks).ok_or(Reason::Invalid)?;
        read_plaintext(plain, self.key.broken_digests)
    }
}

/// Reads a plaintext after its digest was checked. `broken_digests` accepts MD5
/// and SHA-1.
///
/// # Errors
/// As [`Sealed::decode`].
pub fn read_plaintext(plain: &[u8], broken_digests: bool) -> Result<Ask, Reason> {
    let text = std::str::from_utf8(plain).map_err(|_| Reason::Invalid)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Reason::Invalid);
    }
    let (fields, digest) = text.rsplit_once(':').ok_or(Reason::Invalid)?;
    check_digest(fields.as_bytes(), digest, broken_digests)?;

    let mut fields = fields.split(':');
    let mut next = || fields.next().ok_or(Reason::Invalid);
    let (random, user, seconds) = (next()?, next()?, next()?);
    let (version, kind, message) = (next()?, next()?, next()?);
    if random.len() != 16 || !is_number(random) {
        return Err(Reason::Invalid);
    }
    decode(user, &mut [0; 64])?;
    if !matches!(version.split('.').next(), Some("2" | "3")) {
        return Err(Reason::Version);
    }
    let lifetime = match kind {
        "1" => None,
        "3" => Some(Duration::from_secs(number(fields.next_back().ok_or(Reason::Invalid)?)?)),
        // Types for commands and for NAT.
        "0" | "2" | "4" | "5" | "6" => return Err(Reason::Unsupported),
        _ => return Err(Reason::Invalid),
    };
    // A further field is a password for fwknopd to check.
    if fields.next().is_some() {
        return Err(Reason::Unsupported);
    }
    let seconds: u64 = number(seconds)?;
    let mut buffer = [0; MAX_MESSAGE];
    let (wanted, ports) = read_message(decode(message, &mut buffer)?)?;
    Ok(Ask {
        issued: Wall::from_millis(seconds.saturating_mul(1_000)),
        wanted,
        ports: Some(ports),
        lifetime: lifetime.filter(|span| !span.is_zero()),
        once: hash::once("fwknop", &[plain]),
    })
}

/// Tries all digests whose output has the given length.
fn check_digest(fields: &[u8], digest: &str, broken_digests: bool) -> Result<(), Reason> {
    const ALL: [Digest; 7] = [
        Digest::Md5,
        Digest::Sha1,
        Digest::Sha256,
        Digest::Sha384,
        Digest::Sha512,
        Digest::Sha3_256,
        Digest::Sha3_512,
    ];
    let mut given = [0; 64];
    let given = Base64Unpadded::decode(digest, &mut given).map_err(|_| Reason::Invalid)?;
    let mut candidates = ALL.into_iter().filter(|each| each.text_length() == digest.len());
    let made = candidates.find(|each| each.hash(fields).as_bytes() == given);
    match made {
        None => Err(Reason::Invalid),
        Some(digest) if digest.is_broken() && !broken_digests => Err(Reason::Unsupported),
        Some(_) => Ok(()),
    }
}

/// Reads `192.0.2.7,tcp/22,udp/53`; 0.0.0.0 stands for the packet's source.
fn read_message(text: &str) -> Result<(Wanted, Vec<Port>), Reason> {
    let mut parts = text.split(',');
    let address: Ipv4Addr =
        parts.next().and_then(|part| part.parse().ok()).ok_or(Reason::Invalid)?;
    let wanted = if address.is_unspecified() {
        Wanted::Source
    } else {
        Wanted::Address(IpAddr::V4(address))
    };
    let mut ports = Vec::new();
    for part in parts {
        let port = read_port(part)?;
        if ports.len() == MAX_PORTS {
            return Err(Reason::Unsupported);
        }
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    if ports.is_empty() { Err(Reason::Invalid) } else { Ok((wanted, ports)) }
}

fn read_port(text: &str) -> Result<Port, Reason> {
    let port = text.split_once('/').and_then(|(protocol, digits)| {
        Some(Port { protocol: port::protocol(protocol)?, number: port::number(digits)? })
    });
    port.ok_or(Reason::Invalid)
}

fn decode<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b str, Reason> {
    let bytes = Base64Unpadded::decode(text, buffer).map_err(|_| Reason::Invalid)?;
    std::str::from_utf8(bytes).map_err(|_| Reason::Invalid)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Decimal digits alone; `str::parse` would take a sign, too.
fn number(text: &str) -> Result<u64, Reason> {
    if !is_number(text) {
        return Err(Reason::Invalid);
    }
    text.parse().map_err(|_| Reason::Invalid)
}
