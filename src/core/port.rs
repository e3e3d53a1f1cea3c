//! Ports as people write them.

use std::ops::RangeInclusive;

use super::sighting::{Port, Protocol};

/// Reads 1 to 65535 in digits alone; `str::parse` would take a sign, too.
#[must_use]
pub fn number(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| *number > 0 && is_number)
}

/// Reads `PORT`, `PORT:tcp` or `PORT:udp`.
#[must_use]
pub fn parse(text: &str, default: Protocol) -> Option<Port> {
    let (digits, protocol) = match text.split_once(':') {
        None => (text, default),
        Some((digits, word)) => (digits, protocol(word)?),
    };
    Some(Port { protocol, number: number(digits)? })
}

/// Reads `FIRST-LAST`.
#[must_use]
pub fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let range = number(first)?..=number(last)?;
    (!range.is_empty()).then_some(range)
}

/// Reads `tcp` or `udp`.
#[must_use]
pub fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_names_its_protocol_or_takes_the_default() {
        let port = |protocol, number| Some(Port { protocol, number });
        assert_eq!(parse("7000", Protocol::Tcp), port(Protocol::Tcp, 7000));
        assert_eq!(parse("7000", Protocol::Udp), port(Protocol::Udp, 7000));
        assert_eq!(parse("1:tcp", Protocol::Udp), port(Protocol::Tcp, 1));
        assert_eq!(parse("65535:udp", Protocol::Tcp), port(Protocol::Udp, 65535));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in
            ["", "0", "65536", "-1", "+1", "7000:", "7000:sctp", ":udp", "7x", "1:udp:tcp", "٧"]
        {
            assert_eq!(parse(text, Protocol::Tcp), None, "{text}");
        }
    }

    #[test]
    fn a_range_has_two_ends_in_order() {
        assert_eq!(range("20000-29999"), Some(20_000..=29_999));
        assert_eq!(range("7-7"), Some(7..=7));
        for text in ["", "7", "-7", "7-", "0-9", "9-7", "7-65536", "1-2-3", "+1-9"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
