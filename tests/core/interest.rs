//! The kernel is asked for every packet that the gate would act on.
#![forbid(unsafe_code)]

use crate::policy::{
    Draft, GATE_KEY, Key, OTHER_GATE_KEY, Parts, SPA_PORT, at, datagram, ip, outcome, sequence,
    spa, tcp, udp,
};
use knockd::core::gate::Gate;
use knockd::core::interest::{self, Form, Interest, Packets, Ports};
use knockd::core::reason::Reason;
use knockd::core::sequence::Sequence;
use knockd::core::sighting::{FlagMask, Port, Protocol, Segment, Sighting, TcpFlags};
use knockd::core::time::Wall;
use knockd::core::token::GateKey;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use zeroize::Zeroizing;

fn ports() -> impl Strategy<Value = Port> {
    let udp = [1, 2, 3, 2_000, 40_000, SPA_PORT].map(udp);
    select([&[tcp(1), tcp(2), tcp(3), tcp(SPA_PORT)][..], &udp].concat())
}

fn masks() -> impl Strategy<Value = FlagMask> {
    let any = (any::<u8>(), any::<u8>()).prop_map(|(set, clear)| FlagMask {
        set: TcpFlags(set & 0x15),
        clear: TcpFlags(clear & 0x0e),
    });
    prop_oneof![Just(FlagMask::INITIAL_SYN), any]
}

fn policies() -> impl Strategy<Value = Parts> {
    let one = (vec(ports(), 1..4), any::<bool>(), masks())
        .prop_map(|(steps, strict, flags)| Sequence { strict, flags, ..sequence(&steps) });
    let keys = select(vec![
        None,
        Some(vec![]),
        Some(vec![GATE_KEY]),
        Some(vec![OTHER_GATE_KEY, GATE_KEY]),
    ]);
    (vec(one, 0..4), keys).prop_map(|(sequences, keys)| Parts {
        sequences,
        spa: keys.map(|keys| spa(&keys)),
        ..Parts::default()
    })
}

#[derive(Debug, Clone)]
struct Packet {
    port: Port,
    flags: TcpFlags,
    number: u32,
    payload: Vec<u8>,
}

impl Packet {
    fn sighting(&self) -> Sighting<'_> {
        let (source_port, port) = (1, self.port.number);
        let segment = match self.port.protocol {
            Protocol::Tcp => {
                Segment::Tcp { source_port, port, flags: self.flags, sequence: self.number }
            }
            Protocol::Udp => Segment::Udp { source_port, port, payload: &self.payload },
        };
        let destination = ip("198.51.100.1");
        Sighting { interface: self.number % 2, source: ip("192.0.2.7"), destination, segment }
    }
}

