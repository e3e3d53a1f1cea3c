//! Checks of numbers, spans, ports and names.
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

/// The most characters of a text that an error shows.
const MAX_SHOWN: usize = 64;
/// The default of `max_skew`.
const MAX_SKEW: Duration = Duration::from_secs(30);

/// Returns a text in quotes, on one line and cut if it is long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}..", &text[..end]),
    }
}

/// Checks that a map has at most `most` names, all valid and none twice.
pub fn names<T>(map: &Map<T>, kind: &str, most: usize, at: Spot<'_>, report: &mut Report) {
    let mut places: HashMap<&str, Place> = HashMap::new();
    for (ordinal, name, _) in map.iter() {
        let at = at.entry(ordinal);
        if !name::is_plain(name) {
            let name = quoted(name);
            let rule = "use a letter a-z, then up to 31 of a-z 0-9 _ and -";
            report.error(at, format!("invalid {kind} name {name}, {rule}"));
        }
        match places.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(at.place());
            }
            Entry::Occupied(entry) => {
                let (name, Place { line, column }) = (quoted(name), entry.get());
                let text = format!("{kind} {name} is already at {line}:{column}, rename one");
                report.error(at, text);
            }
        }
    }
    if map.0.len() > most {
        report.error(at, format!("more than {most} {kind}s, remove some"));
    }
}

/// Checks that the number of `field` is 1 to `most`. Returns it.
pub fn number(number: u32, most: u32, field: &str, at: Spot<'_>, report: &mut Report) -> u32 {
    if !(1..=most).contains(&number) {
        report.error(at.field(field), format!("{field} is {number}, must be 1 to {most}"));
    }
    number
}

/// Returns the span of `field`, which must be in `range`; `default` if it is not
/// written.
pub fn span(
    text: Option<&str>,
    default: Duration,
    range: RangeInclusive<Duration>,
    field: &str,
    at: Spot<'_>,
    report: &mut Report,
) -> Duration {
    let Some(text) = text else { return default };
    let span = duration::parse(text).filter(|span| range.contains(span));
    span.unwrap_or_else(|| {
        let (text, least, most) =
            (quoted(text), duration::Text(*range.start()), duration::Text(*range.end()));
        let text = format!("{field} is {text}, must be {least} to {most}, as in \"1m30s\"");
        report.error(at.field(field), text);
        default
    })
}

/// Returns the span of the field `max_skew`.
pub fn max_skew(text: Option<&str>, at: Spot<'_>, report: &mut Report) -> Duration {
    let range = Duration::from_secs(1)..=Duration::from_secs(600);
    span(text, MAX_SKEW, range, "max_skew", at, report)
}

/// Checks the name of an account.
pub fn account(name: &str, at: Spot<'_>, report: &mut Report) {
    if !name::is_account(name) {
        let text = "must be 1 to 32 bytes of letters, digits, _ . and -, and not root";
        report.error(at, format!("user {} {text}", quoted(name)));
    }
}

/// Checks that a port is not 0.
pub fn port(number: u16, at: Spot<'_>, report: &mut Report) {
    if number == 0 {
        report.error(at, "invalid port 0, use 1 to 65535");
    }
}

/// Returns ports, none of which may be 0.
pub fn ports(raw: &[raw::Port], at: Spot<'_>, report: &mut Report) -> Vec<Port> {
    let mut ports = Vec::with_capacity(raw.len());
    for (ordinal, raw) in raw.iter().enumerate() {
        let (protocol, number) = match *raw {
            raw::Port::Tcp(number) => (Protocol::Tcp, number),
            raw::Port::Udp(number) => (Protocol::Udp, number),
        };
        port(number, at.item(ordinal), report);
        ports.push(Port { protocol, number });
    }
    ports
}
