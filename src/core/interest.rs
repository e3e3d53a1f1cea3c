//! The packets that a policy needs to see, for the filter in the kernel.

#[cfg(feature = "legacy")]
use super::legacy::{Format, fwknop, pyknock};
use super::policy::Policy;
use super::sequence::{Sequence, Steps};
use super::sighting::{FlagMask, Protocol, Segment, Sighting};

/// Packets of one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Their protocol.
    pub protocol: Protocol,
    /// The ports that they go to.
    pub ports: Ports,
    /// What else must be true of them.
    pub packets: Packets,
}

/// Destination ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Every port.
    Any,
    /// These, in rising order, each once.
    Of(Vec<u16>),
}

/// Which packets to these ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packets {
    /// All.
    All,
    /// The first segments of TCP connections.
    InitialSyn,
    /// UDP payloads of one of these lengths, in rising order.
    Lengths(Vec<usize>),
    /// UDP payloads from the first to the second length.
    Between(usize, usize),
}

impl Interest {
    /// Whether `sighting` is one of them.
    #[must_use]
    pub fn covers(&self, sighting: &Sighting<'_>) -> bool {
        let port = sighting.port();
        let port_fits = match &self.ports {
            Ports::Any => true,
            Ports::Of(ports) => ports.binary_search(&port.number).is_ok(),
        };
        let packet_fits = match (&self.packets, sighting.segment) {
            (Packets::All, _) => true,
            (Packets::InitialSyn, Segment::Tcp { .. }) => sighting.is_initial_syn(),
            (Packets::Lengths(lengths), Segment::Udp { payload, .. }) => {
                lengths.binary_search(&payload.len()).is_ok()
            }
            (Packets::Between(least, most), Segment::Udp { payload, .. }) => {
                (*least..=*most).contains(&payload.len())
            }
            _ => false,
        };
        self.protocol == port.protocol && port_fits && packet_fits
    }
}

/// The packets that `policy` needs to see, in as few entries as possible.
#[must_use]
pub fn of(policy: &Policy) -> Vec<Interest> {
    let mut interests = Vec::new();
    interests.extend(tokens(policy));
    #[cfg(feature = "legacy")]
    interests.extend(policy.legacy.iter().flat_map(|legacy| &legacy.ways).map(|way| {
        Interest {
            protocol: Protocol::Udp,
            ports: Ports::Of(vec![way.port]),
            packets: match way.format {
                Format::Fwknop => Packets::Between(fwknop::MIN_LENGTH, fwknop::MAX_LENGTH),
                Format::Pyknock => Packets::Lengths(pyknock::LENGTHS.to_vec()),
            },
        }
    }));
    interests.extend(knocks(&policy.sequences));
    interests
}

/// Datagrams that have the length of a token under one of the gate keys.
fn tokens(policy: &Policy) -> Option<Interest> {
    let spa = policy.spa.as_ref()?;
    let lengths = spa.gate_keys.iter().map(|(key, _)| key.token_length());
    Some(Interest {
        protocol: Protocol::Udp,
        ports: Ports::Of(vec![spa.port]),
        packets: Packets::Lengths(in_order(lengths)),
    })
}

/// Packets that may be a knock or may end an attempt.
fn knocks(sequences: &[Sequence]) -> impl Iterator<Item = Interest> {
    let ports = |protocol, counts: fn(&Sequence) -> bool| {
        let counting = sequences.iter().filter(move |sequence| counts(sequence));
        let steps = counting.flat_map(|sequence| sequence.steps.ports());
        let to = steps.filter(|step| step.protocol == protocol).map(|step| step.number);
        Ports::Of(in_order(to))
    };
    let by_syn = |sequence: &Sequence| sequence.flags == FlagMask::INITIAL_SYN;
    // An initial SYN to any other port ends an attempt at a strict sequence, and
    // a rolling one may go on at any port.
    let sees_all =
        |sequence: &Sequence| sequence.strict || matches!(sequence.steps, Steps::Rolling(_));
    let syns =
        if sequences.iter().any(sees_all) { Ports::Any } else { ports(Protocol::Tcp, by_syn) };
    let others = ports(Protocol::Tcp, |sequence| sequence.flags != FlagMask::INITIAL_SYN);
    let interests = [
        (Protocol::Tcp, syns, Packets::InitialSyn),
        (Protocol::Tcp, others, Packets::All),
        (Protocol::Udp, ports(Protocol::Udp, |_| true), Packets::All),
    ];
    interests
        .into_iter()
        .filter(|(_, ports, _)| *ports != Ports::Of(Vec::new()))
        .map(|(protocol, ports, packets)| Interest { protocol, ports, packets })
}

fn in_order<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}