fn packets() -> impl Strategy<Value = Packet> {
    let token = (any::<bool>(), 0..4_u64).prop_map(|(other, number)| {
        let gate_key = if other { OTHER_GATE_KEY } else { GATE_KEY };
        Draft { gate_key, ..Draft::new(&Key::alice()).salted(number) }.bytes()
    });
    let payload = prop_oneof![token, vec(any::<u8>(), 0..500)];
    let flags = prop_oneof![2 => Just(TcpFlags::SYN), 1 => any::<u8>().prop_map(TcpFlags)];
    let others = select(vec![udp(9), udp(2_001), udp(2_002), udp(40_001)]);
    let ports = prop_oneof![8 => ports(), 1 => Just(tcp(9)), 1 => others];
    (ports, flags, 0..4_u32, payload).prop_map(|(port, flags, number, payload)| Packet {
        port,
        flags,
        number,
        payload,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_the_gate_acts_on_is_asked_for(
        parts in policies(),
        packets in vec(packets(), 1..80),
    ) {
        let policy = parts.policy();
        let interests = interest::of(&policy);
        let mut gate = Gate::new(policy.clone(), Wall::default());
        // It does as well without the other packets.
        let mut filtered = Gate::new(policy, Wall::default());
        for (millis, packet) in (0..).zip(&packets) {
            let sighting = packet.sighting();
            let judged = outcome(gate.judge(&sighting, at(millis)));
            // Most strangers are not asked for; who repeats a mark is.
            let idle = judged.as_ref().is_err_and(|it| {
                matches!(it.reason, Reason::Idle | Reason::Length | Reason::Stranger)
            });
            let asked_for = interests.iter().any(|interest| interest.covers(&sighting));
            prop_assert!(idle || asked_for, "{:?} by {:?}: {:?}", judged, interests, packet);
            if asked_for {
                prop_assert_eq!(outcome(filtered.judge(&sighting, at(millis))), judged);
            }
        }
    }
}

fn asked(sequences: Vec<Sequence>) -> Vec<Interest> {
    interest::of(&Parts { sequences, ..Parts::default() }.policy())
}

fn interest(protocol: Protocol, ports: Ports, packets: Packets) -> Interest {
    Interest { protocol, ports, packets }
}

#[test]
fn tokens_are_asked_for_by_port_length_and_mark() {
    let token = Draft::new(&Key::alice()).bytes();
    let mark = GateKey::new(Zeroizing::new(GATE_KEY)).mark_key().clone();
    let form = Form { length: token.len(), mark };
    let tokens =
        interest(Protocol::Udp, Ports::Of(vec![SPA_PORT]), Packets::Tokens(vec![form]));
    assert_eq!(asked(vec![]), std::slice::from_ref(&tokens));
    for bit in 0..token.len() * 8 {
        let mut changed = token.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let sighting = datagram(ip("192.0.2.7"), SPA_PORT, &changed);
        assert_eq!(tokens.covers(&sighting), bit >= 16 * 8, "bit {bit}");
    }
}

#[test]
fn a_lax_sequence_asks_for_its_own_ports_alone() {
    let lax = Sequence { strict: false, ..sequence(&[tcp(3), udp(9), tcp(1), tcp(3)]) };
    let rest = [
        interest(Protocol::Tcp, Ports::Of(vec![1, 3]), Packets::INITIAL_SYN),
        interest(Protocol::Udp, Ports::Of(vec![9]), Packets::All),
    ];
    assert_eq!(asked(vec![lax])[1..], rest);
}

#[test]
fn a_strict_sequence_asks_for_its_kind_of_segment_at_every_port() {
    let flags = FlagMask { set: TcpFlags::FIN, clear: TcpFlags::ACK };
    let odd = Sequence { flags, ..sequence(&[tcp(3), tcp(1)]) };
    let lax = Sequence { strict: false, ..sequence(&[tcp(9), tcp(8)]) };
    let rest = [
        interest(Protocol::Tcp, Ports::Any, Packets::Flags(flags)),
        interest(Protocol::Tcp, Ports::Of(vec![8, 9]), Packets::INITIAL_SYN),
    ];
    assert_eq!(asked(vec![odd, lax.clone()])[1..], rest);
    let rest = [interest(Protocol::Tcp, Ports::Any, Packets::INITIAL_SYN)];
    assert_eq!(asked(vec![sequence(&[tcp(3), tcp(1)]), lax])[1..], rest);
}

#[test]
fn a_strict_sequence_with_udp_steps_asks_for_the_ports_that_a_scan_goes_through() {
    let within = |first, last, except| {
        interest(Protocol::Udp, Ports::Within { first, last, except }, Packets::All)
    };
    for (steps, rest) in [
        ([2_000, 3_000], within(1_024, 32_767, vec![])),
        ([1_023, 3_000], within(1, 32_767, vec![])),
        ([1_024, 32_767], within(1_024, 32_767, vec![])),
        ([40_000, 3_000], within(1_024, 65_535, vec![SPA_PORT])),
        ([40_000, 30], within(1, 65_535, vec![SPA_PORT])),
    ] {
        assert_eq!(asked(vec![sequence(&steps.map(udp))])[1..], [rest]);
    }
    let lax = Sequence { strict: false, ..sequence(&[udp(2_000), udp(50_000), udp(5)]) };
    let lax_ports = interest(Protocol::Udp, Ports::Of(vec![5, 50_000]), Packets::All);
    let both = asked(vec![sequence(&[udp(2_000), udp(3_000)]), lax]);
    assert_eq!(both[1..], [lax_ports, within(1_024, 32_767, vec![])]);
}
