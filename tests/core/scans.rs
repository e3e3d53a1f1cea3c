//! Scans of every kind open no strict sequence, and what a client sends besides
//! its knocks does not keep it out.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use crate::policy::{Parts, at, datagram, ip, outcome, segment, sequence, syn, tcp, udp};
use knockd::config::weakness;
use knockd::core::gate::Gate;
use knockd::core::one_time::{Line, OneTime};
use knockd::core::reason::Reason::{self, Idle, Reset, Step};
use knockd::core::sequence::{Sequence, Steps};
use knockd::core::sighting::{FlagMask, Port, Sighting, TcpFlags};
use proptest::prelude::*;

const NONE: TcpFlags = TcpFlags(0);
const ALL: TcpFlags = TcpFlags(0x3f);
const XMAS: TcpFlags = TcpFlags(0x29);

fn scanner() -> IpAddr {
    ip("192.0.2.66")
}

/// What a scan sends to each port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    Segment(TcpFlags),
    Datagram,
}

impl Probe {
    fn to(self, port: u16) -> Sighting<'static> {
        match self {
            // A retransmission has the number of the first segment.
            Self::Segment(flags) => segment(scanner(), port, flags, port.into()),
            Self::Datagram => datagram(scanner(), port, b""),
        }
    }
}

/// Whether one of these packets, 1 us apart, opens something.
fn opens(gate: &mut Gate, packets: impl Iterator<Item = Sighting<'static>>) -> bool {
    let mut millis = (0..).flat_map(|millis| [millis; 1_000]);
    packets.into_iter().any(|packet| {
        let now = at(millis.next().unwrap());
        outcome(gate.judge(&packet, now)).is_ok()
    })
}

fn gate(sequence: Sequence) -> Gate {
    Parts { sequences: vec![sequence], ..Parts::default() }.gate()
}

/// Numbers of a generator with 64 bits of state (Knuth's constants).
fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    }
}

/// All ports in an order that follows from `seed`.
fn shuffled(seed: u64) -> Vec<u16> {
    let mut ports: Vec<u16> = (1..=u16::MAX).collect();
    let mut random = random(seed);
    for place in (1..ports.len()).rev() {
        ports.swap(place, random(place + 1));
    }
    ports
}

/// Each kind of scan, with the sequence that it must not open.
fn kinds() -> Vec<(Probe, Sequence)> {
    let masks = [
        FlagMask::INITIAL_SYN,
        FlagMask { set: TcpFlags::FIN, clear: TcpFlags(0) },
        FlagMask { set: NONE, clear: ALL },
        FlagMask { set: XMAS, clear: TcpFlags::SYN },
    ];
    let steps = [tcp(7_000), tcp(9_000), tcp(8_000)];
    let mut kinds = Vec::from(
        masks.map(|flags| (Probe::Segment(flags.set), Sequence { flags, ..sequence(&steps) })),
    );
    kinds.push((Probe::Datagram, sequence(&[udp(7_000), udp(9_000), udp(8_000)])));
    kinds
}

#[test]
fn sweeps_up_and_down_open_nothing_however_often_they_are_repeated() {
    for (probe, sequence) in kinds() {
        let mut gate = gate(Sequence { within: Duration::from_secs(600), ..sequence });
        let range = 6_900..=9_100_u16;
        let up: Vec<u16> = range.collect();
        let down: Vec<u16> = up.iter().rev().copied().collect();
        let mut sweeps = [&up, &up, &down, &down, &up, &down, &up].map(Vec::clone).concat();
        // And with a retransmission of each probe.
        sweeps.extend(up.iter().chain(&down).flat_map(|port| [*port; 2]));
        let sweeps = sweeps.into_iter();
        assert!(!opens(&mut gate, sweeps.map(|port| probe.to(port))), "{probe:?}");
    }
}

#[test]
fn sweeps_of_all_ports_in_any_order_open_nothing() {
    for (probe, sequence) in kinds() {
        let mut gate = gate(Sequence { within: Duration::from_secs(600), ..sequence });
        let mut sweeps = vec![(1..=u16::MAX).collect(), (1..=u16::MAX).rev().collect()];
        sweeps.extend((0..8).map(shuffled));
        for (number, sweep) in sweeps.into_iter().enumerate() {
            let packets = sweep.into_iter().map(|port| probe.to(port));
            assert!(!opens(&mut gate, packets), "sweep {number}, {probe:?}");
        }
    }
}

#[test]
fn scans_use_up_no_line_of_a_list() {
    for (probe, kind) in kinds() {
        let steps = kind.steps.fixed().unwrap().to_vec();
        let line = |offset, steps| Line { number: 1, offset, text: String::new(), steps };
        let lines = vec![line(0, steps.clone()), line(20, steps.into_iter().rev().collect())];
        let steps = Steps::OneTime(OneTime { lines });
        let mut gate = gate(Sequence { steps, ..kind });
        let up = 6_900..=9_100;
        let down = up.clone().rev();
        let sweeps = up.clone().chain(up).chain(down.clone()).chain(down);
        assert!(!opens(&mut gate, sweeps.map(|port| probe.to(port))), "{probe:?}");
    }
}

