//! Names of ports, which pfctl of FreeBSD and macOS prints instead of numbers.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

/// Port numbers by name and protocol, as services(5) has them. A name may have
/// several numbers: `http-alt` is 591 and 8080 on FreeBSD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services(BTreeMap<(String, String), BTreeSet<u16>>);

impl Services {
    /// Parses the text of `/etc/services`. Skips lines without a service.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut services: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
            let Some((number, protocol)) = port.split_once('/') else { continue };
            let Ok(number) = number.parse() else { continue };
            for name in std::iter::once(name).chain(words) {
                services
                    .entry((name.to_owned(), protocol.to_owned()))
                    .or_default()
                    .insert(number);
            }
        }
        Self(services)
    }

    /// Returns the numbers of a name for the protocol, or for the other protocol if
    /// it has none for this one.
    #[must_use]
    pub fn numbers(&self, name: &str, protocol: Option<&str>) -> Option<&BTreeSet<u16>> {
        let named = |protocol: &str| self.0.get(&(name.to_owned(), protocol.to_owned()));
        protocol.and_then(named).or_else(|| named("tcp")).or_else(|| named("udp"))
    }
}
