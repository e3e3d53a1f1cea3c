//! What the blocks of pcap and pcapng files mean.
#![forbid(unsafe_code)]

use pcap_parser::{Block, InterfaceDescriptionBlock, OptionCode, PcapBlockOwned, PcapHeader};

use crate::core::link::Link;

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
    /// A packet, of the section's interface with this number.
    Packet {
        interface: u32,
        stamp: Stamp,
        length: u32,
    },
    /// A packet without a time.
    Timeless,
    Other,
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
    pub(super) fn of(block: &PcapBlockOwned<'_>) -> Self {
        match block {
            PcapBlockOwned::LegacyHeader(header) => Self::Single {
                big_endian: header.is_bigendian(),
                description: Description::of_header(header),
            },
            PcapBlockOwned::Legacy(block) => Self::Packet {
                interface: 0,
                stamp: Stamp { seconds: block.ts_sec, ticks: block.ts_usec.into() },
                length: block.origlen,
            },
            PcapBlockOwned::NG(Block::SectionHeader(block)) => {
                Self::Section { big_endian: block.big_endian() }
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
                Self::Interface(Description::of_block(block))
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => Self::Packet {
                interface: block.if_id,
                stamp: Stamp {
                    seconds: 0,
                    ticks: u64::from(block.ts_high) << 32 | u64::from(block.ts_low),
                },
                length: block.origlen,
            },
            PcapBlockOwned::NG(Block::SimplePacket(_)) => Self::Timeless,
            PcapBlockOwned::NG(_) => Self::Other,
        }
    }
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
    /// The link type, or its number if it is not supported.
    pub(super) link: Result<Link, u16>,
    /// Units of time per second.
    units: u128,
    /// Seconds to add.
    offset: i64,
}

impl Interface {
    pub(super) fn new(description: Description, big_endian: bool) -> Self {
        let Description { linktype, units, offset } = description;
        let decode = if big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
        let link = link(linktype, big_endian).ok_or(linktype);
        Self { link, units, offset: decode(offset) }
    }

    /// Nanoseconds since 1970, kept within what 64 bits hold.
    pub(super) fn time(&self, stamp: Stamp) -> u64 {
        let second = i128::from(NANOS_PER_SECOND);
        let fraction = u128::from(stamp.ticks) * u128::from(NANOS_PER_SECOND) / self.units;
        let fraction = i128::try_from(fraction).unwrap_or(i128::MAX / 2);
        let whole = (i128::from(stamp.seconds) + i128::from(self.offset)) * second;
        u64::try_from((whole + fraction).max(0)).unwrap_or(u64::MAX)
    }
}

/// Link types by their number in files (tcpdump.org/linktypes.html), and by
/// the numbers of `DLT_RAW` in kernels, which some tools write.
fn link(linktype: u16, big_endian: bool) -> Option<Link> {
    match linktype {
        // The byte order of the machine that captured: the file's.
        0 if big_endian == cfg!(target_endian = "big") => Some(Link::Null),
        0 if big_endian => Some(Link::Loop),
        1 => Some(Link::Ethernet),
        // Of the two, 50 may also hold Cisco's framing, which reads as foreign.
        9 | 50 => Some(Link::Ppp),
        12 | 14 | 101 => Some(Link::Raw),
        108 => Some(Link::Loop),
        113 => Some(Link::Sll),
        117 => Some(Link::Pflog),
        _ => None,
    }
}
