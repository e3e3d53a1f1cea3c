//! What knocks open, sentence by sentence.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use crate::policy::{
    Parts, SSH, WEB, at, datagram, door, ip, mono, on, outcome, segment, sequence, syn, tcp,
    udp,
};
use knockd::core::claim::{Claim, Ground};
use knockd::core::door::DoorIndex;
use knockd::core::gate::{Gate, MAX_CLAIMS};
use knockd::core::reason::Reason::{self, Duplicate, Idle, Reset, Step};
use knockd::core::sequence::{Sequence, SequenceIndex};
use knockd::core::sighting::{FlagMask, Sighting, TcpFlags};
use knockd::core::time::{Monotonic, Now};
use proptest::prelude::*;

fn client() -> IpAddr {
    ip("192.0.2.7")
}

fn gate(sequences: Vec<Sequence>) -> Gate {
    Parts { sequences, ..Parts::default() }.gate()
}

fn three() -> Sequence {
    sequence(&[tcp(7_000), tcp(9_000), tcp(8_000)])
}

/// The doors that `sighting` opens, or why it opens none.
fn see(gate: &mut Gate, now: Now, sighting: Sighting<'_>) -> Result<Vec<DoorIndex>, Reason> {
    match outcome(gate.judge(&sighting, now)) {
        Ok(claims) => Ok(claims.iter().map(|claim| claim.door).collect()),
        Err(refusal) => Err(refusal.reason),
    }
}

/// What becomes of these packets, one every 10 ms.
fn play(sequences: &[Sequence], packets: &[Sighting<'_>]) -> Vec<Result<Vec<u16>, Reason>> {
    let mut gate = gate(sequences.to_vec());
    let plain = |doors: Vec<DoorIndex>| doors.iter().map(|door| door.0).collect();
    (0..)
        .zip(packets)
        .map(|(place, packet)| see(&mut gate, at(10 * place), *packet).map(plain))
        .collect()
}

/// Initial SYNs of the client to these ports, each a segment of its own.
fn syns(ports: &[u16]) -> Vec<Sighting<'static>> {
    (0..).zip(ports).map(|(number, port)| syn(client(), *port, number)).collect()
}

#[test]
fn knocks_in_order_open_the_door_to_their_source() {
    let mut gate = gate(vec![three()]);
    assert_eq!(see(&mut gate, at(0), syn(client(), 7_000, 1)), Err(Step));
    assert_eq!(see(&mut gate, at(10), syn(client(), 9_000, 2)), Err(Step));
    let claims = outcome(gate.judge(&syn(client(), 8_000, 3), at(20))).unwrap();
    let claim = Claim { door: SSH, address: client(), ground: Ground::Fixed(SequenceIndex(0)) };
    assert_eq!(claims, [claim]);
    assert_eq!(see(&mut gate, at(30), syn(client(), 8_000, 4)), Err(Idle), "it is over");
}

#[test]
fn knocks_in_any_other_order_open_nothing() {
    let (a, b, c) = (7_000, 9_000, 8_000);
    for order in [[a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a], [a, a, c], [b, b, c]] {
        let judged = play(&[three()], &syns(&order));
        assert!(judged.iter().all(Result::is_err), "{order:?}: {judged:?}");
    }
}

#[test]
fn the_last_knock_counts_at_the_deadline_and_not_a_nanosecond_after() {
    let within = Duration::from_millis(1_234);
    for (late, opens) in [(0, true), (1, false)] {
        let mut gate = gate(vec![Sequence { within, ..three() }]);
        let _ = see(&mut gate, at(0), syn(client(), 7_000, 1));
        let _ = see(&mut gate, at(1_000), syn(client(), 9_000, 2));
        let last = Monotonic::from_nanos(mono(1_234).as_nanos() + late);
        let now = Now { monotonic: last, ..at(1_234) };
        assert_eq!(see(&mut gate, now, syn(client(), 8_000, 3)).is_ok(), opens, "{late} ns");
    }
}

