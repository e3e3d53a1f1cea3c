//! Encodes and decodes SPA tokens of version 1. spa(7) describes the format.
//!
//! Opening has two steps, so a stranger's packet costs at most one HMAC.
//! [`GateKey::open`] compares the mark and the tag and unseals the body, then
//! [`Body::decode`] reads it. The credential then checks the proof over the
//! [`Statement`].

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::address;
pub use super::address::Wanted;
use super::bytes::{Reader, Writer};
use super::credential::ProofKind;
use super::door::DoorId;
use super::hash::{self, Hmac};
use super::mark::{MarkKey, NONCE_LENGTH, Nonce};
use super::reason::Reason;
pub use super::statement::{CLAIM_LENGTH, SALT_LENGTH, Salt, ServerId, Statement, UserId};
use super::time::Wall;

/// Length of a token without its padding.
pub const BASE_LENGTH: usize = 168;
/// Length of the body.
pub const BODY_LENGTH: usize = 120;
/// Length of the proof field.
pub const PROOF_LENGTH: usize = BODY_LENGTH - CLAIM_LENGTH;
/// The longest token: with 255 bytes of padding.
pub const MAX_LENGTH: usize = BASE_LENGTH + 255;

const TAG_LENGTH: usize = 32;
const SEALED_END: usize = SALT_LENGTH + BODY_LENGTH;
const VERSION: u8 = 1;
const FLAG_OBSERVED: u16 = 1;

/// What a token asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The kind of its proof.
    pub kind: &'static ProofKind,
    /// When it was made.
    pub issued: Wall,
    /// The user that asks.
    pub user: UserId,
    /// The door to open.
    pub door: DoorId,
    /// The address to open for.
    pub wanted: Wanted,
    /// The lifetime; `None` is the door's own.
    pub lifetime: Option<Duration>,
}

impl Request {
    /// The claim in the body. The lifetime is cut to whole seconds, at most
    /// `u32::MAX`.
    #[must_use]
    pub fn encode(&self) -> [u8; CLAIM_LENGTH] {
        let (flags, address) = match self.wanted {
            Wanted::Source => (FLAG_OBSERVED, [0; 16]),
            Wanted::Address(address) => (0, address::to_bytes(address)),
        };
        let seconds = self.lifetime.map_or(0, |span| span.as_secs());
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);

        Writer::new()
            .u8(VERSION)
            .u8(self.kind.number)
            .u16(flags)
            .wall(self.issued)
            .bytes(&self.user)
            .bytes(&self.door)
            .bytes(&address)
            .u32(seconds)
            .padded()
    }
}

/// The unsealed body of a token with a valid tag. Its proof is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The token's salt.
    pub salt: Salt,
    bytes: [u8; BODY_LENGTH],
}

impl Body {
    /// The part that is proven.
    #[must_use]
    pub fn claim(&self) -> &[u8; CLAIM_LENGTH] {
        self.bytes.first_chunk().unwrap_or(&[0; CLAIM_LENGTH])
    }

    /// The proof field, padding included.
    #[must_use]
    pub fn proof(&self) -> &[u8; PROOF_LENGTH] {
        self.bytes.last_chunk().unwrap_or(&[0; PROOF_LENGTH])
    }

