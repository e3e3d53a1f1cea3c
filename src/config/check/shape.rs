//! Ranges of numbers and spans, and maps of names.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::position::{Place, Spot};
use crate::config::problem::Report;
use crate::config::raw::{self, Map};
use crate::core::sighting::{Port, Protocol};
use crate::core::{duration, name};

/// How much of a text an error shows.
const MAX_SHOWN: usize = 64;

/// A text in quotes, on one line and not too long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}..", &text[..end]),
    }
}

/// Checks the names of a map: their shape, that there are at most `most`, and
/// that none comes twice.
pub fn names<T>(map: &Map<T>, kind: &str, most: usize, at: Spot<'_>, report: &mut Report) {
    let mut places: HashMap<&str, Place> = HashMap::new();
    for (ordinal, name, _) in map.iter() {
        let at = at.entry(ordinal);
        if !name::is_plain(name) {
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
