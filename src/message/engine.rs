//! Messages between keeper and engine.

use std::net::IpAddr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::packet::{Builder, Fields, Packet};
use super::{Message, VERSION};
use crate::core::claim::{Authorization, Claim, Ground};
use crate::core::door::DoorIndex;
use crate::core::gate::Refusal;
use crate::core::link::Link;
use crate::core::reason::Reason;
use crate::core::replay::{Barrier, ReplayId};
use crate::core::sequence::SequenceIndex;
use crate::core::time::{Monotonic, Wall};
use crate::core::user::{CredentialIndex, UserIndex};

/// What the engine sends. The keeper trusts none of it: the engine may be
/// compromised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromEngine {
    /// It is confined and reads packets.
    Serving,
    /// The gate accepted a packet. The message carries no expiry of the token:
    /// the keeper computes it.
    Open {
        /// What the gate claims.
        claim: Claim,
        /// The source address of the packet.
        source: IpAddr,
        /// When it was read.
        seen: Monotonic,
    },
    /// A refused packet, for the log.
    Refused {
        /// The source address of the packet.
        source: IpAddr,
        /// Why, and of which user.
        refusal: Refusal,
    },
    /// Packets that opened nothing since the last such message.
    Count {
        /// Why they opened nothing.
        reason: Reason,
        /// How many packets.
        times: u32,
    },
    /// Reading from a capture descriptor failed.
    Failed {
        /// The id that [`ToEngine::Capture`] gave it.
        capture: u32,
    },
}

/// What the keeper sends the engine.
#[derive(Clone, PartialEq, Eq)]
pub enum ToEngine {
    /// The first message. Its blob is the configuration, as files.
    Start {
        /// Whether to log errors to standard error.
        foreground: bool,
        /// Whether to report packets of strangers.
        verbose: bool,
        /// The user and group id to become; `None` with `firewall: Memory`.
        account: Option<(u32, u32)>,
        /// Tokens issued at or before it are refused.
        barrier: Barrier,
        /// [`crate::config::Files`], encoded.
        files: Zeroizing<Vec<u8>>,
        /// The directory for chroot(2).
        cell: String,
    },
    /// Capture with the descriptor that comes with this.
    Capture {
        /// The keeper's number for the descriptor.
        id: u32,
        /// The interface's index.
        index: u32,
        /// The link type of its frames.
        link: Link,
        /// The size of the kernel's buffer, which a read from bpf(4) needs.
        buffer: u32,
    },
    /// Close a capture descriptor.
    Release {
        /// The id that [`Self::Capture`] gave it.
        id: u32,
    },
    /// Process the packets that are captured already, then end.
    Retire,
    /// Whether to report packets of strangers.
    Verbose(bool),
}

impl Message for FromEngine {
    fn encode(&self) -> Packet {
        let begin = Builder::default();
        match self {
            Self::Serving => begin.packet(1),
            Self::Open { claim, source, seen } => {
                let begin = begin
                    .bytes(&claim.door.0.to_be_bytes())
                    .address(claim.address)
                    .address(*source)
                    .number(seen.as_nanos());
                ground(begin, &claim.ground).packet(2)
            }
            Self::Refused { source, refusal } => begin
                .address(*source)
                .bytes(&[refusal.reason.number()])
                .bytes(&user(refusal.user))
                .option(refusal.offset.map(i64::cast_unsigned))
                .packet(3),
            Self::Count { reason, times } => {
                begin.bytes(&[reason.number()]).number(*times).packet(4)
            }
            Self::Failed { capture } => begin.number(*capture).packet(5),
        }
    }

    fn decode(packet: &Packet) -> Option<Self> {
        let mut fields = packet.fields();
        Some(match packet.tag {
            1 => Self::Serving,
            2 => {
                let door = DoorIndex(u16::from_be_bytes(fields.bytes()?));
                let address = fields.address()?;
                let source = fields.address()?;
                let seen = Monotonic::from_nanos(fields.number()?);
                let claim = Claim { door, address, ground: to_ground(&mut fields)? };
                Self::Open { claim, source, seen }
            }
            3 => {
                let source = fields.address()?;
                let reason = to_reason(fields.bytes()?)?;
                let user = to_user(fields.bytes()?)?;
                let offset = fields.option()?.map(u64::cast_signed);
                Self::Refused { source, refusal: Refusal { reason, user, offset } }
            }
            4 => Self::Count { reason: to_reason(fields.bytes()?)?, times: fields.number()? },
            5 => Self::Failed { capture: fields.number()? },
            _ => return None,
        })
    }
}

