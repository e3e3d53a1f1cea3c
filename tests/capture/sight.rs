use std::net::IpAddr;

use knockd::capture::frame::sight;
use knockd::core::link::Link;
use knockd::core::reason::Reason;
use knockd::core::sighting::{Port, Protocol, Segment};

use crate::frames::{LINKS, Shape};

const V4: [u8; 4] = [198, 51, 100, 7];
const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

fn plain() -> Shape {
    Shape::plain(Link::Ethernet, &V4)
}

fn reason(shape: &Shape) -> Option<Reason> {
    sight(shape.link, &shape.build(), 1).err()
}

#[test]
fn every_link_type_shows_its_packets() {
    for link in LINKS {
        for source in [&V4[..], &V6] {
            let shape = Shape::plain(link, source);
            let frame = shape.build();
            let sighting = sight(link, &frame, 9).unwrap();
            assert_eq!(sighting.interface, 9);
            assert_eq!(sighting.port(), Port { protocol: Protocol::Tcp, number: 22 });
            assert!(sighting.is_initial_syn());
            let expected: IpAddr = match <[u8; 4]>::try_from(source) {
                Ok(v4) => v4.into(),
                Err(_) => V6.into(),
            };
            assert_eq!(sighting.source, expected);
        }
    }
}

#[test]
fn up_to_two_tags_are_looked_behind() {
    for tags in [vec![0x8100], vec![0x88a8, 0x8100], vec![0x9100, 0x9100]] {
        assert_eq!(reason(&Shape { tags, ..plain() }), None);
    }
    assert_eq!(reason(&Shape { tags: vec![0x8100; 3], ..plain() }), Some(Reason::Foreign));
}

#[test]
fn ppp_is_read_with_its_address_and_control_field_and_without() {
    let packets = [V4.to_vec(), V6.to_vec()].map(|source| Shape::plain(Link::Raw, &source));
    for (packet, number) in packets.iter().zip([0x21, 0x57]) {
        for header in [&[0xff, 3, 0, number][..], &[0, number]] {
            let frame = [header, &packet.build()].concat();
            assert!(sight(Link::Ppp, &frame, 1).unwrap().is_initial_syn());
        }
    }
}

#[test]
fn ppp_s_own_protocols_and_cisco_s_framing_are_foreign() {
    let packet = Shape::plain(Link::Raw, &V4).build();
    for header in [[0xff, 3, 0xc0, 0x21], [0xff, 3, 0xff, 3], [0x0f, 0, 8, 0]] {
        let frame = [&header, &packet[..]].concat();
        assert_eq!(sight(Link::Ppp, &frame, 1).err(), Some(Reason::Foreign));
    }
    for frame in [&[][..], &[0xff], &[0xff, 3], &[0xff, 3, 0]] {
        assert_eq!(sight(Link::Ppp, frame, 1).err(), Some(Reason::Truncated));
    }
}

#[test]
fn pflog_headers_of_every_system_are_taken_off() {
    for pflog in [61, 64, 69, 72, 100] {
        assert_eq!(reason(&Shape { pflog, ..Shape::plain(Link::Pflog, &V6) }), None);
    }
    let short = Shape { pflog: 8, ..Shape::plain(Link::Pflog, &V4) };
    assert_eq!(reason(&short), Some(Reason::Malformed));
}

#[test]
fn a_datagram_ends_where_ip_says_and_padding_is_no_payload() {
    let shape = Shape { transport: 17, payload: 8, padding: 30, options: 3, ..plain() };
    let frame = shape.build();
    let Segment::Udp { payload, source_port, port } =
        sight(Link::Ethernet, &frame, 1).unwrap().segment
    else {
        panic!("not UDP");
    };
    assert_eq!((payload, source_port, port), (&[0xa5; 8][..], 40000, 22));
}

#[test]
fn the_smallest_change_of_the_udp_length_is_malformed() {
    for udp_lie in [-1, 1, -8] {
        let shape = Shape { transport: 17, payload: 0, udp_lie, padding: 9, ..plain() };
        assert_eq!(reason(&shape), Some(Reason::Malformed));
    }
}

#[test]
fn a_frame_cut_anywhere_shows_nothing() {
    for source in [&V4[..], &V6] {
        let shape = Shape { payload: 5, ..Shape::plain(Link::Ethernet, source) };
        let frame = shape.build();
        for length in 0..frame.len() {
            let result = sight(Link::Ethernet, &frame[..length], 1);
            assert_eq!(result.err(), Some(Reason::Truncated), "{length}");
        }
    }
}

#[test]
fn fragments_of_either_family_are_distinguished() {
    for fragment in [0x2000, 1, 0x1fff] {
        assert_eq!(reason(&Shape { fragment, ..plain() }), Some(Reason::Fragment));
    }
    assert_eq!(reason(&Shape { fragment: 0x4000, ..plain() }), None, "don't fragment");
    let v6 = Shape { fragment: 1, ..Shape::plain(Link::Ethernet, &V6) };
    assert_eq!(reason(&v6), Some(Reason::Fragment), "an atomic one too");
}

#[test]
fn four_extension_headers_are_walked_over_and_no_more() {
    let with = |count| Shape {
        extensions: [(0, 0), (43, 2), (60, 1), (60, 0), (60, 0)][..count].to_vec(),
        ..Shape::plain(Link::Ethernet, &V6)
    };
    for count in 0..=4 {
        assert_eq!(reason(&with(count)), None);
    }
    assert_eq!(reason(&with(5)), Some(Reason::Foreign));
}

#[test]
fn lengths_and_versions_that_contradict_are_malformed() {
    let mut frame = plain().build();
    frame[14] = 0x65;
    assert_eq!(sight(Link::Ethernet, &frame, 1).err(), Some(Reason::Malformed));
    frame[14] = 0x44;
    assert_eq!(sight(Link::Ethernet, &frame, 1).err(), Some(Reason::Malformed));
    for data_offset in [0, 4, 6, 15] {
        assert_eq!(reason(&Shape { data_offset, ..plain() }), Some(Reason::Malformed));
    }
    assert_eq!(reason(&Shape { ip_lie: -25, ..plain() }), Some(Reason::Malformed));
    assert_eq!(reason(&Shape { ip_lie: 1, ..plain() }), Some(Reason::Truncated));
    let jumbo = Shape { ip_lie: -20, ..Shape::plain(Link::Ethernet, &V6) };
    assert_eq!(reason(&jumbo), Some(Reason::Malformed));
}

#[test]
fn other_protocols_are_foreign() {
    for transport in [1, 58, 50, 51, 59, 132] {
        assert_eq!(reason(&Shape { transport, ..plain() }), Some(Reason::Foreign));
        let v6 = Shape { transport, ..Shape::plain(Link::Raw, &V6) };
        assert_eq!(reason(&v6), Some(Reason::Foreign));
    }
}

#[test]
fn sources_that_are_no_host_are_refused_and_loopback_is_left_to_the_gate() {
    let from = |address: &str| match address.parse().unwrap() {
        IpAddr::V4(v4) => reason(&Shape::plain(Link::Raw, &v4.octets())),
        IpAddr::V6(v6) => reason(&Shape::plain(Link::Raw, &v6.octets())),
    };
    for address in [
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.1.1",
        "::",
        "ff02::1",
        "fe80::1",
        "::ffff:198.51.100.7",
        "::ffff:127.0.0.1",
    ] {
        assert_eq!(from(address), Some(Reason::Source), "{address}");
    }
    for address in ["127.0.0.1", "::1", "10.0.0.1", "fd00::1"] {
        assert_eq!(from(address), None, "{address}");
    }
}
