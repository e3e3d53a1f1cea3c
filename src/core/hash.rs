//! The three hash functions of the token, under the names that spa(7) uses.

use sha3::{Digest, Sha3_256};
use shake::digest::{ExtendableOutput, Update, XofReader};
use zeroize::Zeroizing;

/// HMAC-SHA3-256 (RFC 2104 over FIPS 202) under one key. Both padded keys are
/// absorbed already, which saves two of five permutations for each token. The
/// states are wiped when dropped.
pub struct Hmac {
    inner: Sha3_256,
    outer: Sha3_256,
}

impl Hmac {
    /// The function under `key`.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let absorbed = |pad: u8| {
            // The key is padded with zeros to the block of the hash, 136 bytes.
            let mut block = Zeroizing::new([pad; 136]);
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            Sha3_256::new_with_prefix(block.as_slice())
        };
        Self { inner: absorbed(0x36), outer: absorbed(0x5c) }
    }

    /// Its value for the parts, one after another.
    #[must_use]
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        for part in parts {
            Digest::update(&mut inner, part);
        }
        self.outer.clone().chain_update(inner.finalize()).finalize().into()
    }
}

/// HMAC-SHA3-256 of the parts, one after another, for a key used once.
#[must_use]
pub fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    Hmac::new(key).of(parts)
}

/// SHA3-256 over the label and the parts.
#[must_use]
pub fn digest(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha3_256::new();
    Digest::update(&mut hash, label.as_bytes());
    for part in parts {
        Digest::update(&mut hash, part);
    }
    hash.finalize().into()
}

/// The first 8 bytes of SHA3-256 over the label and the parts.
#[must_use]
pub fn id(label: &str, parts: &[&[u8]]) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&digest(label, parts)[..8]);
    id
}

/// The first 16 bytes of SHA3-256 over the label and the parts, for the replay
/// id of a packet without a salt.
#[must_use]
pub fn once(label: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&digest(label, parts)[..16]);
    id
}

/// XORs `data` with the SHAKE256 stream of the parts.
pub fn seal(data: &mut [u8], parts: &[&[u8]]) {
    let mut stream = shake::Shake256::default();
    for part in parts {
        stream.update(part);
    }
    let mut reader = stream.finalize_xof();
    let mut chunk = [0; 64];
    for piece in data.chunks_mut(chunk.len()) {
        let keystream = &mut chunk[..piece.len()];
        reader.read(keystream);
        for (byte, key) in piece.iter_mut().zip(keystream.iter()) {
            *byte ^= key;
        }
    }
}