impl Message for ToEngine {
    fn encode(&self) -> Packet {
        let begin = Builder::default();
        match self {
            Self::Start { foreground, verbose, account, barrier, files, cell } => {
                let length = u32::try_from(cell.len()).unwrap_or(u32::MAX);
                begin
                    .bytes(&version())
                    .bytes(&[u8::from(*foreground), u8::from(*verbose)])
                    .option(account.map(|(uid, _)| uid))
                    .option(account.map(|(_, gid)| gid))
                    .number(barrier.forgotten.as_millis())
                    .option(barrier.loss.map(|(started, _)| started.as_nanos()))
                    .number(barrier.loss.map_or(0, |(_, skew)| millis(skew)))
                    .number(length)
                    .blob(cell.as_bytes())
                    .blob(files)
                    .packet(1)
            }
            Self::Capture { id, index, link, buffer } => begin
                .number(*id)
                .number(*index)
                .bytes(&[link.number()])
                .number(*buffer)
                .packet(2),
            Self::Release { id } => begin.number(*id).packet(3),
            Self::Retire => begin.packet(4),
            Self::Verbose(verbose) => begin.bytes(&[u8::from(*verbose)]).packet(5),
        }
    }

    fn decode(packet: &Packet) -> Option<Self> {
        let mut fields = packet.fields();
        Some(match packet.tag {
            1 => {
                if fields.bytes()? != version() {
                    return None;
                }
                let (foreground, verbose) = (fields.flag()?, fields.flag()?);
                let uid: Option<u32> = fields.option()?;
                let account = uid.zip(fields.option()?);
                let forgotten = Wall::from_millis(fields.number()?);
                let started = fields.option()?.map(Monotonic::from_nanos);
                let skew = Duration::from_millis(fields.number()?);
                let barrier = Barrier { forgotten, loss: started.map(|at| (at, skew)) };
                let (cell, files) = packet.blob.split_at_checked(fields.number()?)?;
                let cell = std::str::from_utf8(cell).ok()?.to_owned();
                let files = Zeroizing::new(files.to_vec());
                Self::Start { foreground, verbose, account, barrier, files, cell }
            }
            2 => Self::Capture {
                id: fields.number()?,
                index: fields.number()?,
                link: Link::from_number(u8::from_be_bytes(fields.bytes()?))?,
                buffer: fields.number()?,
            },
            3 => Self::Release { id: fields.number()? },
            4 => Self::Retire,
            5 => Self::Verbose(fields.flag()?),
            _ => return None,
        })
    }
}

/// The version, cut or padded to the length that it has in a message.
pub(super) fn version() -> [u8; 16] {
    let mut bytes = [0; 16];
    for (slot, byte) in bytes.iter_mut().zip(VERSION.bytes()) {
        *slot = byte;
    }
    bytes
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whether there is a user, and which.
fn user(user: Option<UserIndex>) -> [u8; 5] {
    let [a, b, c, d] = user.map_or(0, |index| index.0).to_be_bytes();
    [u8::from(user.is_some()), a, b, c, d]
}

fn to_user([is_there, a, b, c, d]: [u8; 5]) -> Option<Option<UserIndex>> {
    match is_there {
        0 => Some(None),
        1 => Some(Some(UserIndex(u32::from_be_bytes([a, b, c, d])))),
        _ => None,
    }
}

/// A tag and the fields of that ground.
fn ground(begin: Builder, ground: &Ground) -> Builder {
    let sequence = |tag, index: &SequenceIndex| {
        let [a, b] = index.0.to_be_bytes();
        [tag, a, b]
    };
    match ground {
        Ground::Token(claimed) => authorization(begin.bytes(&[1]), claimed),
        Ground::Older(claimed) => authorization(begin.bytes(&[2]), claimed),
        Ground::Fixed(index) => begin.bytes(&sequence(3, index)),
        Ground::Rolling(index, period) => begin.bytes(&sequence(4, index)).number(*period),
        Ground::Line(index, offset) => begin.bytes(&sequence(5, index)).number(*offset),
    }
}

fn to_ground(fields: &mut Fields<'_>) -> Option<Ground> {
    let [tag] = fields.bytes()?;
    let mut sequence = || Some(SequenceIndex(u16::from_be_bytes(fields.bytes()?)));
    Some(match tag {
        1 => Ground::Token(to_authorization(fields)?),
        2 => Ground::Older(to_authorization(fields)?),
        3 => Ground::Fixed(sequence()?),
        4 => Ground::Rolling(sequence()?, fields.number()?),
        5 => Ground::Line(sequence()?, fields.number()?),
        _ => return None,
    })
}

fn authorization(begin: Builder, claimed: &Authorization) -> Builder {
    let Authorization { user, credential, lifetime, replay } = claimed;
    begin
        .bytes(&user.0.to_be_bytes())
        .bytes(&[credential.0])
        .option(lifetime.map(|span| span.as_secs()))
        .bytes(&replay.id)
        .bytes(&replay.counter.to_be_bytes())
        .number(replay.issued.as_millis())
}

fn to_authorization(fields: &mut Fields<'_>) -> Option<Authorization> {
    let user = UserIndex(u32::from_be_bytes(fields.bytes()?));
    let [credential] = fields.bytes()?;
    let lifetime = fields.option()?.map(Duration::from_secs);
    let (id, counter) = (fields.bytes()?, u32::from_be_bytes(fields.bytes()?));
    let issued = Wall::from_millis(fields.number()?);
    let replay = ReplayId { id, issued, expires: issued, counter };
    Some(Authorization { user, credential: CredentialIndex(credential), lifetime, replay })
}

fn to_reason([number]: [u8; 1]) -> Option<Reason> {
    Reason::from_number(number)
}
