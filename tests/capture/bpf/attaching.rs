//! A descriptor is made ready in the one order that leaks nothing.

use std::io;

use knockd::capture::bpf::attach::{self, attach};
use knockd::capture::filter::{Direction, Program, compile};
use knockd::core::interest::{Interest, Packets, Ports};
use knockd::core::link::Link;
use knockd::core::sighting::Protocol;
use nix::libc;

use super::abi;
use super::fake::{Bpf, REJECT, System};

const ETHERNET: u32 = 1;

fn program(link: Link) -> Program {
    let interest = Interest {
        protocol: Protocol::Udp,
        ports: Ports::Of(vec![62_201]),
        packets: Packets::All,
    };
    compile(link, &[interest], Direction::Both)
}

/// Attaches a fresh descriptor to an interface of this link type.
fn attached(system: System, number: u32, loopback: bool) -> (Bpf, io::Result<Link>) {
    let mut bpf = Bpf::new(system, number);
    let link = attach(&mut bpf, abi(system), "em0", loopback, program);
    (bpf, link)
}

#[test]
fn nothing_passes_before_the_filter_nothing_goes_out_and_nothing_changes_after() {
    for system in System::ALL {
        let (bpf, link) = attached(system, ETHERNET, false);
        assert_eq!(link.unwrap(), Link::Ethernet);
        assert!(bpf.attached && bpf.immediate && !bpf.leaked, "{system:?}");
        let expected: Vec<u8> = program(Link::Ethernet)
            .instructions()
            .iter()
            .flat_map(|i| {
                let (code, k) = (i.code.to_ne_bytes(), i.k.to_ne_bytes());
                [code[0], code[1], i.jt, i.jf, k[0], k[1], k[2], k[3]]
            })
            .collect();
        assert_eq!(bpf.filter, Some(expected));
        if system == System::MacOs {
            assert!(!bpf.locked && bpf.write_filter.is_none(), "macOS has neither");
        } else {
            assert!(bpf.locked, "{system:?}");
            assert_eq!(bpf.write_filter.as_deref(), Some(&REJECT[..]));
        }
    }
}

#[test]
fn only_what_comes_in_is_seen_but_on_loopback_and_pflog_where_it_is_needed() {
    let pflog = 117;
    for (system, incoming, all, loopback) in [
        (System::FreeBsd, 0, 1, 0),
        (System::FreeBsd32, 0, 1, 0),
        (System::FreeBsdI386, 0, 1, 0),
        // The bits of what is dropped.
        (System::OpenBsd, 2, 0, 0),
        // Whether what is sent is seen.
        (System::MacOs, 0, 1, 1),
    ] {
        assert_eq!(attached(system, ETHERNET, false).0.direction, Some(incoming));
        assert_eq!(attached(system, 0, true).0.direction, Some(loopback), "{system:?}");
        assert_eq!(attached(system, pflog, false).0.direction, Some(all));
    }
}

#[test]
fn link_types_are_known_by_each_system_s_own_number() {
    for (system, raw, loopback) in [
        (System::FreeBsd, 12, 108),
        (System::FreeBsd32, 12, 108),
        (System::FreeBsdI386, 12, 108),
        (System::OpenBsd, 14, 12),
        (System::MacOs, 12, 108),
    ] {
        for (number, link) in [
            (0, Link::Null),
            (1, Link::Ethernet),
            (9, Link::Ppp),
            (raw, Link::Raw),
            (loopback, Link::Loop),
            (117, Link::Pflog),
        ] {
            assert_eq!(attached(system, number, false).1.unwrap(), link, "{system:?} {number}");
        }
        let (bpf, link) = attached(system, 127, false);
        let error = link.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("em0 has link type 127"), "{error}");
        assert_eq!(bpf.filter.as_deref(), Some(&REJECT[..]), "still nothing passes");
    }
}

#[test]
fn an_absent_interface_is_reported_as_such() {
    for system in System::ALL {
        for name in ["em1", "a-name-that-no-interface-has", "em\0"] {
            let error = attach(&mut Bpf::new(system, 1), abi(system), name, false, program)
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        }
    }
}

#[test]
fn the_buffer_is_as_long_as_the_system_says_not_as_we_asked() {
    for system in System::ALL {
        let mut bpf = Bpf::new(system, 1);
        bpf.most = 32_768;
        attach(&mut bpf, abi(system), "em0", false, program).unwrap();
        assert_eq!(attach::buffer_length(&mut bpf, abi(system)).unwrap(), 32_768);
        bpf.dropped = 7;
        assert_eq!(attach::dropped(&mut bpf, abi(system)).unwrap(), 7);
    }
}
