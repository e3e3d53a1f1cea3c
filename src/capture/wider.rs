//! Interests that cover more and need shorter filters.
//!
//! Tokens stay as they are: nothing else about their port reaches the gate.
#![forbid(unsafe_code)]

use crate::core::interest::{Interest, Packets, Ports};
use crate::core::sighting::{FlagMask, Protocol};

/// The same with each list of ports widened to the range that it spans.
pub(super) fn ranges(interests: &[Interest]) -> Vec<Interest> {
    let wider = |interest: &Interest| {
        let (first, last) = match &interest.ports {
            Ports::Of(ports) => (*ports.first()?, *ports.last()?),
            Ports::Within { first, last, .. } => (*first, *last),
            Ports::Any => return None,
        };
        let except = token_ports(interests);
        Some(Interest { ports: Ports::Within { first, last, except }, ..interest.clone() })
    };
    let each = |interest: &Interest| match interest.packets {
        Packets::Tokens(_) => interest.clone(),
        _ => wider(interest).unwrap_or_else(|| interest.clone()),
    };
    interests.iter().map(each).collect()
}

/// All segments with the flags that those of the interests have in common, and
/// all datagrams but those to the port of tokens.
pub(super) fn everywhere(interests: &[Interest]) -> Vec<Interest> {
    let (tokens, others): (Vec<_>, Vec<_>) =
        interests.iter().partition(|interest| matches!(interest.packets, Packets::Tokens(_)));
    let masks =
        others.iter().filter(|other| other.protocol == Protocol::Tcp).map(|other| match other
            .packets
        {
            Packets::Flags(mask) => mask,
            _ => FlagMask::default(),
        });
    let segments = masks.reduce(FlagMask::common).map(|mask| Interest {
        protocol: Protocol::Tcp,
        ports: Ports::Any,
        packets: Packets::Flags(mask),
    });
    let datagrams = others.iter().any(|other| other.protocol == Protocol::Udp);
    let datagrams = datagrams.then(|| Interest {
        protocol: Protocol::Udp,
        ports: Ports::Within { first: 0, last: u16::MAX, except: token_ports(interests) },
        packets: Packets::All,
    });
    tokens.into_iter().cloned().chain(segments).chain(datagrams).collect()
}

fn token_ports(interests: &[Interest]) -> Vec<u16> {
    let ports =
        interests.iter().filter_map(|interest| match (&interest.packets, &interest.ports) {
            (Packets::Tokens(_), Ports::Of(ports)) => Some(ports.clone()),
            _ => None,
        });
    ports.flatten().collect()
}
