//! SPA bytes to token and back, version 1. The format stands in spa(7).
//!
//! Opening goes in two steps, so that a stranger's packet costs one HMAC and
//! no more: [`GateKey::open`] compares the tag and unseals the body, then
//! [`Body::decode`] reads it. Whether the proof holds is the credential's to
//! say, over the [`Statement`].

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::address;
use super::door::DoorId;
use super::hash;
use super::reason::Reason;
use super::time::Wall;

/// Length of a token without its padding.
pub const BASE_LENGTH: usize = 168;
/// Length of the salt.
pub const SALT_LENGTH: usize = 16;
/// Length of the body.
pub const BODY_LENGTH: usize = 120;
/// Length of the body's part that is proven.
pub const CLAIM_LENGTH: usize = 48;
/// Length of the proof field.
pub const PROOF_LENGTH: usize = BODY_LENGTH - CLAIM_LENGTH;
/// The longest token: with 255 bytes of padding.
pub const MAX_LENGTH: usize = BASE_LENGTH + 255;

const TAG_LENGTH: usize = 32;
const SEALED_END: usize = SALT_LENGTH + BODY_LENGTH;
const VERSION: u8 = 1;
const FLAG_OBSERVED: u16 = 1;
const STATEMENT_LABEL: &[u8] = b"knockd spa 1 proof";
const STATEMENT_LENGTH: usize = STATEMENT_LABEL.len() + 16 + SALT_LENGTH + CLAIM_LENGTH;

/// Random bytes, unique per token.
pub type Salt = [u8; SALT_LENGTH];
/// A user's name on the wire.
pub type UserId = [u8; 8];
/// The server's name on the wire.
pub type ServerId = [u8; 16];

/// How a token is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    /// HMAC-SHA3-256 with the user's secret: 32 bytes.
    Hmac,
    /// Ed25519 signature: 64 bytes.
    Ed25519,
    /// SSH signature by a key of type ssh-ed25519: 64 bytes.
    Ssh,
    /// SSH signature by a security key, sk-ssh-ed25519: 69 bytes.
    SecurityKey,
}

impl ProofKind {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Hmac => 1,
            Self::Ed25519 => 2,
            Self::Ssh => 3,
            Self::SecurityKey => 4,
        }
    }

    /// The kind with this number on the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Hmac),
            2 => Some(Self::Ed25519),
            3 => Some(Self::Ssh),
            4 => Some(Self::SecurityKey),
            _ => None,
        }
    }

    /// How many bytes of the proof field it fills.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Hmac => 32,
            Self::Ed25519 | Self::Ssh => 64,
            Self::SecurityKey => 69,
        }
    }
}

/// The address that a token asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The address that the packet comes from.
    Source,
    /// This one. Not yet judged; IPv4 is no longer mapped.
    Address(IpAddr),
}

/// What a token asks for, and who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How it is proven.
    pub kind: ProofKind,
    /// When it was made.
    pub issued: Wall,
    /// Who asks.
    pub user: UserId,
    /// Which door.
    pub door: DoorId,
    /// For which address.
    pub wanted: Wanted,
    /// For how long; `None` is the door's own lifetime.
    pub lifetime: Option<Duration>,
}

impl Request {
    /// The proven part of the body. Lifetimes are cut to whole seconds,
    /// at most `u32::MAX`.
    #[must_use]
    pub fn encode(&self) -> [u8; CLAIM_LENGTH] {
        let (flags, address) = match self.wanted {
            Wanted::Source => (FLAG_OBSERVED, [0; 16]),
            Wanted::Address(address) => (0, address::to_bytes(address)),
        };
        let seconds = self.lifetime.map_or(0, |span| span.as_secs());
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);

        let mut claim = [0; CLAIM_LENGTH];
        claim[0] = VERSION;
        claim[1] = self.kind.number();
        claim[2..4].copy_from_slice(&flags.to_be_bytes());
        claim[4..12].copy_from_slice(&self.issued.as_millis().to_be_bytes());
        claim[12..20].copy_from_slice(&self.user);
        claim[20..28].copy_from_slice(&self.door);
        claim[28..44].copy_from_slice(&address);
        claim[44..48].copy_from_slice(&seconds.to_be_bytes());
        claim
    }
}

/// The bytes that a proof proves: label, server, salt and the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement([u8; STATEMENT_LENGTH]);

