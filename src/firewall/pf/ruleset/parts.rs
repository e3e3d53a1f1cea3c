//! The hosts and ports that a line matches.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::services::Services;
use super::words::Words;

/// The hosts of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Every address.
    Any,
    /// Those in a table.
    Table(String),
    /// Those in a network.
    Net(IpAddr, u8),
    /// From one address to another.
    Range,
    /// The current addresses of an interface.
    Interface,
    /// Neighbours: the network or the peer of an interface.
    Near,
    /// Sources that no honest packet has: `no-route` and `urpf-failed`.
    Spoofed,
    /// Unknown.
    Unread,
}

/// The source or the destination of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is all but `host`.
    pub negated: bool,
    /// The hosts.
    pub host: Host,
    /// `None` for all.
    pub ports: Option<Ports>,
}

impl Endpoint {
    /// Every address and port.
    pub const ANY: Self = Self { negated: false, host: Host::Any, ports: None };

    /// Parses what follows `from` or `to`.
    #[must_use]
    pub fn parse(words: &mut Words<'_>, protocol: Option<&str>, services: &Services) -> Self {
        let negated = words.skip("!");
        let mut host = words.take().map_or(Host::Unread, host);
        if words.skip("-") {
            host = if words.take().is_some() { Host::Range } else { Host::Unread };
        }
        let ports = words.skip("port").then(|| Ports::parse(words, protocol, services));
        Self { negated, host, ports }
    }
}

fn host(word: &str) -> Host {
    match word {
        "any" => return Host::Any,
        "no-route" | "urpf-failed" => return Host::Spoofed,
        _ => {}
    }
    if let Some(table) = word.strip_prefix('<').and_then(|word| word.strip_suffix('>')) {
        // With -v the number of entries follows the name.
        let name = table.split(':').next().unwrap_or_default();
        return Host::Table(name.to_owned());
    }
    if let Some(inner) = word.strip_prefix('(') {
        let Some((name, behind)) = inner.split_once(')') else { return Host::Unread };
        let is_near =
            [":network", ":peer", ":broadcast"].iter().any(|kind| name.contains(kind));
        return if is_near || !behind.is_empty() { Host::Near } else { Host::Interface };
    }
    net(word).unwrap_or(Host::Unread)
}

/// Parses an address, with its prefix and scope if there are any. pfctl leaves
/// out zero bytes at the end of an IPv4 network only in pf.conf.
fn net(word: &str) -> Option<Host> {
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (word, None),
    };
    let address: IpAddr = address.split('%').next()?.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(most);
    match prefix {
        0 => Some(Host::Any),
        _ if prefix <= most => Some(Host::Net(address, prefix)),
        _ => None,
    }
}

/// Whether `address` lies in the network.
#[must_use]
pub fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            bits4(network) & mask == bits4(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            bits6(network) & mask == bits6(address) & mask
        }
        _ => false,
    }
}

fn bits4(address: Ipv4Addr) -> u32 {
    u32::from(address)
}

fn bits6(address: Ipv6Addr) -> u128 {
    u128::from(address)
}

/// The ports of a line, with the operators of pf.conf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// From the first to the second, both included.
    Within(u16, u16),
    /// All but those from the first to the second.
    Without(u16, u16),
    /// One port, which may be any of these: they share a name.
    OneOf(BTreeSet<u16>),
    /// All but one port, which may be any of these.
    NotOneOf(BTreeSet<u16>),
    /// None.
    Nothing,
    /// Something else.
    Unread,
}

impl Ports {
    /// Parses what follows `port`. pfctl prints names after `=` and `!=` only.
    #[must_use]
    pub fn parse(words: &mut Words<'_>, protocol: Option<&str>, services: &Services) -> Self {
        let Some(first) = words.take() else { return Self::Unread };
        let one = |word: &str| match number(word) {
            Some(port) => Some(BTreeSet::from([port])),
            None => services.numbers(word, protocol).cloned(),
        };
        let read = match first {
            "=" => words.take().and_then(one).map(Self::OneOf),
            "!=" => words.take().and_then(one).map(Self::NotOneOf),
            "<" => words.take().and_then(number).map(Self::below),
            "<=" => words.take().and_then(number).map(|port| Self::Within(0, port)),
            ">" => words.take().and_then(number).map(Self::above),
            ">=" => words.take().and_then(number).map(|port| Self::Within(port, u16::MAX)),
            _ => Self::pair(first, words),
        };
        read.unwrap_or(Self::Unread)
    }

    /// `1:9`, `1 >< 9` without its ends, `1 <> 9` for all that is outside.
    fn pair(first: &str, words: &mut Words<'_>) -> Option<Self> {
        if let Some((low, high)) = first.split_once(':') {
            return Some(Self::Within(number(low)?, number(high)?));
        }
        let low = number(first)?;
        if words.skip("><") {
            let high = number(words.take()?)?;
            let inner = low.checked_add(1).zip(high.checked_sub(1));
            return Some(inner.map_or(Self::Nothing, |(low, high)| Self::Within(low, high)));
        }
        words.skip("<>").then_some(())?;
        Some(Self::Without(low, number(words.take()?)?))
    }

    fn below(port: u16) -> Self {
        port.checked_sub(1).map_or(Self::Nothing, |last| Self::Within(0, last))
    }

    fn above(port: u16) -> Self {
        port.checked_add(1).map_or(Self::Nothing, |first| Self::Within(first, u16::MAX))
    }

    /// Whether `port` is one of them; `None` when that is unknown.
    #[must_use]
    pub fn contain(&self, port: u16) -> Option<bool> {
        match self {
            Self::Within(low, high) => Some((low..=high).contains(&&port)),
            Self::Without(low, high) => Some(!(low..=high).contains(&&port)),
            Self::OneOf(numbers) => is_one_of(numbers, port),
            Self::NotOneOf(numbers) => is_one_of(numbers, port).map(|is_one| !is_one),
            Self::Nothing => Some(false),
            Self::Unread => None,
        }
    }
}

fn number(word: &str) -> Option<u16> {
    word.parse().ok()
}

/// Whether `port` is the one of `numbers` that is meant.
fn is_one_of(numbers: &BTreeSet<u16>, port: u16) -> Option<bool> {
    match (numbers.contains(&port), numbers.len()) {
        (false, _) => Some(false),
        (true, 1) => Some(true),
        (true, _) => None,
    }
}
