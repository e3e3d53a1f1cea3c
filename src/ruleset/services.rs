//! Names of ports: FreeBSD up to 12 and macOS print them instead of numbers.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

/// Port numbers by name and protocol, as services(5) has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services(BTreeMap<(String, String), u16>);

impl Services {
    /// From the text of `/etc/services`; lines that say nothing are skipped.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut services = BTreeMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
            let Some((number, protocol)) = port.split_once('/') else { continue };
            let Ok(number) = number.parse() else { continue };
            for name in std::iter::once(name).chain(words) {
                services.entry((name.to_owned(), protocol.to_owned())).or_insert(number);
            }
        }
        Self(services)
    }

    /// The number of a port that is written as a number or a name; of a
    /// protocol that has no such name, what the other calls so.
    #[must_use]
    pub fn number(&self, port: &str, protocol: Option<&str>) -> Option<u16> {
        if let Ok(number) = port.parse() {
            return Some(number);
        }
        let named = |protocol: &str| self.0.get(&(port.to_owned(), protocol.to_owned()));
        protocol.and_then(named).or_else(|| named("tcp")).or_else(|| named("udp")).copied()
    }
}
