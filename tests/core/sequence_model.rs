//! The sequence machine against a model that scans a list.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use crate::policy::{ip, mono, sequence, tcp, udp};
use knockd::core::reason::Reason;
use knockd::core::sequence::{Attempts, Progress, Sequence, SequenceIndex};
use knockd::core::sighting::{FlagMask, Port, Protocol, Segment, Sighting, TcpFlags};
use knockd::core::time::Monotonic;
use proptest::prelude::*;
use proptest::sample::select;

/// One source's way through one sequence, with all that it did.
struct Try {
    source: IpAddr,
    place: usize,
    knocks: Vec<Sighting<'static>>,
    /// Other ports that datagrams went to.
    others: Vec<u16>,
    started: Monotonic,
    deadline: Monotonic,
}

/// The tries in the order in which they began.
fn steps(sequence: &Sequence) -> &[Port] {
    sequence.steps.fixed().unwrap()
}

struct Model {
    capacity: usize,
    tries: Vec<Try>,
}

impl Model {
    fn observe(
        &mut self,
        place: usize,
        sequence: &Sequence,
        packet: &Sighting<'static>,
        now: Monotonic,
    ) -> Progress {
        let source = packet.source.to_canonical();
        self.tries.retain(|it| it.place != place || it.source != source || it.deadline >= now);
        let found = self.tries.iter().position(|it| it.place == place && it.source == source);
        let is_knock = match packet.segment {
            Segment::Tcp { flags, .. } => {
                flags.0 & sequence.flags.set.0 == sequence.flags.set.0
                    && flags.0 & sequence.flags.clear.0 == 0
            }
            Segment::Udp { .. } => true,
        };
        let Some(found) = found else {
            if !is_knock || packet.port() != steps(sequence)[0] {
                return Progress::Not(Reason::Idle);
            }
            return self.begin(place, sequence, packet, now);
        };
        let it = &mut self.tries[found];
        let done = it.knocks.len();
        if is_knock && it.knocks.iter().any(|knock| is_copy(packet, knock, &it.knocks[0])) {
            return Progress::Not(Reason::Duplicate);
        }
        if is_knock && packet.port() == steps(sequence)[done] {
            it.knocks.push(*packet);
            if it.knocks.len() < steps(sequence).len() {
                return Progress::Not(Reason::Step);
            }
            self.tries.remove(found);
            return Progress::Complete;
        }
        if is_knock && packet.port() == steps(sequence)[done - 1] {
            return Progress::Not(Reason::Duplicate);
        }
        let is_step = steps(sequence).contains(&packet.port());
        if is_step && is_knock {
            self.tries.remove(found);
            if packet.port() == steps(sequence)[0] {
                return self.begin(place, sequence, packet, now);
            }
            return Progress::Not(Reason::Reset);
        }
        if sequence.strict && is_knock {
            let is_scan = match packet.port() {
                Port { protocol: Protocol::Tcp, .. } => is_tcp(sequence),
                Port { protocol: Protocol::Udp, number } => {
                    if is_watched(sequence, number) && !it.others.contains(&number) {
                        it.others.push(number);
                    }
                    it.others.len() > 1
                }
            };
            if is_scan {
                self.tries.remove(found);
                return Progress::Not(Reason::Reset);
            }
        }
        Progress::Not(Reason::Idle)
    }

    fn begin(
        &mut self,
        place: usize,
        sequence: &Sequence,
        packet: &Sighting<'static>,
        now: Monotonic,
    ) -> Progress {
        if steps(sequence).len() == 1 {
            return Progress::Complete;
        }
        if self.tries.len() == self.capacity {
            let overdue = self.tries.iter().enumerate().filter(|(_, it)| it.deadline < now);
            let first_over = overdue.min_by_key(|(_, it)| it.deadline);
            let weakest = || {
                let all = self.tries.iter().enumerate();
                all.min_by_key(|(_, it)| (it.knocks.len(), it.started))
            };
            let victim = first_over.or_else(weakest).map(|(at, _)| at).unwrap();
            self.tries.remove(victim);
        }
        self.tries.push(Try {
            source: packet.source.to_canonical(),
            place,
            knocks: vec![*packet],
            others: Vec::new(),
            started: now,
            deadline: now + sequence.within,
        });
        Progress::Not(Reason::Step)
    }
}

