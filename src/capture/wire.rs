//! Numbers of the link and network layers that parser and filter share.
#![forbid(unsafe_code)]

/// EtherType of IPv4 (IEEE 802 numbers, IANA).
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Tag protocol identifiers: 802.1Q, 802.1ad, and QinQ from before 802.1ad.
pub(super) const TAG_PROTOCOLS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// The most tags between the Ethernet header and the packet.
pub(super) const MAX_TAGS: usize = 2;
/// Bytes before the packet: two addresses and a type.
pub(super) const ETHERNET_HEADER: usize = 14;
/// Bytes that each tag adds.
pub(super) const TAG: usize = 4;

/// `AF_INET`, the same everywhere.
pub(super) const FAMILY_IPV4: u8 = 2;
/// `AF_INET6` of OpenBSD and NetBSD, FreeBSD, macOS, Linux: a file may come
/// from another system than the one that reads it.
pub(super) const FAMILY_IPV6: [u8; 4] = [24, 28, 30, 10];

/// PPP's address and control field (RFC 1662, section 3.1): every station,
/// unnumbered information. Peers may agree to leave it out.
pub(super) const PPP_ADDRESS_CONTROL: u16 = 0xff03;
/// PPP protocol number of IPv4 (RFC 1332).
pub(super) const PPP_IPV4: u16 = 0x0021;
/// PPP protocol number of IPv6 (RFC 5072).
pub(super) const PPP_IPV6: u16 = 0x0057;

/// Where pflog's header names the address family (`struct pfloghdr`).
pub(super) const PFLOG_FAMILY: usize = 1;
/// Where it names the direction.
pub(super) const PFLOG_DIRECTION: usize = 60;
/// `PF_OUT` there.
pub(super) const PFLOG_OUT: u8 = 2;
/// The smallest header: FreeBSD to 12 and macOS. Later ones have 72, OpenBSD
/// 100. The first byte is the length, to be rounded up to four.
pub(super) const PFLOG_HEADER_LEAST: usize = 64;

/// `PACKET_OUTGOING`: a packet type of Linux, in the kernel's ancillary data.
pub(super) const PACKET_OUTGOING: u8 = 4;

/// Extension headers of IPv6 that are skipped: hop-by-hop options,
/// routing, destination options (RFC 8200, section 4). Their order is not
/// checked.
pub(super) const EXTENSIONS: [u8; 3] = [0, 43, 60];
/// How many of them a packet may have.
pub(super) const MAX_EXTENSIONS: usize = 4;
/// The fragment header of IPv6 (RFC 8200, section 4.5).
pub(super) const FRAGMENT: u8 = 44;
/// IPv6 header bytes.
pub(super) const IPV6_HEADER: usize = 40;

/// IP protocol number of TCP.
pub(super) const TCP: u8 = 6;
/// IP protocol number of UDP.
pub(super) const UDP: u8 = 17;
/// Smallest header of IPv4 and of TCP.
pub(super) const LEAST_HEADER: usize = 20;
/// UDP header bytes.
pub(super) const UDP_HEADER: usize = 8;
