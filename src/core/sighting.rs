//! One observed packet, reduced to what a decision needs.

use std::fmt;
use std::net::IpAddr;

/// Transport protocols that a knock or a service can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Transmission Control Protocol, RFC 9293.
    Tcp,
    /// User Datagram Protocol, RFC 768.
    Udp,
}

/// A protocol and a port number, as in `22/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// Over which protocol.
    pub protocol: Protocol,
    /// 1 to 65535; configuration refuses 0.
    pub number: u16,
}

impl Port {
    /// Whether it is a TCP port.
    #[must_use]
    pub const fn is_tcp(&self) -> bool {
        matches!(self.protocol, Protocol::Tcp)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{}/{protocol}", self.number)
    }
}

/// The control bits of a TCP header: its byte 13 (RFC 9293, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// Opens a connection.
    pub const SYN: Self = Self(0x02);
    /// Resets a connection.
    pub const RST: Self = Self(0x04);
    /// Pushes buffered data.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement field is valid.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is valid.
    pub const URG: Self = Self(0x20);

    /// The bits that are set in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set in `self`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set in `self`.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Which TCP segments count as a knock: all of `set`, none of `clear`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlagMask {
    /// Bits that must be set.
    pub set: TcpFlags,
    /// Bits that must not be set.
    pub clear: TcpFlags,
}

impl FlagMask {
    /// The first segment of a connection: SYN without ACK, RST or FIN.
    pub const INITIAL_SYN: Self = Self {
        set: TcpFlags::SYN,
        clear: TcpFlags::ACK.union(TcpFlags::RST).union(TcpFlags::FIN),
    };

    /// What both masks ask for.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self {
            set: TcpFlags(self.set.0 & other.set.0),
            clear: TcpFlags(self.clear.0 & other.clear.0),
        }
    }

    /// Whether `flags` satisfy the mask.
    #[must_use]
    pub const fn matches(self, flags: TcpFlags) -> bool {
        flags.contains(self.set) && !flags.intersects(self.clear)
    }

    /// Whether segments with data, or that acknowledge it, satisfy the mask.
    #[must_use]
    pub const fn matches_data(self) -> bool {
        self.matches(TcpFlags::ACK) || self.matches(TcpFlags::ACK.union(TcpFlags::PSH))
    }
}

/// An observed candidate packet: whole, unfragmented, its lengths checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// The index of the interface that captured it.
    pub interface: u32,
    /// The source address. It may be forged.
    pub source: IpAddr,
    /// The destination address.
    pub destination: IpAddr,
    /// The transport header and, for UDP, the data.
    pub segment: Segment<'a>,
}

/// The transport part of a sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A TCP header.
    Tcp {
        /// The source port.
        source_port: u16,
        /// The destination port.
        port: u16,
        /// The control bits.
        flags: TcpFlags,
        /// The sequence number, which is the same in a retransmission.
        sequence: u32,
    },
    /// A UDP datagram.
    Udp {
        /// The source port.
        source_port: u16,
        /// The destination port.
        port: u16,
        /// The data after the UDP header.
        payload: &'a [u8],
    },
}

impl Sighting<'_> {
    /// The destination port.
    #[must_use]
    pub const fn port(&self) -> Port {
        match self.segment {
            Segment::Tcp { port, .. } => Port { protocol: Protocol::Tcp, number: port },
            Segment::Udp { port, .. } => Port { protocol: Protocol::Udp, number: port },
        }
    }

    /// Whether it is the first segment of a TCP connection.
    #[must_use]
    pub const fn is_initial_syn(&self) -> bool {
        match self.segment {
            Segment::Tcp { flags, .. } => FlagMask::INITIAL_SYN.matches(flags),
            Segment::Udp { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lone_syn_opens_a_connection() {
        let initial = FlagMask::INITIAL_SYN;
        assert!(initial.matches(TcpFlags::SYN));
        assert!(initial.matches(TcpFlags(0xc2)), "ECN setup bits do not matter");
        for other in [TcpFlags::ACK, TcpFlags::RST, TcpFlags::FIN] {
            assert!(!initial.matches(TcpFlags::SYN.union(other)));
        }
        assert!(!initial.matches(TcpFlags(0)));
    }
}
