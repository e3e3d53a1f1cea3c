//! Messages between keeper and engine.

use std::net::IpAddr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::packet::Packet;
use super::{Message, read_account, version, write_account};
use crate::core::bytes::{Malformed, Reader, Writer};
use crate::core::claim::{Authorization, Claim, Ground};
use crate::core::door::DoorIndex;
use crate::core::gate::Refusal;
use crate::core::link::Link;
use crate::core::reason::Reason;
use crate::core::replay::{Barrier, Honoured, MAX_CAPACITY, ReplayId};
use crate::core::sequence::SequenceIndex;
use crate::core::time::Monotonic;
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
        /// How much memory it may have, in MB.
        megabytes: u32,
        /// The user and group id to become; `None` with `firewall: Memory`.
        account: Option<(u32, u32)>,
        /// Tokens issued at or before it are refused.
        barrier: Barrier,
        /// [`crate::config::Files`], encoded.
        files: Zeroizing<Vec<u8>>,
        /// The directory for chroot(2).
        cell: String,
    },
    /// What was used already, also by other engines.
    Used {
        /// Tokens that are not stale; at most [`MAX_CAPACITY`].
        tokens: Vec<Honoured>,
        /// The offset of the last used line of each list that has one.
        lines: Vec<(SequenceIndex, u32)>,
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
        let fields = Writer::new();
        match self {
            Self::Serving => Packet::new(1, &fields),
            Self::Open { claim, source, seen } => {
                let fields = fields.u16(claim.door.0).address(claim.address);
                let fields = fields.address(*source).moment(*seen);
                Packet::new(2, &write_ground(fields, &claim.ground))
            }
            Self::Refused { source, refusal } => {
                let fields = fields.address(*source).u8(refusal.reason.number());
                let fields = fields.option(refusal.user.map(|user| user.0), Writer::u32);
                let offset = refusal.offset.map(i64::cast_unsigned);
                Packet::new(3, &fields.option(offset, Writer::u64))
            }
            Self::Count { reason, times } => {
                Packet::new(4, &fields.u8(reason.number()).u32(*times))
            }
            Self::Failed { capture } => Packet::new(5, &fields.u32(*capture)),
        }
    }

    fn decode(packet: &Packet) -> Result<Self, Malformed> {
        let mut fields = packet.fields();
        Ok(match packet.tag {
            1 => Self::Serving,
            2 => {
                let (door, address) = (DoorIndex(fields.u16()?), fields.address()?);
                let (source, seen) = (fields.address()?, fields.moment()?);
                let claim = Claim { door, address, ground: read_ground(&mut fields)? };
                Self::Open { claim, source, seen }
            }
            3 => {
                let (source, reason) = (fields.address()?, read_reason(&mut fields)?);
                let user = fields.option(Reader::u32)?.map(UserIndex);
                let offset = fields.option(Reader::u64)?.map(u64::cast_signed);
                Self::Refused { source, refusal: Refusal { reason, user, offset } }
            }
            4 => Self::Count { reason: read_reason(&mut fields)?, times: fields.u32()? },
            5 => Self::Failed { capture: fields.u32()? },
            _ => return Err(Malformed),
        })
    }
}

impl Message for ToEngine {
    fn encode(&self) -> Packet {
        let fields = Writer::new();
        match self {
            Self::Start { foreground, verbose, megabytes, account, barrier, files, cell } => {
                let fields = fields.bytes(&version()).flag(*foreground).flag(*verbose);
                let fields = fields.u32(*megabytes);
                let fields = fields.option(*account, write_account).wall(barrier.forgotten);
                let fields = fields.option(barrier.loss, |fields, (started, skew)| {
                    fields.moment(started).span(skew)
                });
                let blob = Writer::with_capacity(4 + cell.len() + files.len());
                let blob = blob.string(cell.as_bytes()).bytes(files).end();
                Packet::new(1, &fields).with(&blob)
            }
            Self::Capture { id, index, link, buffer } => {
                Packet::new(2, &fields.u32(*id).u32(*index).u8(link.number()).u32(*buffer))
            }
            Self::Release { id } => Packet::new(3, &fields.u32(*id)),
            Self::Retire => Packet::new(4, &fields),
            Self::Verbose(verbose) => Packet::new(5, &fields.flag(*verbose)),
            Self::Used { tokens, lines } => {
                let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
                let blob = tokens.iter().fold(Writer::new(), write_honoured);
                let write = |blob: Writer, (index, offset): &(SequenceIndex, u32)| {
                    blob.u16(index.0).u32(*offset)
                };
                let blob = lines.iter().fold(blob, write).end();
                Packet::new(6, &fields.u32(count)).with(&blob)
            }
        }
    }

