//! Parses a frame into a sighting.
//!
//! Checksums are not verified: offloading leaves those of local packets
//! unfinished, and a token proves itself.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use pnet_packet::ethernet::EthernetPacket;
use pnet_packet::ipv4::{Ipv4Flags, Ipv4Packet};
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;
use pnet_packet::vlan::VlanPacket;

use super::wire::{
    ETHERNET_HEADER, ETHERTYPE_IPV4, ETHERTYPE_IPV6, EXTENSIONS, FAMILY_IPV4, FAMILY_IPV6,
    FRAGMENT, IPV6_HEADER, LEAST_HEADER, MAX_EXTENSIONS, MAX_TAGS, PFLOG_FAMILY,
    PFLOG_HEADER_LEAST, PPP_ADDRESS_CONTROL, PPP_IPV4, PPP_IPV6, TAG, TAG_PROTOCOLS, TCP, UDP,
    UDP_HEADER,
};
use crate::core::address::{self, Loopback};
use crate::core::link::Link;
use crate::core::reason::Reason;
use crate::core::sighting::{Segment, Sighting, TcpFlags};

/// Reads one captured frame. Bytes after the IP packet, such as Ethernet's
/// padding, do not matter; everything before has to be there and consistent.
///
/// # Errors
/// - [`Reason::Truncated`]: the frame ends before a header or before the
///   length that IP states.
/// - [`Reason::Malformed`]: versions or lengths contradict each other. A
///   jumbogram counts as such.
/// - [`Reason::Fragment`]: any part of a fragmented packet.
/// - [`Reason::Foreign`]: not TCP or UDP over IP, three or more tags, or more
///   than four IPv6 extension headers.
/// - [`Reason::Source`]: the source is not the address of a host. Loopback counts
///   as one here; an IPv4-mapped address in an IPv6 packet does not.
pub fn sight(link: Link, frame: &[u8], interface: u32) -> Result<Sighting<'_>, Reason> {
    let datagram = match network(link, frame)? {
        Packet::V4(packet) => ipv4(packet)?,
        Packet::V6(packet) => ipv6(packet)?,
    };
    let segment = match datagram.protocol {
        TCP => tcp(datagram.payload)?,
        UDP => udp(datagram.payload)?,
        _ => return Err(Reason::Foreign),
    };
    let Datagram { source, destination, .. } = datagram;
    // Mapped addresses belong in sockets, never on the wire.
    let is_mapped = source != source.to_canonical();
    if is_mapped || address::host(source, Loopback::Allowed).is_none() {
        return Err(Reason::Source);
    }
    Ok(Sighting { interface, source, destination, segment })
}

/// The packet after the link header.
enum Packet<'a> {
    V4(&'a [u8]),
    V6(&'a [u8]),
}

impl<'a> Packet<'a> {
    fn by_ethertype(number: u16, packet: &'a [u8]) -> Result<Self, Reason> {
        match number {
            ETHERTYPE_IPV4 => Ok(Self::V4(packet)),
            ETHERTYPE_IPV6 => Ok(Self::V6(packet)),
            _ => Err(Reason::Foreign),
        }
    }

    fn by_family(number: u32, packet: &'a [u8]) -> Result<Self, Reason> {
        match u8::try_from(number) {
            Ok(FAMILY_IPV4) => Ok(Self::V4(packet)),
            Ok(number) if FAMILY_IPV6.contains(&number) => Ok(Self::V6(packet)),
            _ => Err(Reason::Foreign),
        }
    }

    fn by_version(packet: &'a [u8]) -> Result<Self, Reason> {
        match packet.first().ok_or(Reason::Truncated)? >> 4 {
            4 => Ok(Self::V4(packet)),
            6 => Ok(Self::V6(packet)),
            _ => Err(Reason::Foreign),
        }
    }
}

/// Removes the link header.
fn network(link: Link, frame: &[u8]) -> Result<Packet<'_>, Reason> {
    let family = |decode: fn([u8; 4]) -> u32| {
        let (head, packet) = frame.split_first_chunk().ok_or(Reason::Truncated)?;
        Packet::by_family(decode(*head), packet)
    };
    match link {
        Link::Ethernet => ethernet(frame),
        Link::Null => family(u32::from_ne_bytes),
        Link::Loop => family(u32::from_be_bytes),
        Link::Raw => Packet::by_version(frame),
        Link::Ppp => ppp(frame),
        Link::Pflog => pflog(frame),
    }
}

