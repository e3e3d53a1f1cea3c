//! The hash functions of fwknop.

use hmac::{KeyInit, Mac, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use sha3::digest::block_api::BlockSizeUser;
use sha3::{Sha3_256, Sha3_512};
use zeroize::Zeroizing;

/// A hash function, and the HMAC (RFC 2104) made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digest {
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-1 (FIPS 180-4), as the ones below.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-256 (FIPS 202).
    Sha3_256,
    /// SHA3-512.
    Sha3_512,
}

/// A digest of 16 to 64 bytes. It is wiped when dropped, because keys are
/// derived from it too.
#[derive(Debug)]
pub struct Output {
    bytes: Zeroizing<[u8; 64]>,
    length: usize,
}

impl Output {
    fn new(digest: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; 64]);
        let length = digest.len().min(bytes.len());
        bytes[..length].copy_from_slice(&digest[..length]);
        Self { bytes, length }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Digest {
    /// Whether collisions of it are known.
    #[must_use]
    pub const fn is_broken(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }

    /// How many characters its output takes in base64 without padding.
    #[must_use]
    pub const fn text_length(self) -> usize {
        match self {
            Self::Md5 => 22,
            Self::Sha1 => 27,
            Self::Sha256 | Self::Sha3_256 => 43,
            Self::Sha384 => 64,
            Self::Sha512 | Self::Sha3_512 => 86,
        }
    }

    /// The digest of `data`.
    pub fn hash(self, data: &[u8]) -> Output {
        fn of<D: sha3::Digest>(data: &[u8]) -> Output {
            Output::new(&D::digest(data))
        }
        match self {
            Self::Md5 => of::<Md5>(data),
            Self::Sha1 => of::<Sha1>(data),
            Self::Sha256 => of::<Sha256>(data),
            Self::Sha384 => of::<Sha384>(data),
            Self::Sha512 => of::<Sha512>(data),
            Self::Sha3_256 => of::<Sha3_256>(data),
            Self::Sha3_512 => of::<Sha3_512>(data),
        }
    }

    /// The HMAC of the parts, one after another, under a key of any length.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Output {
        match self {
            Self::Md5 => mac::<Md5>(key, parts),
            Self::Sha1 => mac::<Sha1>(key, parts),
            Self::Sha256 => mac::<Sha256>(key, parts),
            Self::Sha384 => mac::<Sha384>(key, parts),
            Self::Sha512 => mac::<Sha512>(key, parts),
            Self::Sha3_256 => mac::<Sha3_256>(key, parts),
            Self::Sha3_512 => mac::<Sha3_512>(key, parts),
        }
    }
}

fn mac<D: sha3::Digest + BlockSizeUser>(key: &[u8], parts: &[&[u8]]) -> Output {
    let Ok(mut mac) = <SimpleHmac<D> as KeyInit>::new_from_slice(key) else {
        // Unreachable: an HMAC takes keys of any length. An empty tag never
        // matches.
        return Output::new(&[]);
    };
    for part in parts {
        mac.update(part);
    }
    Output::new(&mac.finalize().into_bytes())
}