    /// Reads the claim.
    ///
    /// # Errors
    /// [`Reason::Version`] for any version but 1; [`Reason::Invalid`] for an
    /// unknown kind or flag, a proof whose padding is not zero, or an address
    /// although the flag asks for the packet's source.
    pub fn decode(&self) -> Result<Request, Reason> {
        let mut claim = Reader::new(self.claim());
        if claim.u8()? != VERSION {
            return Err(Reason::Version);
        }
        let kind = ProofKind::from_number(claim.u8()?).ok_or(Reason::Invalid)?;
        let flags = claim.u16()?;
        let (issued, user, door) = (claim.wall()?, claim.array()?, claim.array()?);
        let wanted = match (flags, claim.address()?) {
            (0, address) => Wanted::Address(address),
            (FLAG_OBSERVED, IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Wanted::Source,
            _ => return Err(Reason::Invalid),
        };
        let seconds = claim.u32()?;
        let lifetime = (seconds != 0).then(|| Duration::from_secs(seconds.into()));
        if self.proof()[kind.length..].iter().any(|byte| *byte != 0) {
            return Err(Reason::Invalid);
        }
        Ok(Request { kind, issued, user, door, wanted, lifetime })
    }
}

/// The key that a server shares with all its clients, and the keys derived from
/// it. It keeps strangers out cheaply, but identifies no user.
pub struct GateKey {
    key: Zeroizing<[u8; 32]>,
    mark: MarkKey,
    seal: Zeroizing<[u8; 32]>,
    tag: Hmac,
    pad: u8,
}

impl GateKey {
    /// Derives the working keys from the 32 bytes of a gate key.
    #[must_use]
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        let derive = |label: &str| Zeroizing::new(hash::hmac(&key, &[label.as_bytes()]));
        let mark = MarkKey::new(&derive("knockd spa 1 mark"));
        let (seal, tag) = (derive("knockd spa 1 seal"), Hmac::new(&derive("knockd spa 1 tag")));
        let pad = derive("knockd spa 1 pad")[0];
        Self { key, mark, seal, tag, pad }
    }

    /// The key itself, to hand it to a client.
    #[must_use]
    pub fn reveal(&self) -> &[u8; 32] {
        &self.key
    }

    /// The length of every token under this key: 168 to 423 bytes.
    #[must_use]
    pub const fn token_length(&self) -> usize {
        BASE_LENGTH + self.pad as usize
    }

    /// The key of the marks of tokens under this key.
    #[must_use]
    pub const fn mark_key(&self) -> &MarkKey {
        &self.mark
    }

    /// The salt with this nonce.
    #[must_use]
    pub fn salt(&self, nonce: &Nonce) -> Salt {
        let mut salt = [0; SALT_LENGTH];
        salt[..NONCE_LENGTH].copy_from_slice(nonce);
        salt[NONCE_LENGTH..].copy_from_slice(&self.mark.mark(nonce));
        salt
    }

    /// The server's id in statements of tokens under this key.
    #[must_use]
    pub fn server_id(&self, name: &str) -> ServerId {
        let digest = hash::hmac(&self.key, &[b"knockd spa 1 server", name.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }

    /// The body of a datagram that someone with this key made. The mark comes
    /// first, as not every datagram met the filter in the kernel. The tag is
    /// compared in constant time; nothing is unsealed before it holds.
    ///
    /// # Errors
    /// [`Reason::Length`], [`Reason::Stranger`].
    pub fn open(&self, datagram: &[u8]) -> Result<Body, Reason> {
        if datagram.len() != self.token_length() {
            return Err(Reason::Length);
        }
        if !self.mark.marks(datagram) {
            return Err(Reason::Stranger);
        }
        let (tagged, tag) = datagram.split_at(datagram.len() - TAG_LENGTH);
        let expected = self.tag.of(&[tagged]);
        if !bool::from(expected.ct_eq(tag)) {
            return Err(Reason::Stranger);
        }
        let mut salt = [0; SALT_LENGTH];
        salt.copy_from_slice(&tagged[..SALT_LENGTH]);
        let mut bytes = [0; BODY_LENGTH];
        bytes.copy_from_slice(&tagged[SALT_LENGTH..SEALED_END]);
        hash::seal(&mut bytes, &[&*self.seal, &salt]);
        Ok(Body { salt, bytes })
    }

    /// The datagram for a claim and its proof. `padding` are random bytes, of
    /// which the first [`Self::token_length`] less 168 are used.
    #[must_use]
    pub fn seal(
        &self,
        salt: &Salt,
        claim: &[u8; CLAIM_LENGTH],
        proof: &[u8; PROOF_LENGTH],
        padding: &[u8; 255],
    ) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(self.token_length());
        datagram.extend_from_slice(salt);
        datagram.extend_from_slice(claim);
        datagram.extend_from_slice(proof);
        hash::seal(&mut datagram[SALT_LENGTH..], &[&*self.seal, salt]);
        datagram.extend_from_slice(&padding[..self.pad.into()]);
        let tag = self.tag.of(&[&datagram]);
        datagram.extend_from_slice(&tag);
        datagram
    }
}

impl std::fmt::Debug for GateKey {
    /// Shows no byte of the key, nor the length derived from it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GateKey")
    }
}
