//! Addresses that doors open for, and entries of tables.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family of the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Whether loopback addresses may be granted. A gateway never wants that; a
/// developer hiding services from other users of the same host may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loopback {
    /// 127.0.0.0/8 and ::1 are refused.
    #[default]
    Refused,
    /// They may be granted like other hosts.
    Allowed,
}

/// The address of one host that a door may open for. An IPv4-mapped IPv6
/// address becomes IPv4.
///
/// `None` for an address that is not of a host: unspecified, multicast, limited broadcast,
/// 0.0.0.0/8 (RFC 1122, section 3.2.1.3), reserved 240.0.0.0/4, link-local
/// (its scope is lost in a table), and loopback unless allowed.
#[must_use]
pub fn host(address: IpAddr, loopback: Loopback) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return (loopback == Loopback::Allowed).then_some(address);
    }
    let is_host = match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && v4.octets()[0] < 224 && !v4.is_link_local(),
        IpAddr::V6(v6) => {
            !v6.is_unspecified() && !v6.is_multicast() && !v6.is_unicast_link_local()
        }
    };
    is_host.then_some(address)
}

/// The 16 bytes of an address in a token: IPv6 as it is, IPv4 as
/// ::ffff:a.b.c.d.
#[must_use]
pub fn to_bytes(address: IpAddr) -> [u8; 16] {
    to_v6(address).octets()
}

/// An address of either family as IPv6, as a key of maps.
#[must_use]
pub fn to_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The address that a token asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The source address of the packet.
    Source,
    /// This one, not yet judged. An IPv4 address is not mapped.
    Address(IpAddr),
}

/// An entry of a table: an address and how many of its leading bits count.
///
/// Bits after the prefix are zero, as pf requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    address: IpAddr,
    prefix: u8,
}

impl Entry {
    /// The entry for one host.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// The entry for the network of `prefix` leading bits around `address`;
    /// `None` when the family has no such prefix.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// The entry for the network around `address`, by the prefix of its family.
    /// Only the host when the family has no such prefix.
    #[must_use]
    pub fn around(address: IpAddr, v4_prefix: u8, v6_prefix: u8) -> Self {
        let prefix = if address.is_ipv4() { v4_prefix } else { v6_prefix };
        Self::new(address, prefix).unwrap_or(Self::host(address))
    }

    /// The address. Its bits after the prefix are zero.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Leading bits that count: 0 to 32, or 0 to 128.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` lies in it. No entry contains addresses of both
    /// families.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.prefix) == Some(*self)
            && address.is_ipv4() == self.address.is_ipv4()
    }
}

/// A choice of addresses, as `from=` of authorized_keys makes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    /// Allowed networks; empty allows all.
    pub allowed: Vec<Entry>,
    /// Networks denied even when allowed.
    pub denied: Vec<Entry>,
}

impl Networks {
    /// Whether `address` is allowed and not denied.
    #[must_use]
    pub fn allow(&self, address: IpAddr) -> bool {
        let is_in = |networks: &[Entry]| networks.iter().any(|each| each.contains(address));
        (self.allowed.is_empty() || is_in(&self.allowed)) && !is_in(&self.denied)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::host(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        host(text.parse().unwrap(), Loopback::Refused).is_none()
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "169.254.1.1",
            "127.0.0.1",
            "::",
            "::1",
            "ff02::1",
            "fe80::1",
            "febf::1",
            "::ffff:127.0.0.1",
            "::ffff:224.0.0.1",
            "::ffff:0.0.0.0",
        ] {
            assert!(refused(text), "{text}");
        }
        for text in ["192.0.2.7", "10.0.0.1", "2001:db8::7", "fd00::1", "::ffff:192.0.2.7"] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn mapped_addresses_become_ipv4() {
        let mapped = "::ffff:192.0.2.7".parse().unwrap();
        let plain: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(host(mapped, Loopback::Refused), Some(plain));
        assert_eq!(to_bytes(plain), to_bytes(mapped));
    }

    #[test]
    fn loopback_is_a_host_only_when_allowed() {
        let v6 = "::1".parse().unwrap();
        assert_eq!(host(v6, Loopback::Allowed), Some(v6));
        assert_eq!(
            host("::ffff:127.0.0.2".parse().unwrap(), Loopback::Allowed),
            Some("127.0.0.2".parse().unwrap())
        );
    }

    #[test]
    fn entries_have_no_bits_behind_their_prefix() {
        let entry = |text: &str, prefix| Entry::new(text.parse().unwrap(), prefix);
        assert_eq!(entry("192.0.2.200", 25).unwrap().to_string(), "192.0.2.128/25");
        assert_eq!(entry("192.0.2.200", 0).unwrap().to_string(), "0.0.0.0/0");
        assert_eq!(entry("192.0.2.200", 32), Some(Entry::host("192.0.2.200".parse().unwrap())));
        assert_eq!(entry("2001:db8::ffff", 64).unwrap().to_string(), "2001:db8::/64");
        assert_eq!(entry("2001:db8::1", 128).unwrap().to_string(), "2001:db8::1");
        assert_eq!(entry("192.0.2.1", 33), None);
        assert_eq!(entry("::1", 129), None);
    }
}