fn ethernet(frame: &[u8]) -> Result<Packet<'_>, Reason> {
    let header = EthernetPacket::new(frame).ok_or(Reason::Truncated)?;
    let mut number = header.get_ethertype().0;
    let mut rest = &frame[ETHERNET_HEADER..];
    for _ in 0..MAX_TAGS {
        if !TAG_PROTOCOLS.contains(&number) {
            break;
        }
        let tag = VlanPacket::new(rest).ok_or(Reason::Truncated)?;
        number = tag.get_ethertype().0;
        rest = &rest[TAG..];
    }
    Packet::by_ethertype(number, rest)
}

fn ppp(frame: &[u8]) -> Result<Packet<'_>, Reason> {
    let header = frame.strip_prefix(&PPP_ADDRESS_CONTROL.to_be_bytes()).unwrap_or(frame);
    let (protocol, packet) = header.split_first_chunk().ok_or(Reason::Truncated)?;
    match u16::from_be_bytes(*protocol) {
        PPP_IPV4 => Ok(Packet::V4(packet)),
        PPP_IPV6 => Ok(Packet::V6(packet)),
        _ => Err(Reason::Foreign),
    }
}

fn pflog(frame: &[u8]) -> Result<Packet<'_>, Reason> {
    let length = usize::from(*frame.first().ok_or(Reason::Truncated)?).next_multiple_of(4);
    if length < PFLOG_HEADER_LEAST {
        return Err(Reason::Malformed);
    }
    let (head, packet) = frame.split_at_checked(length).ok_or(Reason::Truncated)?;
    Packet::by_family(u32::from(head[PFLOG_FAMILY]), packet)
}

/// A whole IP packet, its payload as long as IP says.
struct Datagram<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

fn ipv4(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    let header = Ipv4Packet::new(packet).ok_or(Reason::Truncated)?;
    let header_length = usize::from(header.get_header_length()) * 4;
    let total = usize::from(header.get_total_length());
    if header.get_version() != 4 || header_length < LEAST_HEADER || total < header_length {
        return Err(Reason::Malformed);
    }
    let payload = packet.get(header_length..total).ok_or(Reason::Truncated)?;
    let more_follow = header.get_flags() & Ipv4Flags::MoreFragments != 0;
    if more_follow || header.get_fragment_offset() != 0 {
        return Err(Reason::Fragment);
    }
    Ok(Datagram {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        protocol: header.get_next_level_protocol().0,
        payload,
    })
}

fn ipv6(packet: &[u8]) -> Result<Datagram<'_>, Reason> {
    let header = Ipv6Packet::new(packet).ok_or(Reason::Truncated)?;
    if header.get_version() != 6 {
        return Err(Reason::Malformed);
    }
    let end = IPV6_HEADER + usize::from(header.get_payload_length());
    let payload = packet.get(IPV6_HEADER..end).ok_or(Reason::Truncated)?;
    let (protocol, payload) = after_extensions(header.get_next_header().0, payload)?;
    Ok(Datagram {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        protocol,
        payload,
    })
}

/// Skips extension headers. Each has the number of the next one and its own length
/// in units of 8 bytes, the first not counted.
fn after_extensions(mut next: u8, mut rest: &[u8]) -> Result<(u8, &[u8]), Reason> {
    for _ in 0..MAX_EXTENSIONS {
        if !EXTENSIONS.contains(&next) {
            break;
        }
        let [following, length, ..] = *rest else {
            return Err(Reason::Malformed);
        };
        rest = rest.get((usize::from(length) + 1) * 8..).ok_or(Reason::Malformed)?;
        next = following;
    }
    if next == FRAGMENT { Err(Reason::Fragment) } else { Ok((next, rest)) }
}

fn tcp(payload: &[u8]) -> Result<Segment<'_>, Reason> {
    let header = TcpPacket::new(payload).ok_or(Reason::Malformed)?;
    let header_length = usize::from(header.get_data_offset()) * 4;
    if header_length < LEAST_HEADER || header_length > payload.len() {
        return Err(Reason::Malformed);
    }
    Ok(Segment::Tcp {
        source_port: header.get_source(),
        port: header.get_destination(),
        flags: TcpFlags(header.get_flags()),
        sequence: header.get_sequence(),
    })
}

fn udp(payload: &[u8]) -> Result<Segment<'_>, Reason> {
    let header = UdpPacket::new(payload).ok_or(Reason::Malformed)?;
    if usize::from(header.get_length()) != payload.len() {
        return Err(Reason::Malformed);
    }
    Ok(Segment::Udp {
        source_port: header.get_source(),
        port: header.get_destination(),
        payload: &payload[UDP_HEADER..],
    })
}