#[test]
fn an_attempt_whose_time_is_over_makes_way_for_a_new_one() {
    let mut gate = gate(vec![three()]);
    assert_eq!(see(&mut gate, at(0), syn(client(), 7_000, 1)), Err(Step));
    assert_eq!(see(&mut gate, at(5_001), syn(client(), 7_000, 2)), Err(Step));
    assert_eq!(see(&mut gate, at(9_000), syn(client(), 9_000, 3)), Err(Step));
    assert_eq!(see(&mut gate, at(10_001), syn(client(), 8_000, 4)), Ok(vec![SSH]));
}

#[test]
fn the_current_step_again_is_tolerated_but_wins_no_time() {
    let mut gate = gate(vec![three()]);
    assert_eq!(see(&mut gate, at(0), syn(client(), 7_000, 1)), Err(Step));
    assert_eq!(see(&mut gate, at(4_000), syn(client(), 7_000, 1)), Err(Duplicate));
    assert_eq!(see(&mut gate, at(4_500), syn(client(), 7_000, 2)), Err(Duplicate));
    assert_eq!(see(&mut gate, at(4_900), syn(client(), 9_000, 3)), Err(Step));
    assert_eq!(see(&mut gate, at(4_950), syn(client(), 9_000, 3)), Err(Duplicate));
    assert_eq!(see(&mut gate, at(5_001), syn(client(), 8_000, 4)), Err(Idle));
}

#[test]
fn a_port_twice_in_a_row_takes_two_segments_not_one_seen_twice() {
    let twice = sequence(&[tcp(7_000), tcp(7_000), tcp(8_000)]);
    let first = syn(client(), 7_000, 1);
    let judged = play(
        &[twice],
        &[
            first,
            first,
            on(1, first),
            syn(client(), 7_000, 2),
            on(1, syn(client(), 7_000, 2)),
            syn(client(), 8_000, 3),
        ],
    );
    let expected =
        [Err(Step), Err(Duplicate), Err(Duplicate), Err(Step), Err(Duplicate), Ok(vec![0])];
    assert_eq!(judged, expected);
}

#[test]
fn a_datagram_seen_by_a_second_interface_is_no_second_knock() {
    let twice = sequence(&[udp(7_000), udp(7_000), udp(8_000)]);
    let knock = datagram(client(), 7_000, b"");
    let judged = play(
        &[twice],
        &[knock, on(1, knock), knock, on(1, knock), datagram(client(), 8_000, b"x")],
    );
    assert_eq!(judged, [Err(Step), Err(Duplicate), Err(Step), Err(Duplicate), Ok(vec![0])]);
}

#[test]
fn an_earlier_knock_seen_again_is_neither_a_new_one_nor_a_wrong_one() {
    let (a, b) = (syn(client(), 7_000, 1), syn(client(), 9_000, 2));
    let back = sequence(&[tcp(7_000), tcp(9_000), tcp(7_000)]);
    for (steps, last) in [(back, 7_000), (three(), 8_000)] {
        let last = syn(client(), last, 3);
        let judged = play(&[steps], &[a, b, on(1, a), on(1, b), a, last]);
        assert_eq!(judged[..2], [Err(Step), Err(Step)]);
        assert!(judged[2..5].iter().all(|judged| *judged == Err(Duplicate)), "{judged:?}");
        assert_eq!(judged[5], Ok(vec![0]));
    }
    let (a, b) = (datagram(client(), 7_000, b""), datagram(client(), 9_000, b""));
    let back = sequence(&[udp(7_000), udp(9_000), udp(7_000)]);
    let judged = play(&[back], &[a, b, on(1, a), on(1, b), a]);
    assert_eq!(judged, [Err(Step), Err(Step), Err(Duplicate), Err(Duplicate), Ok(vec![0])]);
}

#[test]
fn knocks_may_come_in_by_several_interfaces() {
    let packets = (0..).zip(syns(&[7_000, 9_000, 8_000])).map(|(number, it)| on(number, it));
    let judged = play(&[three()], &packets.collect::<Vec<_>>());
    assert_eq!(judged, [Err(Step), Err(Step), Ok(vec![0])]);
}

