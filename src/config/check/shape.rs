//! Shapes of names, and ranges of numbers and spans.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::duration;
use crate::config::position::{Place, Spot};
use crate::config::problem::Report;
use crate::config::raw::{self, Map};
use crate::core::sighting::{Port, Protocol};

/// How much of a text an error shows.
const MAX_SHOWN: usize = 64;

/// A text in quotes, on one line and not too long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}..", &text[..end]),
    }
}

fn consists_of(text: &str, lengths: RangeInclusive<usize>, allowed: fn(u8) -> bool) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(allowed)
}

/// 1 to 64 bytes of a-z 0-9 . and -.
pub fn is_server_name(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    consists_of(text, 1..=64, allowed)
}

/// A letter a-z, and up to 31 bytes of a-z 0-9 _ and - after it.
pub fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    consists_of(text, 1..=32, allowed) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// 1 to 31 bytes of letters, digits, _ . and -: what pf.conf and nft take
/// without quotes.
pub fn is_table_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    consists_of(text, 1..=31, allowed)
}

/// 1 to 32 bytes of letters, digits, _ . and -, but not root.
pub fn is_account(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    consists_of(text, 1..=32, allowed) && text != "root"
}

/// Whether nft(8) can write the name: a letter comes first.
pub fn is_nft_name(text: &str) -> bool {
    is_table_name(text) && text.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// 1 to 15 bytes (`IFNAMSIZ` less the terminator) of letters, digits, _ . : and -.
pub fn is_interface_name(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
    consists_of(text, 1..=15, allowed)
}

/// Checks the names of a map: their shape, that there are at most `most`, and
/// that none comes twice.
pub fn names<T>(map: &Map<T>, kind: &str, most: usize, at: Spot<'_>, report: &mut Report) {
    let mut places: HashMap<&str, Place> = HashMap::new();
    for (ordinal, name, _) in map.iter() {
        let at = at.entry(ordinal);
        if !is_name(name) {
            let name = quoted(name);
            let shape = "a letter a-z, then up to 31 of a-z 0-9 _ and -";
            report.error(at, format!("{kind} {name} must be called by {shape}"));
        }
        match places.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(at.place());
            }
            Entry::Occupied(entry) => {
                let (name, Place { line, column }) = (quoted(name), entry.get());
                let text =
                    format!("{kind} {name} stands at {line}:{column} already, rename one");
                report.error(at, text);
            }
        }
    }
    if map.0.len() > most {
        report.error(at, format!("more than {most} {kind}s, remove some"));
    }
}

/// A number from 1 to `most`.
pub fn number(number: u32, most: u32, field: &str, at: Spot<'_>, report: &mut Report) -> u32 {
    if !(1..=most).contains(&number) {
        report.error(at, format!("{field} is {number}, must be 1 to {most}"));
    }
    number
}

/// A span in `range`; `default` if it is not written.
pub fn span(
    text: Option<&str>,
    default: Duration,
    range: RangeInclusive<Duration>,
    at: Spot<'_>,
    field: &str,
    report: &mut Report,
) -> Duration {
    let Some(text) = text else { return default };
    let span = duration::parse(text).filter(|span| range.contains(span));
    span.unwrap_or_else(|| {
        let (text, least, most) =
            (quoted(text), duration::Text(*range.start()), duration::Text(*range.end()));
        report.error(
            at,
            format!("{field} is {text}, must be {least} to {most}, as in \"1m30s\""),
        );
        default
    })
}

/// Ports other than 0.
pub fn ports(raw: &[raw::Port], at: Spot<'_>, report: &mut Report) -> Vec<Port> {
    let mut ports = Vec::with_capacity(raw.len());
    for (ordinal, port) in raw.iter().enumerate() {
        let (protocol, number) = match *port {
            raw::Port::Tcp(number) => (Protocol::Tcp, number),
            raw::Port::Udp(number) => (Protocol::Udp, number),
        };
        if number == 0 {
            report.error(at.item(ordinal), "port 0 is no port, use 1 to 65535");
        }
        ports.push(Port { protocol, number });
    }
    ports
}
