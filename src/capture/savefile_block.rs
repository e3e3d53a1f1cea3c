//! The meaning of blocks of pcap and pcapng files.
#![forbid(unsafe_code)]

use pcap_parser::{Block, InterfaceDescriptionBlock, OptionCode, PcapBlockOwned, PcapHeader};

use super::wire::ETHERNET_HEADER;
use crate::core::link::Link;

/// `LINKTYPE_PKTAP`, which does not contain itself.
const PKTAP: u32 = 258;
/// Bytes of enc(4)'s header: address family, SPI, flags.
const ENC_HEADER: usize = 12;
/// Bytes of the session header of PPPoE (RFC 2516, section 4).
const PPPOE_HEADER: usize = 6;
/// Bytes of Linux's cooked headers, which `tcpdump -i any` writes.
const SLL_HEADER: usize = 16;
const SLL2_HEADER: usize = 20;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// What a block means, borrowing nothing.
pub(super) enum Step {
    /// A section of a pcapng file begins.
    Section {
        big_endian: bool,
    },
    /// One more interface of the section.
    Interface(Description),
    /// The header of a pcap file, which has one interface.
    Single {
        big_endian: bool,
        description: Description,
    },
    /// A packet, or why it cannot be read.
    Packet(Result<Head, String>),
    /// A packet without a time.
    Timeless,
    Other,
}

/// The part of a packet's block that borrows nothing.
pub(super) struct Head {
    /// The link type of the frame.
    pub(super) link: Link,
    /// Bytes before the frame, of a header that only files have.
    pub(super) skip: usize,
    pub(super) time: u64,
    pub(super) length: u32,
}

/// A time as the file has it.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    seconds: u32,
    /// In the interface's units.
    ticks: u64,
}

/// An interface as the file has it.
pub(super) struct Description {
    linktype: u16,
    /// Units of time per second.
    units: u128,
    /// Seconds to add, in the section's byte order.
    offset: [u8; 8],
}

impl Step {
    /// Returns what a block means after the `interfaces` of its section.
    pub(super) fn of(block: &PcapBlockOwned<'_>, interfaces: &[Interface]) -> Self {
        match block {
            PcapBlockOwned::LegacyHeader(header) => Self::Single {
                big_endian: header.is_bigendian(),
                description: Description::of_header(header),
            },
            PcapBlockOwned::Legacy(block) => {
                let stamp = Stamp { seconds: block.ts_sec, ticks: block.ts_usec.into() };
                Self::Packet(head(interfaces, 0, stamp, block.origlen, block.data))
            }
            PcapBlockOwned::NG(Block::SectionHeader(block)) => {
                Self::Section { big_endian: block.big_endian() }
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
                Self::Interface(Description::of_block(block))
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
                let stamp = Stamp { seconds: 0, ticks };
                Self::Packet(head(interfaces, block.if_id, stamp, block.origlen, block.data))
            }
            PcapBlockOwned::NG(Block::SimplePacket(_)) => Self::Timeless,
            PcapBlockOwned::NG(_) => Self::Other,
        }
    }
}

/// Returns the head of a packet of the interface with this number.
fn head(
    interfaces: &[Interface],
    number: u32,
    stamp: Stamp,
    length: u32,
    data: &[u8],
) -> Result<Head, String> {
    let interface = usize::try_from(number).ok().and_then(|at| interfaces.get(at));
    let interface =
        interface.ok_or_else(|| format!("its interface {number} is not described"))?;
    let (link, skip) = framing(interface.linktype.into(), interface.big_endian, data)
        .map_err(|number| format!("link type {number} is not supported"))?;
    Ok(Head { link, skip, time: interface.time(stamp), length })
}

impl Description {
    fn of_header(header: &PcapHeader) -> Self {
        let units = if header.is_nanosecond_precision() { NANOS_PER_SECOND } else { 1_000_000 };
        // The upper half holds flags about frame check sequences.
        let [low, high, ..] = header.network.0.to_le_bytes();
        let linktype = u16::from_le_bytes([low, high]);
        Self { linktype, units: units.into(), offset: [0; 8] }
    }