#[test]
fn a_strict_attempt_ends_with_an_initial_syn_to_a_port_that_is_no_step() {
    let judged = play(&[three()], &syns(&[7_000, 9_000, 4_444, 8_000]));
    assert_eq!(judged, [Err(Step), Err(Step), Err(Reset), Err(Idle)]);
}

#[test]
fn no_other_packet_ends_a_strict_attempt() {
    let others = [
        TcpFlags::ACK,
        TcpFlags::RST,
        TcpFlags::FIN,
        TcpFlags::SYN.union(TcpFlags::ACK),
        TcpFlags(0),
    ];
    for port in [4_444, 8_000] {
        let mut packets = syns(&[7_000, 9_000]);
        packets.extend(others.map(|flags| segment(client(), port, flags, 9)));
        packets.push(datagram(client(), 4_444, b"not a step"));
        packets.push(datagram(client(), 8_000, b"a step's number, not its protocol"));
        packets.push(syn(client(), 8_000, 3));
        let judged = play(&[three()], &packets);
        assert_eq!(judged.last(), Some(&Ok(vec![0])), "{judged:?}");
        assert!(judged[2..judged.len() - 1].iter().all(|judged| *judged == Err(Idle)));
    }
}

#[test]
fn a_lax_attempt_lives_through_other_ports_but_not_through_a_wrong_step() {
    let lax = Sequence { strict: false, ..three() };
    let judged = play(std::slice::from_ref(&lax), &syns(&[7_000, 4_444, 9_000, 4_445, 8_000]));
    assert_eq!(judged, [Err(Step), Err(Idle), Err(Step), Err(Idle), Ok(vec![0])]);
    let judged = play(&[lax], &syns(&[7_000, 8_000, 9_000, 8_000]));
    assert_eq!(judged, [Err(Step), Err(Reset), Err(Idle), Err(Idle)]);
}

#[test]
fn scans_open_nothing() {
    let rising = sequence(&[tcp(7_000), tcp(8_000), tcp(9_000)]);
    for ports in [(1..=u16::MAX).collect::<Vec<_>>(), (1..=u16::MAX).rev().collect()] {
        let judged = play(&[rising.clone(), three()], &syns(&ports));
        assert!(judged.iter().all(Result::is_err));
    }
}

#[test]
fn step_one_at_the_wrong_time_starts_the_attempt_again() {
    let mut gate = gate(vec![three()]);
    for (millis, port, judged) in [
        (0, 7_000, Err(Step)),
        (1_000, 9_000, Err(Step)),
        (4_000, 7_000, Err(Step)),
        (8_000, 9_000, Err(Step)),
        (9_000, 8_000, Ok(vec![SSH])),
    ] {
        let number = u32::try_from(millis).unwrap();
        assert_eq!(see(&mut gate, at(millis), syn(client(), port, number)), judged);
    }
}

#[test]
fn only_segments_that_fit_the_mask_are_knocks() {
    let flags = FlagMask { set: TcpFlags::FIN.union(TcpFlags::URG), clear: TcpFlags::ACK };
    let odd = Sequence { flags, ..three() };
    let fits = TcpFlags(0x29);
    let judged = play(
        &[odd],
        &[
            segment(client(), 7_000, fits, 1),
            segment(client(), 9_000, TcpFlags::FIN, 2),
            segment(client(), 9_000, fits.union(TcpFlags::ACK), 2),
            syn(client(), 9_000, 2),
            segment(client(), 9_000, flags.set, 2),
            segment(client(), 8_000, fits, 3),
        ],
    );
    assert_eq!(judged, [Err(Step), Err(Idle), Err(Idle), Err(Idle), Err(Step), Ok(vec![0])]);
}

#[test]
fn a_step_is_a_protocol_and_a_number() {
    let mixed = sequence(&[tcp(7_000), udp(9_000), tcp(8_000)]);
    for source in ["192.0.2.7", "2001:db8::7"].map(ip) {
        let judged = play(
            std::slice::from_ref(&mixed),
            &[
                datagram(source, 7_000, b""),
                syn(source, 7_000, 1),
                datagram(source, 9_000, b"anything"),
                datagram(source, 8_000, b""),
                syn(source, 8_000, 2),
            ],
        );
        assert_eq!(judged, [Err(Idle), Err(Step), Err(Step), Err(Idle), Ok(vec![0])]);
    }
}

