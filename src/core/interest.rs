//! The packets that a policy needs to see, for the filter in the kernel.

#[cfg(feature = "legacy")]
use super::legacy::{Format, fwknop, pyknock};
use super::mark::MarkKey;
use super::policy::Policy;
use super::sequence::{self, Sequence, Steps};
use super::sighting::{FlagMask, Port, Protocol, Segment, Sighting};
use super::token::GateKey;

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
    /// From `first` to `last`.
    Within {
        /// The lowest.
        first: u16,
        /// The highest.
        last: u16,
        /// Those between that are left out.
        except: Vec<u16>,
    },
}

/// Which packets to these ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packets {
    /// All.
    All,
    /// TCP segments with these flags.
    Flags(FlagMask),
    /// UDP payloads that may be tokens of one of these forms.
    Tokens(Vec<Form>),
    /// UDP payloads of one of these lengths, in rising order.
    Lengths(Vec<usize>),
    /// UDP payloads from the first to the second length.
    Between(usize, usize),
}

/// What all tokens under one gate key have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Their length.
    pub length: usize,
    /// The key of their marks.
    pub mark: MarkKey,
}

impl Packets {
    /// The first segments of TCP connections.
    pub const INITIAL_SYN: Self = Self::Flags(FlagMask::INITIAL_SYN);
}

impl Interest {
    /// Whether `sighting` is one of them.
    #[must_use]
    pub fn covers(&self, sighting: &Sighting<'_>) -> bool {
        let port = sighting.port();
        let port_fits = match &self.ports {
            Ports::Any => true,
            Ports::Of(ports) => ports.binary_search(&port.number).is_ok(),
            Ports::Within { first, last, except } => {
                (*first..=*last).contains(&port.number) && !except.contains(&port.number)
            }
        };
        let packet_fits = match (&self.packets, sighting.segment) {
            (Packets::All, _) => true,
            (Packets::Flags(mask), Segment::Tcp { flags, .. }) => mask.matches(flags),
            (Packets::Tokens(forms), Segment::Udp { payload, .. }) => forms
                .iter()
                .any(|form| form.length == payload.len() && form.mark.marks(payload)),
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
    interests.extend(segments(&policy.sequences));
    interests.extend(datagrams(policy));
    interests
}

/// Datagrams that have the length and the mark of a token under one of the gate
/// keys.
fn tokens(policy: &Policy) -> Option<Interest> {
    let spa = policy.spa.as_ref()?;
    let form =
        |key: &GateKey| Form { length: key.token_length(), mark: key.mark_key().clone() };
    let forms = spa.gate_keys.iter().map(|(key, _)| form(key));
    Some(Interest {
        protocol: Protocol::Udp,
        ports: Ports::Of(vec![spa.port]),
        packets: Packets::Tokens(forms.collect()),
    })
}

/// TCP segments that may be a knock or may end an attempt.
fn segments(sequences: &[Sequence]) -> Vec<Interest> {
    // Those to other ports end an attempt at a strict sequence, and a rolling one
    // may go on at any port.
    let mut masks = Vec::new();
    for sequence in sequences {
        let rolls = matches!(sequence.steps, Steps::Rolling(_));
        let is_watched = sequence.strict && sequence.steps.ports().any(Port::is_tcp);
        if (rolls || is_watched) && !masks.contains(&sequence.flags) {
            masks.push(sequence.flags);
        }
    }
    let to = |is_syn: bool| {
        let rest = sequences.iter().filter(|sequence| !masks.contains(&sequence.flags));
        let rest = rest.filter(|sequence| is_syn == (sequence.flags == FlagMask::INITIAL_SYN));
        in_order(rest.flat_map(|it| it.steps.ports()).filter(|step| step.is_tcp()).map(number))
    };
    let of = |ports, packets| Interest { protocol: Protocol::Tcp, ports, packets };
    let (syns, others) = (to(true), to(false));
    let everywhere = masks.iter().map(|mask| of(Ports::Any, Packets::Flags(*mask)));
    let mut interests: Vec<Interest> = everywhere.collect();
    interests.extend(any(syns).map(|ports| of(ports, Packets::INITIAL_SYN)));
    interests.extend(any(others).map(|ports| of(ports, Packets::All)));
    interests
}

/// Datagrams that may be a knock or may end an attempt.
fn datagrams(policy: &Policy) -> impl Iterator<Item = Interest> {
    let steps = |strict: bool| {
        let sequences = policy.sequences.iter().filter(move |it| it.strict == strict);
        sequences.flat_map(|sequence| sequence.steps.ports()).filter(|step| !step.is_tcp())
    };
    let watched = sequence::watched(steps(true));
    let is_watched = |number: &u16| watched.as_ref().is_some_and(|it| it.contains(number));
    let rest = in_order(steps(false).map(number).filter(|number| !is_watched(number)));
    let within = watched.as_ref().map(|ports| Ports::Within {
        first: *ports.start(),
        last: *ports.end(),
        except: in_order(policy.token_ports().into_iter().filter(is_watched)),
    });
    let all = |ports| Interest { protocol: Protocol::Udp, ports, packets: Packets::All };
    any(rest).into_iter().chain(within).map(all)
}

const fn number(port: &Port) -> u16 {
    port.number
}

/// These ports, if there are some.
fn any(ports: Vec<u16>) -> Option<Ports> {
    (!ports.is_empty()).then_some(Ports::Of(ports))
}

fn in_order(all: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut all: Vec<u16> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}