    /// The resolution is the negative power of ten, or of two if the highest
    /// bit is set; microseconds unless stated.
    fn of_block(block: &InterfaceDescriptionBlock<'_>) -> Self {
        let option = |code| {
            let option = block.options.iter().find(|option| option.code == code);
            option.map(|option| option.value())
        };
        let resolution = option(OptionCode::IfTsresol).and_then(|value| value.first().copied());
        let resolution = resolution.unwrap_or(6);
        let exponent = u32::from(resolution & 0x7f);
        let base = if resolution & 0x80 == 0 { 10_u128 } else { 2 };
        let offset = option(OptionCode::IfTsoffset).and_then(|value| value.first_chunk());
        let [low, high, ..] = block.linktype.0.to_le_bytes();
        Self {
            linktype: u16::from_le_bytes([low, high]),
            units: base.saturating_pow(exponent),
            offset: offset.copied().unwrap_or_default(),
        }
    }
}

/// Where packets of a file come from.
pub(super) struct Interface {
    linktype: u16,
    /// The byte order of the machine that captured: the file's.
    big_endian: bool,
    /// Units of time per second.
    units: u128,
    /// Seconds to add.
    offset: i64,
}

impl Interface {
    pub(super) fn new(description: Description, big_endian: bool) -> Self {
        let Description { linktype, units, offset } = description;
        let decode = if big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
        Self { linktype, big_endian, units, offset: decode(offset) }
    }

    /// Nanoseconds since 1970, kept within what 64 bits hold.
    fn time(&self, stamp: Stamp) -> u64 {
        let second = i128::from(NANOS_PER_SECOND);
        let fraction = u128::from(stamp.ticks) * u128::from(NANOS_PER_SECOND) / self.units;
        let fraction = i128::try_from(fraction).unwrap_or(i128::MAX / 2);
        let whole = (i128::from(stamp.seconds) + i128::from(self.offset)) * second;
        u64::try_from((whole + fraction).max(0)).unwrap_or(u64::MAX)
    }
}

/// Returns the link type with a number of files (tcpdump.org/linktypes.html), and
/// how many bytes come before its frame in `data`. Knows the numbers of kernels too,
/// which some tools write.
///
/// # Errors
/// The number that is not known.
fn framing(number: u32, big_endian: bool, data: &[u8]) -> Result<(Link, usize), u32> {
    let whole = |link| Ok((link, 0));
    match number {
        0 if big_endian == cfg!(target_endian = "big") => whole(Link::Null),
        0 if big_endian => whole(Link::Loop),
        1 => whole(Link::Ethernet),
        // Of the two, 50 may also hold Cisco's framing, which reads as foreign.
        9 | 50 => whole(Link::Ppp),
        // 12 is OpenBSD's loopback, whose four bytes begin with zeros; elsewhere
        // it is raw IP.
        12 if data.first() == Some(&0) => whole(Link::Loop),
        12 | 14 | 101 => whole(Link::Raw),
        // OpenBSD's own number and that of all others: an IPsec header.
        13 | 109 => Ok((Link::Raw, ENC_HEADER)),
        51 => Ok((Link::Ppp, PPPOE_HEADER)),
        108 => whole(Link::Loop),
        // Its last 14 bytes are like a header of Ethernet.
        113 => Ok((Link::Ethernet, SLL_HEADER - ETHERNET_HEADER)),
        117 => whole(Link::Pflog),
        PKTAP => pktap(big_endian, data),
        276 => match data {
            [0x08, 0x00, ..] | [0x86, 0xdd, ..] => Ok((Link::Raw, SLL2_HEADER)),
            // Other protocols: no address family is so large, it reads as foreign.
            _ => whole(Link::Loop),
        },
        _ => Err(number),
    }
}

/// macOS puts a header of its own before that of the link (`struct pktap_header`):
/// its length, what follows, and the link type.
fn pktap(big_endian: bool, data: &[u8]) -> Result<(Link, usize), u32> {
    let decode = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    let Some(&[a, b, c, d, _, _, _, _, link @ ..]) = data.first_chunk::<12>() else {
        return Ok((Link::Ethernet, data.len()));
    };
    let length = usize::try_from(decode([a, b, c, d])).unwrap_or(usize::MAX);
    let number = decode(link);
    let inner = data.get(length..).unwrap_or_default();
    if number == PKTAP {
        return Err(number);
    }
    let (link, skip) = framing(number, big_endian, inner)?;
    Ok((link, length.saturating_add(skip)))
}
