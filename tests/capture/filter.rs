use knockd::capture::filter::{Direction, MAX_INSTRUCTIONS, TooLong, compile};
use knockd::capture::frame::sight;
use knockd::core::interest::{Interest, Packets, Ports};
use knockd::core::link::Link;
use knockd::core::reason::Reason;
use knockd::core::sighting::Protocol;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bpf_vm::passes;
use crate::frames::{LINKS, Shape, frame, interests};

const HOST: [u8; 4] = [198, 51, 100, 7];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// One way: nothing that matters is lost. The other way: what passes
    /// needlessly is at most a packet whose source is no host.
    #[test]
    fn the_filter_agrees_with_the_parser_but_for_sources(
        (link, frame) in frame(),
        interests in interests(),
    ) {
        // Three long lists of ports may be too much.
        let Ok(program) = compile(link, &interests, Direction::Both) else {
            return Ok(());
        };
        let passes = passes(&program, &frame);
        match sight(link, &frame, 1) {
            Ok(sighting) => {
                let covered = interests.iter().any(|interest| interest.covers(&sighting));
                prop_assert_eq!(passes, covered);
            }
            Err(Reason::Source) => {}
            Err(reason) => prop_assert!(!passes, "{}", reason),
        }
    }

    #[test]
    fn neither_parser_nor_filter_minds_noise(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        for link in LINKS {
            let everything = [everything(Protocol::Tcp), everything(Protocol::Udp)];
            let program = compile(link, &everything, Direction::Both).unwrap();
            let passes = passes(&program, &bytes);
            if sight(link, &bytes, 1).is_ok() {
                prop_assert!(passes);
            }
        }
    }
}

fn everything(protocol: Protocol) -> Interest {
    Interest { protocol, ports: Ports::Any, packets: Packets::All }
}

#[test]
fn of_structured_frames_few_pass_needlessly_and_many_rightly() {
    let mut runner = TestRunner::deterministic();
    let interests = [everything(Protocol::Tcp), everything(Protocol::Udp)];
    let (mut right, mut needless) = (0, 0);
    for _ in 0..20_000 {
        let (link, frame) = frame().new_tree(&mut runner).unwrap().current();
        let program = compile(link, &interests, Direction::Both).unwrap();
        match sight(link, &frame, 1) {
            Ok(_) => right += 1,
            Err(_) if passes(&program, &frame) => needless += 1,
            Err(_) => {}
        }
    }
    assert!(right > 5_000, "the generator makes too few good frames: {right}");
    // One source in twenty is made to be no host.
    assert!(needless * 10 < right, "{needless} needless, {right} right");
}

#[test]
fn packets_that_went_out_are_rejected_where_the_header_tells() {
    let interests = [everything(Protocol::Tcp)];
    let program = compile(Link::Pflog, &interests, Direction::Incoming).unwrap();
    let mut shape = Shape::plain(Link::Pflog, &HOST);
    assert!(passes(&program, &shape.build()));
    shape.outgoing = true;
    assert!(!passes(&program, &shape.build()));
    let both = compile(Link::Pflog, &interests, Direction::Both).unwrap();
    assert!(passes(&both, &shape.build()));
}

#[test]
fn without_interests_nothing_passes() {
    for link in LINKS {
        let program = compile(link, &[], Direction::Incoming).unwrap();
        assert!(!passes(&program, &Shape::plain(link, &HOST).build()));
    }
}

#[test]
fn hundreds_of_ports_fit_and_thousands_are_refused() {
    let of = |count| {
        [Interest {
            protocol: Protocol::Tcp,
            ports: Ports::Of((1..=count).collect()),
            packets: Packets::INITIAL_SYN,
        }]
    };
    let program = compile(Link::Ethernet, &of(350), Direction::Incoming).unwrap();
    assert!(program.instructions().len() <= MAX_INSTRUCTIONS);
    for port in [1, 100, 101, 256, 350, 351] {
        let frame = Shape { port, ..Shape::plain(Link::Ethernet, &HOST) }.build();
        assert_eq!(passes(&program, &frame), port <= 350, "{port}");
    }
    assert_eq!(compile(Link::Ethernet, &of(1000), Direction::Incoming), Err(TooLong));
}