impl Statement {
    /// The statement of a claim made under `salt` to `server`.
    #[must_use]
    pub fn new(server: &ServerId, salt: &Salt, claim: &[u8; CLAIM_LENGTH]) -> Self {
        let mut bytes = [0; STATEMENT_LENGTH];
        let (label, rest) = bytes.split_at_mut(STATEMENT_LABEL.len());
        label.copy_from_slice(STATEMENT_LABEL);
        rest[..16].copy_from_slice(server);
        rest[16..32].copy_from_slice(salt);
        rest[32..].copy_from_slice(claim);
        Self(bytes)
    }

    /// The bytes to sign.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A body as it was sealed: 120 bytes behind a valid tag, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The token's salt.
    pub salt: Salt,
    bytes: [u8; BODY_LENGTH],
}

impl Body {
    /// The proven part.
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
    /// beside the flag that forbids one.
    pub fn decode(&self) -> Result<Request, Reason> {
        let claim = self.claim();
        if claim[0] != VERSION {
            return Err(Reason::Version);
        }
        let kind = ProofKind::from_number(claim[1]).ok_or(Reason::Invalid)?;
        let flags = u16::from_be_bytes(field(claim, 2));
        let address: [u8; 16] = field(claim, 28);
        let wanted = match flags {
            0 => Wanted::Address(IpAddr::V6(Ipv6Addr::from(address)).to_canonical()),
            FLAG_OBSERVED if address == [0; 16] => Wanted::Source,
            _ => return Err(Reason::Invalid),
        };
        if self.proof()[kind.length()..].iter().any(|byte| *byte != 0) {
            return Err(Reason::Invalid);
        }
        let seconds = u32::from_be_bytes(field(claim, 44));
        Ok(Request {
            kind,
            issued: Wall::from_millis(u64::from_be_bytes(field(claim, 4))),
            user: field(claim, 12),
            door: field(claim, 20),
            wanted,
            lifetime: (seconds != 0).then(|| Duration::from_secs(seconds.into())),
        })
    }
}

/// The `N` bytes of `claim` that start at `offset`, which is a constant of
/// the format.
fn field<const N: usize>(claim: &[u8; CLAIM_LENGTH], offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&claim[offset..offset + N]);
    bytes
}

/// The key that a server shares with all its clients, and what follows from
/// it. It keeps strangers out cheaply; it proves nobody.
pub struct GateKey {
    key: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 32]>,
    tag: Zeroizing<[u8; 32]>,
    pad: u8,
}

impl GateKey {
    /// Derives the working keys from the 32 bytes of a gate key.
    #[must_use]
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        let derive = |label: &str| Zeroizing::new(hash::hmac(&key, &[label.as_bytes()]));
        let (seal, tag) = (derive("knockd spa 1 seal"), derive("knockd spa 1 tag"));
        let pad = derive("knockd spa 1 pad")[0];
        Self { key, seal, tag, pad }
    }

    /// The key itself, for a client that is to have it.
    #[must_use]
    pub fn reveal(&self) -> &[u8; 32] {
        &self.key
    }

    /// How long every token under this key is: 168 to 423 bytes.
    #[must_use]
    pub const fn token_length(&self) -> usize {
        BASE_LENGTH + self.pad as usize
    }

    /// The server's name as a token under this key pins it.
    #[must_use]
    pub fn server_id(&self, name: &str) -> ServerId {
        let digest = hash::hmac(&self.key, &[b"knockd spa 1 server", name.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }

    /// The body of a datagram that someone with this key made. The tag is
    /// compared in constant time; nothing is unsealed before it holds.
    ///
    /// # Errors
    /// [`Reason::Length`], [`Reason::Stranger`].
    pub fn open(&self, datagram: &[u8]) -> Result<Body, Reason> {
        if datagram.len() != self.token_length() {
            return Err(Reason::Length);
        }
        let (tagged, tag) = datagram.split_at(datagram.len() - TAG_LENGTH);
        let expected = hash::hmac(&self.tag, &[tagged]);
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
        let tag = hash::hmac(&self.tag, &[&datagram]);
        datagram.extend_from_slice(&tag);
        datagram
    }
}

impl std::fmt::Debug for GateKey {
    /// No byte of the key, nor the length that follows from it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GateKey")
    }
}
