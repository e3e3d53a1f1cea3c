//! Entries as elements of sets. In a set of intervals two elements delimit a
//! network: one at its first address, and one with a flag at the first address
//! after it.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::reply::Element;
use crate::core::address::{Entry, Family};

/// The address space of a family: its addresses are `bits` wide.
const fn width(family: Family) -> u32 {
    match family {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(family: Family, bits: u128) -> Option<IpAddr> {
    Some(match family {
        Family::V4 => Ipv4Addr::from_bits(bits.try_into().ok()?).into(),
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    })
}

/// The last address of a network.
pub fn last(entry: Entry) -> IpAddr {
    let family = Family::of(entry.address());
    let hosts = width(family).saturating_sub(entry.prefix().into());
    let mask = 1_u128.checked_shl(hosts).map_or(u128::MAX, |size| size - 1);
    address(family, bits(entry.address()) | mask).unwrap_or(entry.address())
}

/// The elements that stand for `entry` in a set. `None` for a network in a set
/// without intervals.
pub fn elements(entry: Entry, has_intervals: bool) -> Option<Vec<Element>> {
    if has_intervals {
        return Some(bounds(entry));
    }
    let host = Element { address: Some(entry.address()), is_start: true };
    (entry == Entry::host(entry.address())).then(|| vec![host])
}

/// The elements that delimit a network. One that ends with the address space has
/// only the first.
fn bounds(entry: Entry) -> Vec<Element> {
    let family = Family::of(entry.address());
    let end = bits(last(entry)).checked_add(1).and_then(|end| address(family, end));
    let start = Element { address: Some(entry.address()), is_start: true };
    let end = end.map(|end| Element { address: Some(end), is_start: false });
    std::iter::once(start).chain(end).collect()
}

/// The entries that sorted `elements` stand for. An interval that is no network is
/// left out: we cannot have added it.
pub fn entries(elements: &[Element], family: Family, has_intervals: bool) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut start = None;
    for element in elements {
        match (element.address, element.is_start) {
            (None, _) => found.push(everything(family)),
            (Some(address), true) if has_intervals => start = Some(address),
            (Some(address), true) => found.push(Entry::host(address)),
            // nft writes an end in front of the first interval.
            (Some(end), false) => {
                found.extend(start.take().and_then(|start| network(start, Some(end))));
            }
        }
    }
    found.extend(start.and_then(|start| network(start, None)));
    found
}

/// The element for every address.
fn everything(family: Family) -> Entry {
    let all: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    Entry::new(all, 0).unwrap_or(Entry::host(all))
}

/// The network from `start` up to `end`, or up to the end of the address space.
fn network(start: IpAddr, end: Option<IpAddr>) -> Option<Entry> {
    let width = width(Family::of(start));
    let end = end.map_or(1_u128.checked_shl(width).unwrap_or(0), bits);
    let size = end.wrapping_sub(bits(start));
    let hosts = if size == 0 { width } else { size.trailing_zeros() };
    let is_network = size == 0 || size.is_power_of_two();
    let entry = Entry::new(start, u8::try_from(width.checked_sub(hosts)?).ok()?)?;
    (is_network && entry.address() == start).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(text: &str) -> Entry {
        let (address, prefix) = text.split_once('/').unwrap();
        Entry::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap()
    }

    fn element(text: &str, is_start: bool) -> Element {
        Element { address: Some(text.parse().unwrap()), is_start }
    }

    #[test]
    fn a_network_ends_before_the_first_address_after_it() {
        for (network, end) in [
            ("192.0.2.0/24", Some("192.0.3.0")),
            ("192.0.2.7/32", Some("192.0.2.8")),
            ("2001:db8::/64", Some("2001:db8:0:1::")),
            ("255.255.255.0/24", None),
            ("0.0.0.0/0", None),
            ("ffff::/16", None),
            ("::/0", None),
        ] {
            let (first, _) = network.split_once('/').unwrap();
            let mut expected = vec![element(first, true)];
            expected.extend(end.map(|end| element(end, false)));
            assert_eq!(bounds(entry(network)), expected);
        }
    }

    #[test]
    fn intervals_that_are_no_networks_are_left_out() {
        let mut elements = vec![
            element("0.0.0.0", false),
            element("10.0.0.5", true),
            element("10.0.0.9", false),
            element("10.0.0.10", true),
            element("10.0.0.14", false),
            element("192.0.2.0", true),
            element("192.0.3.0", false),
            element("192.0.3.0", true),
            element("192.0.3.1", false),
        ];
        elements.sort_unstable();
        let found = entries(&elements, Family::V4, true);
        assert_eq!(found, ["192.0.2.0/24", "192.0.3.0/32"].map(entry));
    }

    proptest! {
        #[test]
        fn what_delimits_a_network_is_read_as_that_network(
            v4: u32, v6: u128, short in 0_u8..=32, long in 0_u8..=128,
        ) {
            let v4 = Entry::new(Ipv4Addr::from_bits(v4).into(), short).unwrap();
            let v6 = Entry::new(Ipv6Addr::from_bits(v6).into(), long).unwrap();
            prop_assert_eq!(entries(&bounds(v4), Family::V4, true), [v4]);
            prop_assert_eq!(entries(&bounds(v6), Family::V6, true), [v6]);
        }
    }
}