fn judged(gate: &mut Gate, packets: &[Sighting<'_>]) -> Vec<Result<usize, Reason>> {
    let judge = |(millis, packet)| {
        let judged = outcome(gate.judge(packet, at(millis)));
        judged.map(|claims| claims.len()).map_err(|refusal| refusal.reason)
    };
    (0..).zip(packets).map(judge).collect()
}

fn datagrams(ports: &[u16]) -> Vec<Sighting<'static>> {
    ports.iter().map(|port| datagram(scanner(), *port, b"")).collect()
}

#[test]
fn datagrams_to_a_second_other_port_end_an_attempt() {
    let mut gate = gate(sequence(&[udp(7_000), udp(9_000), udp(8_000)]));
    let packets = datagrams(&[7_000, 4_500, 9_000, 4_500, 4_501, 8_000]);
    let expected = [Err(Step), Err(Idle), Err(Step), Err(Idle), Err(Reset), Err(Idle)];
    assert_eq!(judged(&mut gate, &packets), expected);
}

#[test]
fn a_tunnel_and_quic_and_answers_do_not_end_an_attempt() {
    let mut gate = gate(sequence(&[udp(7_000), udp(9_000), udp(8_000)]));
    let ports =
        [4_500, 7_000, 4_500, 53, 443, 123, 4_500, 9_000, 4_500, 32_768, 50_001, 443, 8_000];
    let all = judged(&mut gate, &datagrams(&ports));
    assert_eq!(all.last(), Some(&Ok(1)), "{all:?}");
}

#[test]
fn ports_that_a_scan_of_the_steps_goes_through_count_wherever_they_are() {
    for (steps, others) in
        [([700, 900, 800], [1, 1_023]), ([40_000, 7_000, 8_000], [60_000; 2])]
    {
        let mut gate = gate(sequence(&steps.map(udp)));
        let ports = [steps[0], others[0], others[1], 65_535, 2_000, steps[1], steps[2]];
        assert!(judged(&mut gate, &datagrams(&ports)).iter().all(Result::is_err), "{steps:?}");
    }
}

#[test]
fn packets_of_a_kind_that_is_no_step_end_nothing() {
    let mut packets = vec![syn(scanner(), 7_000, 1)];
    packets.extend(datagrams(&[2_000, 3_000, 9_000]));
    packets.push(segment(scanner(), 3_000, TcpFlags::FIN, 2));
    packets.extend([syn(scanner(), 9_000, 3), syn(scanner(), 8_000, 4)]);
    let mut all_tcp = gate(sequence(&[tcp(7_000), tcp(9_000), tcp(8_000)]));
    assert_eq!(judged(&mut all_tcp, &packets).last(), Some(&Ok(1)));
    let mut packets = datagrams(&[7_000, 9_000]);
    packets.extend([syn(scanner(), 1, 1), syn(scanner(), 8_000, 2)]);
    packets.extend(datagrams(&[8_000]));
    let mut all_udp = gate(sequence(&[udp(7_000), udp(9_000), udp(8_000)]));
    assert_eq!(judged(&mut all_udp, &packets).last(), Some(&Ok(1)));
}

/// Steps of a few ports that a check of the configuration lets pass.
fn steps() -> impl Strategy<Value = Vec<Port>> {
    let protocols = prop_oneof![Just(0_u8), Just(0xff), any::<u8>()];
    let numbers = proptest::collection::vec(0_u16..24, 3..7);
    let bases = prop_oneof![1_u16..65_500, Just(1), Just(1_010), Just(32_750), Just(65_500)];
    let steps = (protocols, bases, numbers).prop_map(|(protocols, base, numbers)| {
        let step = |(place, number): (u8, u16)| match protocols & (1 << place) {
            0 => tcp(base + number),
            _ => udp(base + number),
        };
        (0..).zip(numbers).map(step).collect::<Vec<_>>()
    });
    steps.prop_filter("weak", |steps| weakness::of_steps(steps).is_none())
}

/// One pass over the ports.
#[derive(Debug, Clone)]
struct Sweep {
    falls: bool,
    /// How often it sends to each port.
    times: usize,
    probes: Vec<Probe>,
}

fn sweeps() -> impl Strategy<Value = Vec<Sweep>> {
    let probes = prop::sample::subsequence(vec![false, true], 1..=2);
    let one = (any::<bool>(), 1_usize..4, probes);
    proptest::collection::vec(one, 1..7).prop_map(|all| {
        let probe = |is_udp| match is_udp {
            true => Probe::Datagram,
            false => Probe::Segment(TcpFlags::SYN),
        };
        all.into_iter()
            .map(|(falls, times, probes)| Sweep {
                falls,
                times,
                probes: probes.into_iter().map(probe).collect(),
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_scan_by_sweeps_of_one_range_opens_a_sequence_that_is_not_weak(
        steps in steps(),
        sweeps in sweeps(),
        (below, above) in (0_u16..6, 0_u16..6),
    ) {
        let numbers = steps.iter().map(|step| step.number);
        let first = numbers.clone().min().unwrap().saturating_sub(below).max(1);
        let last = numbers.max().unwrap().saturating_add(above);
        let mut packets = Vec::new();
        for sweep in &sweeps {
            let mut ports: Vec<u16> = (first..=last).collect();
            if sweep.falls {
                ports.reverse();
            }
            for port in ports {
                let probes = sweep.probes.iter().map(|probe| probe.to(port));
                packets.extend(probes.flat_map(|packet| vec![packet; sweep.times]));
            }
        }
        prop_assert!(!opens(&mut gate(sequence(&steps)), packets.into_iter()));
    }
}