    fn decode(packet: &Packet) -> Result<Self, Malformed> {
        let mut fields = packet.fields();
        Ok(match packet.tag {
            1 if fields.array()? == version() => {
                let (foreground, verbose) = (fields.flag()?, fields.flag()?);
                let megabytes = fields.u32()?;
                let (account, forgotten) = (fields.option(read_account)?, fields.wall()?);
                let loss = fields.option(|fields| Ok((fields.moment()?, fields.span()?)))?;
                let mut blob = Reader::new(&packet.blob);
                let cell = std::str::from_utf8(blob.string()?).map_err(|_| Malformed)?;
                let (cell, files) = (cell.to_owned(), Zeroizing::new(blob.rest().to_vec()));
                let barrier = Barrier { forgotten, loss };
                Self::Start { foreground, verbose, megabytes, account, barrier, files, cell }
            }
            2 => Self::Capture {
                id: fields.u32()?,
                index: fields.u32()?,
                link: Link::from_number(fields.u8()?).ok_or(Malformed)?,
                buffer: fields.u32()?,
            },
            3 => Self::Release { id: fields.u32()? },
            4 => Self::Retire,
            5 => Self::Verbose(fields.flag()?),
            6 => {
                let count = usize::try_from(fields.u32()?).map_err(|_| Malformed)?;
                if count > MAX_CAPACITY {
                    return Err(Malformed);
                }
                let mut blob = Reader::new(&packet.blob);
                let tokens = (0..count).map(|_| read_honoured(&mut blob));
                let tokens = tokens.collect::<Result<_, _>>()?;
                let mut lines = Vec::new();
                while blob.end().is_err() {
                    lines.push((SequenceIndex(blob.u16()?), blob.u32()?));
                }
                Self::Used { tokens, lines }
            }
            _ => return Err(Malformed),
        })
    }
}

fn write_honoured(blob: Writer, honoured: &Honoured) -> Writer {
    let Honoured { user, token: ReplayId { id, issued, expires, counter }, at } = honoured;
    let blob = blob.bytes(user).bytes(id).wall(*issued).wall(*expires);
    blob.u32(*counter).moment(*at)
}

fn read_honoured(blob: &mut Reader<'_>) -> Result<Honoured, Malformed> {
    let (user, id) = (blob.array()?, blob.array()?);
    let (issued, expires, counter) = (blob.wall()?, blob.wall()?, blob.u32()?);
    let token = ReplayId { id, issued, expires, counter };
    Ok(Honoured { user, token, at: blob.moment()? })
}

/// A tag and the fields of that ground.
fn write_ground(fields: Writer, ground: &Ground) -> Writer {
    match ground {
        Ground::Token(claimed) => write_authorization(fields.u8(1), claimed),
        Ground::Older(claimed) => write_authorization(fields.u8(2), claimed),
        Ground::Fixed(index) => fields.u8(3).u16(index.0),
        Ground::Rolling(index, period) => fields.u8(4).u16(index.0).u64(*period),
        Ground::Line(index, offset) => fields.u8(5).u16(index.0).u32(*offset),
    }
}

fn read_ground(fields: &mut Reader<'_>) -> Result<Ground, Malformed> {
    Ok(match fields.u8()? {
        1 => Ground::Token(read_authorization(fields)?),
        2 => Ground::Older(read_authorization(fields)?),
        3 => Ground::Fixed(SequenceIndex(fields.u16()?)),
        4 => Ground::Rolling(SequenceIndex(fields.u16()?), fields.u64()?),
        5 => Ground::Line(SequenceIndex(fields.u16()?), fields.u32()?),
        _ => return Err(Malformed),
    })
}

fn write_authorization(fields: Writer, claimed: &Authorization) -> Writer {
    let Authorization { user, credential, lifetime, replay } = claimed;
    let fields = fields.u32(user.0).u8(credential.0);
    let fields = fields.option(lifetime.map(|span| span.as_secs()), Writer::u64);
    fields.bytes(&replay.id).u32(replay.counter).wall(replay.issued)
}

fn read_authorization(fields: &mut Reader<'_>) -> Result<Authorization, Malformed> {
    let (user, credential) = (UserIndex(fields.u32()?), CredentialIndex(fields.u8()?));
    let lifetime = fields.option(Reader::u64)?.map(Duration::from_secs);
    let (id, counter, issued) = (fields.array()?, fields.u32()?, fields.wall()?);
    let replay = ReplayId { id, issued, expires: issued, counter };
    Ok(Authorization { user, credential, lifetime, replay })
}

fn read_reason(fields: &mut Reader<'_>) -> Result<Reason, Malformed> {
    Reason::from_number(fields.u8()?).ok_or(Malformed)
}
