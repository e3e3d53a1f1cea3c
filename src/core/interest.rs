//! Which packets can matter at all: what the kernel is asked to let through.

#[cfg(feature = "legacy")]
use super::legacy::{Format, fwknop, pyknock};
use super::policy::Policy;
use super::sequence::{Sequence, Steps};
use super::sighting::{FlagMask, Protocol, Segment, Sighting};

/// Some packets of one protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Of which protocol.
    pub protocol: Protocol,
    /// To which ports.
    pub ports: Ports,
    /// Which of them.
    pub packets: Packets,
}

/// Ports that packets go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Every port.
    Any,
    /// These, in rising order, each once.
    Of(Vec<u16>),
}

/// What is asked of a packet besides its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packets {
    /// Nothing.
    All,
    /// That it is the first segment of a TCP connection.
    InitialSyn,
    /// That its UDP payload has one of these lengths, in rising order.
    Lengths(Vec<usize>),
    /// That its UDP payload is at least as long as the first, at most as the
    /// second.
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

/// What `policy` waits for, in as few entries as say it.
#[must_use]
pub fn of(policy: &Policy) -> Vec<Interest> {
    let mut interests = Vec::new();
    if let Some(spa) = &policy.spa {
        let mut lengths: Vec<_> =
            spa.gate_keys.iter().map(|(key, _)| key.token_length()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        interests.push(Interest {
            protocol: Protocol::Udp,
            ports: Ports::Of(vec![spa.port]),
            packets: Packets::Lengths(lengths),
        });
    }
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
    let ports_where = |protocol, initial_syn: bool| {
        let mut ports: Vec<_> = policy
            .sequences
            .iter()
            .filter(|sequence| (sequence.flags == FlagMask::INITIAL_SYN) == initial_syn)
            .flat_map(|sequence| sequence.steps.ports())
            .filter(|step| step.protocol == protocol)
            .map(|step| step.number)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    };
    // A strict sequence is ended by an initial SYN to any other port, and one
    // that rolls goes on at any port.
    let sees_all =
        |sequence: &Sequence| sequence.strict || matches!(sequence.steps, Steps::Rolling(_));
    let syns = if policy.sequences.iter().any(sees_all) {
        Ports::Any
    } else {
        Ports::Of(ports_where(Protocol::Tcp, true))
    };
    let mut udp = ports_where(Protocol::Udp, true);
    udp.extend(ports_where(Protocol::Udp, false));
    udp.sort_unstable();
    udp.dedup();
    let others = [
        (Protocol::Tcp, syns, Packets::InitialSyn),
        (Protocol::Tcp, Ports::Of(ports_where(Protocol::Tcp, false)), Packets::All),
        (Protocol::Udp, Ports::Of(udp), Packets::All),
    ];
    interests.extend(
        others
            .into_iter()
            .filter(|(_, ports, _)| *ports != Ports::Of(Vec::new()))
            .map(|(protocol, ports, packets)| Interest { protocol, ports, packets }),
    );
    interests
}
