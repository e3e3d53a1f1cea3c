use knockd::capture::filter::{Direction, MAX_INSTRUCTIONS, compile};
use knockd::capture::frame::sight;
use knockd::core::interest::{Form, Interest, Packets, Ports};
use knockd::core::link::Link;
use knockd::core::reason::Reason;
use knockd::core::sighting::{FlagMask, Protocol, TcpFlags};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::bpf_vm::passes;
use crate::frames::{LINKS, Shape, forms, frame, interests, salt};

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
        let program = compile(link, &interests, Direction::Both);
        let passes = passes(&program, &frame);
        match sight(link, &frame, 1) {
            Ok(sighting) => {
                let covered = interests.iter().any(|interest| interest.covers(&sighting));
                // Three long lists of ports may be too much.
                let ports = interests.iter().map(|interest| match &interest.ports {
                    Ports::Of(ports) => ports.len(),
                    _ => 0,
                });
                let is_exact = ports.sum::<usize>() < 250;
                prop_assert!(covered == passes || !is_exact && passes);
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
            let program = compile(link, &everything, Direction::Both);
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
        let program = compile(link, &interests, Direction::Both);
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
    let program = compile(Link::Pflog, &interests, Direction::Incoming);
    let mut shape = Shape::plain(Link::Pflog, &HOST);
    assert!(passes(&program, &shape.build()));
    shape.outgoing = true;
    assert!(!passes(&program, &shape.build()));
    let both = compile(Link::Pflog, &interests, Direction::Both);
    assert!(passes(&both, &shape.build()));
}

#[test]
fn without_interests_nothing_passes() {
    for link in LINKS {
        let program = compile(link, &[], Direction::Incoming);
        assert!(!passes(&program, &Shape::plain(link, &HOST).build()));
    }
}

/// The interest of tokens.
fn tokens(forms: &[Form]) -> Interest {
    Interest {
        protocol: Protocol::Udp,
        ports: Ports::Of(vec![9000]),
        packets: Packets::Tokens(forms.to_vec()),
    }
}

fn listed(protocol: Protocol, ports: impl Iterator<Item = u16>, packets: Packets) -> Interest {
    Interest { protocol, ports: Ports::Of(ports.collect()), packets }
}

/// Every way from the link header to the payload that the parser knows.
fn token_shapes(link: Link) -> Vec<Shape> {
    let token = |source: &[u8]| {
        let [form, _] = forms();
        let salt = salt(&form.mark, *b"twelve bytes");
        let (transport, port, payload) = (17, 9000, form.length);
        Shape { transport, port, payload, salt, ..Shape::plain(link, source) }
    };
    let tags = match link {
        Link::Ethernet => vec![vec![], vec![0x8100], vec![0x88a8, 0x8100]],
        _ => vec![vec![]],
    };
    let framings = if link == Link::Ppp { vec![false, true] } else { vec![false] };
    let mut shapes = Vec::new();
    for (tags, compressed) in
        tags.iter().flat_map(|tags| framings.iter().map(move |it| (tags, *it)))
    {
        for options in [0, 1, 10] {
            let tags = tags.clone();
            shapes.push(Shape { tags, compressed, options, ..token(&HOST) });
        }
        for extensions in 0..=4 {
            let extensions = vec![(60, 1); extensions];
            let tags = tags.clone();
            shapes.push(Shape { tags, compressed, extensions, ..token(&[0x20; 16]) });
        }
    }
    shapes
}

/// No shape is left to the engine.
#[test]
fn the_mark_is_checked_in_every_shape() {
    let [one, two] = forms();
    for (link, keys) in LINKS.into_iter().flat_map(|link| {
        [vec![one.clone()], vec![two.clone(), one.clone()]].map(|it| (link, it))
    }) {
        let program = compile(link, &[tokens(&keys)], Direction::Incoming);
        for shape in token_shapes(link) {
            assert!(passes(&program, &shape.build()), "{shape:?}");
            for bit in 0..128 {
                let mut changed = shape.clone();
                changed.salt[bit / 8] ^= 1 << (bit % 8);
                assert!(!passes(&program, &changed.build()), "bit {bit} of {shape:?}");
            }
            let other = Shape { salt: salt(&two.mark, *b"twelve bytes"), ..shape.clone() };
            assert!(!passes(&program, &other.build()), "the mark of another key: {shape:?}");
            let longer = Shape { payload: shape.payload + 1, ..shape };
            assert!(!passes(&program, &longer.build()), "{longer:?}");
        }
    }
}

#[test]
fn tokens_of_either_key_pass_while_keys_change_and_what_comes_after_them_does() {
    let lengths = |length| forms().map(|form| Form { length, ..form });
    for forms in [forms(), lengths(168), lengths(423)] {
        let after = listed(Protocol::Udp, [53].into_iter(), Packets::All);
        let program = compile(Link::Raw, &[tokens(&forms), after], Direction::Both);
        for form in &forms {
            let salt = salt(&form.mark, [7; 12]);
            let (transport, port, payload) = (17, 9000, form.length);
            let shape =
                Shape { transport, port, payload, salt, ..Shape::plain(Link::Raw, &HOST) };
            assert!(passes(&program, &shape.build()));
            let unmarked = Shape { salt: [0; 16], ..shape };
            assert!(!passes(&program, &unmarked.build()));
            assert!(passes(&program, &Shape { port: 53, ..unmarked }.build()));
        }
    }
}

#[test]
fn two_gate_keys_leave_half_of_the_instructions_to_ports() {
    let strict =
        Interest { protocol: Protocol::Tcp, ports: Ports::Any, packets: Packets::INITIAL_SYN };
    for (count, most) in [(1, 200), (2, 240)] {
        let interests = [tokens(&forms()[..count]), strict.clone()];
        let lengths = LINKS
            .map(|link| compile(link, &interests, Direction::Incoming).instructions().len());
        assert!(lengths.iter().all(|length| *length <= most), "{count} keys: {lengths:?}");
    }
}

#[test]
fn too_many_ports_become_their_range_and_too_many_flags_what_they_share() {
    let passes_at = |interests: &[Interest], shape: Shape| {
        let program = compile(Link::Ethernet, interests, Direction::Incoming);
        assert!(program.instructions().len() <= MAX_INSTRUCTIONS);
        passes(&program, &shape.build())
    };
    let plain = || Shape::plain(Link::Ethernet, &HOST);
    let to = |port| Shape { port, ..plain() };
    let syns = |ports: std::ops::RangeInclusive<u16>| {
        listed(Protocol::Tcp, ports.filter(|port| port % 2 == 0), Packets::INITIAL_SYN)
    };
    let token = || Shape { transport: 17, payload: 168, ..to(9000) };
    let marked = || Shape { salt: salt(&forms()[0].mark, [7; 12]), ..token() };
    let datagrams = || listed(Protocol::Udp, [53, 9010].into_iter(), Packets::All);

    // Exactly what is asked for, as long as it fits.
    let few = [tokens(&forms()), syns(2..=500), datagrams()];
    assert!(passes_at(&few, to(500)) && !passes_at(&few, to(251)));
    // Ranges, each of its own list.
    let many = [tokens(&forms()), syns(2..=2_000), datagrams()];
    assert!(
        passes_at(&many, to(2)) && passes_at(&many, to(251)) && passes_at(&many, to(2_000))
    );
    assert!(!passes_at(&many, to(1)) && !passes_at(&many, to(2_001)));
    assert!(!passes_at(&many, Shape { flags: 0x10, ..to(251) }), "the flags still count");
    assert!(passes_at(&many, Shape { transport: 17, ..to(54) }));
    assert!(!passes_at(&many, Shape { transport: 17, ..to(52) }));
    assert!(passes_at(&many, marked()) && !passes_at(&many, token()));
    // Everything with a flag that all have in common.
    let masks = (0..=u8::MAX).map(|clear| Interest {
        protocol: Protocol::Tcp,
        ports: Ports::Any,
        packets: Packets::Flags(FlagMask { set: TcpFlags::SYN, clear: TcpFlags(clear & !2) }),
    });
    let most: Vec<_> = masks.chain([tokens(&forms()), datagrams()]).collect();
    assert!(passes_at(&most, to(1)) && passes_at(&most, Shape { flags: 0xff, ..to(1) }));
    assert!(!passes_at(&most, Shape { flags: 0x10, ..to(1) }));
    assert!(passes_at(&most, Shape { transport: 17, ..to(1) }));
    assert!(passes_at(&most, marked()) && !passes_at(&most, token()));
    assert!(!passes_at(&most[..256], Shape { transport: 17, ..to(1) }), "not asked for");
}

#[test]
fn a_filter_never_shows_what_is_in_it() {
    let program = compile(Link::Ethernet, &[tokens(&forms())], Direction::Both);
    let text = format!("{program:?} {:?}", tokens(&forms()));
    let words = forms().map(|form| [form.mark.factors().to_vec(), form.mark.rounds().to_vec()]);
    for word in words.into_iter().flatten().flatten() {
        assert!(
            !text.contains(&word.to_string()) && !text.contains(&format!("{word:x}")),
            "{text}"
        );
    }
}
