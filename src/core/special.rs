//! Blocks of addresses that are not ordinary: the IANA special-purpose address
//! registries for IPv4 and IPv6, as of October 2025.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::Entry;

/// What a block has in the column "Globally Reachable". "N/A", of 6to4, Teredo and
/// ORCHID, counts as global: no NAT changes these addresses.
const LOCAL: bool = false;
const GLOBAL: bool = true;

const V4: &[([u8; 4], u8, bool)] = &[
    ([0, 0, 0, 0], 8, LOCAL),
    ([10, 0, 0, 0], 8, LOCAL),
    ([100, 64, 0, 0], 10, LOCAL),
    ([127, 0, 0, 0], 8, LOCAL),
    ([169, 254, 0, 0], 16, LOCAL),
    ([172, 16, 0, 0], 12, LOCAL),
    // Of this block, 192.0.0.0/29 is what 464XLAT and DS-Lite give to clients.
    ([192, 0, 0, 0], 24, LOCAL),
    ([192, 0, 0, 9], 32, GLOBAL),
    ([192, 0, 0, 10], 32, GLOBAL),
    ([192, 0, 2, 0], 24, LOCAL),
    ([192, 168, 0, 0], 16, LOCAL),
    ([198, 18, 0, 0], 15, LOCAL),
    ([198, 51, 100, 0], 24, LOCAL),
    ([203, 0, 113, 0], 24, LOCAL),
    ([240, 0, 0, 0], 4, LOCAL),
];

const V6: &[([u16; 8], u8, bool)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, LOCAL),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, LOCAL),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, LOCAL),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, LOCAL),
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, LOCAL),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, LOCAL),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, GLOBAL),
    ([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, GLOBAL),
    ([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, GLOBAL),
    ([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, GLOBAL),
    ([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, GLOBAL),
    ([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, GLOBAL),
    ([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, GLOBAL),
    ([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, GLOBAL),
    ([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28, GLOBAL),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, LOCAL),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, LOCAL),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, LOCAL),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, LOCAL),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, LOCAL),
];

/// The IPv6 addresses that NAT64 translates to IPv4: the well-known prefix (RFC
/// 6052) and that for local use (RFC 8215).
const NAT64: &[([u16; 8], u8)] =
    &[([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48)];

/// Whether the internet can reach `address`: the longest block that contains it
/// says so, and outside of all blocks it is so. An IPv4-mapped address counts
/// as IPv4.
#[must_use]
pub fn is_global(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let v4 = V4.iter().map(|(block, prefix, global)| (block_v4(*block), *prefix, *global));
    let v6 = V6.iter().map(|(block, prefix, global)| (block_v6(*block), *prefix, *global));
    let containing = v4.chain(v6).filter(|(block, prefix, _)| is_in(address, *block, *prefix));
    containing.max_by_key(|(_, prefix, _)| *prefix).is_none_or(|(.., global)| global)
}

/// Whether NAT64 makes an IPv4 packet of a packet to `address`.
#[must_use]
pub fn is_nat64(address: IpAddr) -> bool {
    NAT64.iter().any(|(block, prefix)| is_in(address, block_v6(*block), *prefix))
}

fn block_v4(block: [u8; 4]) -> IpAddr {
    Ipv4Addr::from(block).into()
}

fn block_v6(block: [u16; 8]) -> IpAddr {
    Ipv6Addr::from(block).into()
}

fn is_in(address: IpAddr, block: IpAddr, prefix: u8) -> bool {
    Entry::new(block, prefix).is_some_and(|block| block.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_blocks_end_where_the_registries_say() {
        for (before, first, last, after) in [
            ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
            ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
            ("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
            ("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
            ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
            ("191.255.255.255", "192.0.0.0", "192.0.0.8", "192.0.0.9"),
            ("192.0.0.10", "192.0.0.11", "192.0.0.255", "192.0.1.0"),
            ("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
            ("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
            ("198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
            ("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
            ("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
            ("64:ff9b::", "64:ff9b:1::", "64:ff9b:1:ffff::", "64:ff9b:2::"),
            ("ff::", "100::", "100::1:0:0:0:1", "100:0:0:2::"),
            ("2001:1::3", "2001:1::4", "2001:2:ffff::", "2001:3::"),
            ("2001:4:112::", "2001:4:113::", "2001:f::", "2001:10::"),
            ("2001:3f::", "2001:40::", "2001:1ff::", "2001:200::"),
            ("2001:db7:ffff::", "2001:db8::", "2001:db8:ffff::", "2001:db9::"),
            ("3ffe:ffff::", "3fff::", "3fff:fff::", "3fff:1000::"),
            ("5eff::", "5f00::", "5f00:ffff::", "5f01::"),
            ("fbff::1", "fc00::1", "fdff::1", "fe00::1"),
            ("fe7f::", "fe80::1", "febf::1", "fec0::"),
            ("::2", "::ffff:10.0.0.1", "::ffff:192.0.0.2", "::ffff:192.0.0.9"),
        ] {
            for (text, global) in [(before, true), (first, false), (last, false), (after, true)]
            {
                assert_eq!(is_global(ip(text)), global, "{text}");
            }
        }
        for text in ["0.0.0.0", "240.0.0.1", "255.255.255.255", "::", "::1"] {
            assert!(!is_global(ip(text)), "{text}");
        }
        for text in ["1.0.0.0", "192.88.99.1", "2001::1", "2002::1", "2620:4f:8000::1"] {
            assert!(is_global(ip(text)), "{text}");
        }
    }

    #[test]
    fn nat64_has_two_prefixes() {
        for text in ["64:ff9b::192.0.2.1", "64:ff9b:1::1", "64:ff9b:1:ffff::1"] {
            assert!(is_nat64(ip(text)), "{text}");
        }
        for text in ["64:ff9b::1:0:0", "64:ff9b:2::1", "64:ff9a::1", "192.0.2.1", "::1"] {
            assert!(!is_nat64(ip(text)), "{text}");
        }
    }
}