#[test]
fn a_mapped_address_is_the_ipv4_host_that_it_maps() {
    let mut gate = gate(vec![three()]);
    let mapped = ip("::ffff:192.0.2.7");
    assert_eq!(see(&mut gate, at(0), syn(client(), 7_000, 1)), Err(Step));
    assert_eq!(see(&mut gate, at(10), syn(mapped, 9_000, 2)), Err(Step));
    let claims = outcome(gate.judge(&syn(mapped, 8_000, 3), at(20))).unwrap();
    assert_eq!(claims[0].address, client());
}

#[test]
fn sequences_that_begin_alike_advance_side_by_side() {
    let long = Sequence { doors: vec![WEB], ..sequence(&[tcp(1), tcp(2), tcp(3), tcp(4)]) };
    let short = Sequence { strict: false, ..sequence(&[tcp(1), tcp(2), tcp(3)]) };
    let judged = play(&[long, short], &syns(&[1, 2, 3, 4]));
    assert_eq!(judged, [Err(Step), Err(Step), Ok(vec![0]), Ok(vec![1])]);
}

#[test]
fn one_packet_opens_every_door_it_is_the_last_knock_for_up_to_the_limit() {
    let both = Sequence { doors: vec![SSH, WEB], ..sequence(&[tcp(1), tcp(3)]) };
    let other = Sequence { doors: vec![DoorIndex(2)], ..sequence(&[tcp(2), tcp(3)]) };
    let lax = |sequence| Sequence { strict: false, ..sequence };
    let judged = play(&[lax(both), lax(other)], &syns(&[1, 2, 3]));
    assert_eq!(judged.last(), Some(&Ok(vec![0, 1, 2])));

    let many = (0..40).map(|number| Sequence { doors: vec![DoorIndex(number)], ..three() });
    let doors = (0..40).map(|number| door(&format!("door{number}"))).collect();
    let mut gate = Parts { sequences: many.collect(), doors, ..Parts::default() }.gate();
    let judged: Vec<_> = syns(&[7_000, 9_000, 8_000])
        .into_iter()
        .map(|packet| see(&mut gate, at(0), packet))
        .collect();
    assert_eq!(judged[2].as_ref().map(Vec::len), Ok(MAX_CLAIMS));
}

#[test]
fn a_source_that_is_no_host_opens_nothing() {
    for source in ["0.0.0.0", "224.0.0.1", "127.0.0.1", "fe80::1", "::ffff:127.0.0.1"].map(ip) {
        let packets = [7_000, 9_000, 8_000].map(|port| syn(source, port, u32::from(port)));
        let judged = play(&[three()], &packets);
        assert!(judged.iter().all(|judged| *judged == Err(Reason::Source)));
    }
}

/// 50 clients with three knocks each, and 300 packets of strangers, in one
/// order of all the possible.
fn crowd() -> impl Strategy<Value = Vec<usize>> {
    let clients = (0..50).flat_map(|client| [client; 3]);
    Just(clients.chain(50..350).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_clients_get_in_whoever_knocks_in_between(crowd in crowd()) {
        let steps = [7_000, 9_000, 8_000];
        let mut gate = gate(vec![three()]);
        let (mut knocked, mut opened) = (vec![0; 50], Vec::new());
        for (millis, who) in (0..).zip(&crowd) {
            let source = IpAddr::from([198, 18, (who / 256) as u8, (who % 256) as u8]);
            let port = match knocked.get_mut(*who) {
                Some(done) => { *done += 1; steps[*done - 1] }
                None => [7_000, 9_000, 8_000, 22, 443][who % 5],
            };
            if see(&mut gate, at(millis), syn(source, port, 1)).is_ok() {
                opened.push(*who);
            }
        }
        opened.sort_unstable();
        prop_assert_eq!(opened, (0..50).collect::<Vec<_>>());
    }
}