fn is_tcp(sequence: &Sequence) -> bool {
    steps(sequence).iter().any(|step| step.protocol == Protocol::Tcp)
}

fn is_watched(sequence: &Sequence, number: u16) -> bool {
    let steps = steps(sequence).iter().filter(|step| step.protocol == Protocol::Udp);
    let numbers: Vec<u16> = steps.map(|step| step.number).collect();
    match number {
        ..1_024 => numbers.iter().any(|step| *step < 1_024),
        1_024..32_768 => !numbers.is_empty(),
        _ => numbers.iter().any(|step| *step > 32_767),
    }
}

fn is_copy(packet: &Sighting<'_>, knock: &Sighting<'_>, first: &Sighting<'_>) -> bool {
    match (packet.segment, knock.segment) {
        (
            Segment::Tcp { source_port, port, sequence, .. },
            Segment::Tcp { source_port: from, port: to, sequence: number, .. },
        ) => (source_port, port, sequence) == (from, to, number),
        (
            Segment::Udp { source_port, port, .. },
            Segment::Udp { source_port: from, port: to, .. },
        ) => (source_port, port) == (from, to) && packet.interface != first.interface,
        _ => false,
    }
}

fn ports() -> impl Strategy<Value = Port> {
    select(vec![tcp(1), tcp(2), tcp(3), udp(1_500), udp(2), udp(40_000)])
}

fn sequences() -> impl Strategy<Value = Vec<Sequence>> {
    let masks = select(vec![
        FlagMask::INITIAL_SYN,
        FlagMask::INITIAL_SYN,
        FlagMask { set: TcpFlags::ACK, clear: TcpFlags::SYN },
        FlagMask { set: TcpFlags(0), clear: TcpFlags::RST },
    ]);
    let one = (proptest::collection::vec(ports(), 1..6), any::<bool>(), masks, 0_u64..4);
    let made = one.prop_map(|(steps, strict, flags, within)| {
        // No two packets of these tests have the same deadline.
        let within = Duration::from_millis(600 + 300 * within);
        Sequence { strict, flags, within, ..sequence(&steps) }
    });
    proptest::collection::vec(made, 1..4).prop_map(|mut sequences| {
        for (nanos, sequence) in (0..).zip(&mut sequences) {
            sequence.within += Duration::from_nanos(nanos);
        }
        sequences
    })
}

/// A packet and how many milliseconds passed before it.
fn packets() -> impl Strategy<Value = (Sighting<'static>, u64)> {
    let sources = select(vec!["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    let flags = select(vec![TcpFlags::SYN, TcpFlags::SYN, TcpFlags::ACK, TcpFlags(0x14)]);
    let others = select(vec![udp(9), udp(1_600), udp(1_601), udp(50_000)]);
    let ports = prop_oneof![9 => ports(), 1 => Just(tcp(9)), 1 => others];
    let gaps = prop_oneof![9 => 1_u64..60, 1 => select(vec![299, 300, 600, 900, 1_500])];
    (sources, ports, flags, 0_u16..2, 0_u32..3, 0_u32..2, gaps).prop_map(
        |(source, port, flags, source_port, sequence, interface, gap)| {
            let segment = match port.protocol {
                Protocol::Tcp => {
                    Segment::Tcp { source_port, port: port.number, flags, sequence }
                }
                Protocol::Udp => Segment::Udp { source_port, port: port.number, payload: &[] },
            };
            let destination = ip("198.51.100.1");
            (Sighting { interface, source: ip(source), destination, segment }, gap)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn attempts_do_what_the_model_does(
        sequences in sequences(),
        packets in proptest::collection::vec(packets(), 1..200),
        capacity in 1_usize..6,
    ) {
        let mut attempts = Attempts::new(capacity);
        let mut model = Model { capacity, tries: Vec::new() };
        let mut millis = 0;
        for (packet, gap) in packets {
            millis += gap;
            for (place, sequence) in sequences.iter().enumerate() {
                let turn = (SequenceIndex(u16::try_from(place).unwrap()), 0);
                let real = attempts.observe(turn, sequence, steps(sequence), &packet, mono(millis));
                let expected = model.observe(place, sequence, &packet, mono(millis));
                prop_assert_eq!(real, expected, "{:?} at {} ms", packet, millis);
                prop_assert_eq!(attempts.len(), model.tries.len());
                prop_assert!(attempts.len() <= capacity);
            }
        }
    }
}
