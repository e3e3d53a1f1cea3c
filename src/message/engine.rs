//! Between keeper and engine.

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

/// What the engine may say. All that it says is doubted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromEngine {
    /// It is confined, and reads what it captures.
    Serving,
    /// The gate lets somebody in. When a token expires is not carried: the
    /// keeper knows better.
    Open {
        /// What the gate claims.
        claim: Claim,
        /// Where the packet came from.
        source: IpAddr,
        /// When it was read.
        seen: Monotonic,
    },
    /// A packet that somebody could be told about.
    Refused {
        /// Where it came from.
        source: IpAddr,
        /// Why.
        refusal: Refusal,
    },
    /// Packets that opened nothing, since this was last said.
    Count {
        /// Why.
        reason: Reason,
        /// How many.
        times: u32,
    },
    /// A capture descriptor could not be read any more.
    Failed {
        /// Which.
        capture: u32,
    },
}

/// What the keeper tells the engine.
#[derive(Clone, PartialEq, Eq)]
pub enum ToEngine {
    /// The first message. Its blob is the configuration, as files.
    Start {
        /// Whether to complain to standard error.
        foreground: bool,
        /// Whether to tell what strangers do.
        verbose: bool,
        /// The account to become; none where nothing is at stake.
        account: Option<(u32, u32)>,
        /// Which tokens are too old to be believed.
        barrier: Barrier,
        /// [`crate::config::Files`], encoded.
        files: Zeroizing<Vec<u8>>,
        /// The directory to be locked into.
        cell: String,
    },
    /// Here is a capture descriptor.
    Capture {
        /// What the keeper calls it.
        id: u32,
        /// The interface's index.
        index: u32,
        /// What its frames begin with.
        link: Link,
        /// The size of the kernel's buffer, where reading takes it.
        buffer: u32,
    },
    /// Close that descriptor.
    Release {
        /// Which.
        id: u32,
    },
    /// Read what is left, then end.
    Retire,
    /// Whether to tell what strangers do.
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
        Ground::Token(said) => authorization(begin.bytes(&[1]), said),
        Ground::Older(said) => authorization(begin.bytes(&[2]), said),
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

fn authorization(begin: Builder, said: &Authorization) -> Builder {
    let Authorization { user, credential, lifetime, replay } = said;
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
