//! Capture on real interfaces. A frame sent over a veth is in the other
//! end's queue before sending returns or shortly after, so tests end with a
//! frame that marks the end, and wait for it.

use knockd::capture::filter::{Direction, compile};
use knockd::capture::frame::sight;
use knockd::capture::system::egress;
use knockd::capture::{Capture, Change, Frames};
use knockd::core::interest::{Interest, Packets, Ports};
use knockd::core::interface::{Selection, Selector};
use knockd::core::link::Link;
use knockd::core::sighting::Protocol;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::bpf_vm::passes;
use crate::frames::{Shape, forms, frame};
use crate::network::{Network, Sender, wait};

const HOST: [u8; 4] = [198, 51, 100, 7];
/// Only marks go there.
const MARK_PORT: u16 = 4;

fn on(name: &str) -> Vec<Selection> {
    vec![Selection { selector: Selector::Name(name.to_owned()), required: true }]
}

fn of(protocol: Protocol, ports: &[u16], packets: Packets) -> Interest {
    Interest { protocol, ports: Ports::Of(ports.to_vec()), packets }
}

fn knocks() -> Vec<Interest> {
    vec![
        of(Protocol::Tcp, &[MARK_PORT, 22, 443, 7000], Packets::INITIAL_SYN),
        of(Protocol::Tcp, &[8000], Packets::All),
        of(Protocol::Udp, &[53], Packets::All),
        of(Protocol::Udp, &[9000], Packets::Tokens(forms().to_vec())),
        of(Protocol::Udp, &[9000], Packets::Lengths(vec![8])),
    ]
}

fn knock(port: u16) -> Vec<u8> {
    Shape { port, ..Shape::plain(Link::Ethernet, &HOST) }.build()
}

fn attached(id: u32) -> Change {
    Change::Attached { id, name: "far".to_owned() }
}

fn lost(id: u32) -> Change {
    Change::Lost { id, name: "far".to_owned() }
}

/// Frames up to the mark, without it.
fn until_mark(capture: &Capture) -> Vec<Vec<u8>> {
    let mut reading = Frames::of(capture).unwrap();
    let mark = knock(MARK_PORT);
    let mut frames = Vec::new();
    while frames.last() != Some(&mark) {
        wait(&reading.fds().next().unwrap());
        let failed = reading.read(64, |frame, link, _| {
            assert_eq!(link, Link::Ethernet);
            frames.push(frame.to_vec());
        });
        assert!(failed.is_empty());
    }
    frames.pop();
    frames
}

/// The kernel moves the outer tag from the frame to its metadata. `None`: it
/// drops frames that end in the middle of it.
fn as_delivered(mut frame: Vec<u8>) -> Option<Vec<u8>> {
    if matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8])) {
        if frame.len() < 20 {
            return None;
        }
        frame.drain(12..16);
    }
    Some(frame)
}

#[test]
fn the_kernel_delivers_what_the_interpreter_says() {
    Network::run(|network| {
        network.cable("near", "far");
        let (mut capture, _) = Capture::new(on("far"), knocks()).unwrap();
        let sender = Sender::new("near");
        let program = compile(Link::Ethernet, &knocks(), Direction::Incoming);
        let frames = frame().prop_filter("any other link", |(link, frame)| {
            *link == Link::Ethernet && frame.len() >= 14
        });
        let mut runner = TestRunner::deterministic();
        let mut delivered = 0;
        for _ in 0..20 {
            let mut expected = Vec::new();
            for _ in 0..100 {
                let frame = frames.new_tree(&mut runner).unwrap().current().1;
                sender.send(&frame);
                let frame = as_delivered(frame).filter(|frame| passes(&program, frame));
                expected.extend(frame);
            }
            sender.send(&knock(MARK_PORT));
            // Not assert_eq: it would print every byte.
            assert!(until_mark(&capture) == expected);
            delivered += expected.len();
        }
        assert!(delivered > 100, "too few frames passed to say anything: {delivered}");
        assert_eq!(capture.dropped(), 0);
    });
}

#[test]
fn packets_that_go_out_are_not_seen() {
    Network::run(|network| {
        network.cable("near", "far");
        let (capture, _) = Capture::new(on("far"), knocks()).unwrap();
        Sender::new("far").send(&knock(22));
        Sender::new("near").send(&knock(443));
        Sender::new("near").send(&knock(MARK_PORT));
        assert_eq!(until_mark(&capture), [knock(443)]);
    });
}

#[test]
fn tagged_packets_are_seen_with_one_tag_or_two() {
    Network::run(|network| {
        network.cable("near", "far");
        let (capture, _) = Capture::new(on("far"), knocks()).unwrap();
        let sender = Sender::new("near");
        for tags in [vec![0x8100], vec![0x88a8, 0x8100], vec![0x9100, 0x8100]] {
            let shape = Shape { tags, ..Shape::plain(Link::Ethernet, &HOST) };
            sender.send(&shape.build());
        }
        sender.send(&knock(MARK_PORT));
        let frames = until_mark(&capture);
        assert_eq!(frames.len(), 3);
        for frame in frames {
            assert!(sight(Link::Ethernet, &frame, 1).unwrap().is_initial_syn());
        }
    });
}

#[test]
fn an_interface_that_goes_and_comes_back_is_lost_and_attached_again() {
    Network::run(|network| {
        network.cable("near", "far");
        let (mut capture, changes) = Capture::new(on("far"), knocks()).unwrap();
        let attached = attached(0);
        assert_eq!(changes, std::slice::from_ref(&attached));
        assert_eq!(capture.refresh(), [], "reported once");

        network.ip("link del near");
        let changes =
            refresh_until(&mut capture, |change| matches!(change, Change::Lost { .. }));
        assert_eq!(changes[0], lost(0));
        assert_eq!(capture.attached().count(), 0);

        network.cable("near", "far");
        refresh_until(&mut capture, |change| *change == self::attached(1));
        Sender::new("near").send(&knock(22));
        Sender::new("near").send(&knock(MARK_PORT));
        assert_eq!(until_mark(&capture), [knock(22)]);
    });
}

/// Follows the watch descriptor until a change of the wanted kind.
fn refresh_until(capture: &mut Capture, wanted: impl Fn(&Change) -> bool) -> Vec<Change> {
    let mut changes = capture.refresh();
    while !changes.iter().any(&wanted) {
        wait(&capture.watch());
        changes.extend(capture.refresh());
    }
    changes
}

#[test]
fn an_interface_that_went_down_is_noticed_by_reading_too() {
    Network::run(|network| {
        network.cable("near", "far");
        let (mut capture, _) = Capture::new(on("far"), knocks()).unwrap();
        network.ip("link set far down");
        network.ip("link set far up");
        let mut reading = Frames::of(&capture).unwrap();
        wait(&reading.fds().next().unwrap());
        let failed = reading.read(64, |_, _, _| panic!("a frame"));
        assert_eq!(failed, [0]);
        assert_eq!(reading.fds().count(), 0);
        assert_eq!(capture.failed(0), [lost(0), attached(1)]);
        assert_eq!(capture.failed(0), [], "of what is gone already");
    });
}

#[test]
fn the_filter_cannot_be_taken_off() {
    use nix::libc;
    use std::os::fd::AsRawFd;
    Network::run(|network| {
        network.cable("near", "far");
        let (capture, _) = Capture::new(on("far"), knocks()).unwrap();
        let fd = capture.attached().next().unwrap().fd;
        let error = knockd::sys::linux::packet_socket::attach_filter(
            fd,
            &[libc::sock_filter { code: 6, jt: 0, jf: 0, k: u32::MAX }],
        );
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EPERM));
        let flags = nix::fcntl::fcntl(fd, nix::fcntl::F_GETFD).unwrap();
        assert_ne!(flags & libc::FD_CLOEXEC, 0, "{}", fd.as_raw_fd());
    });
}

#[test]
fn frames_that_nobody_reads_in_time_are_counted() {
    Network::run(|network| {
        network.cable("near", "far");
        let (mut capture, _) = Capture::new(on("far"), knocks()).unwrap();
        let sender = Sender::new("near");
        let long =
            Shape { payload: 1400, port: 8000, ..Shape::plain(Link::Ethernet, &HOST) }.build();
        for _ in 0..10_000 {
            sender.send(&long);
        }
        let dropped = capture.dropped();
        let (mut read, mut reading) = (0, Frames::of(&capture).unwrap());
        while read < 10_000 - dropped {
            wait(&reading.fds().next().unwrap());
            reading.read(2, |_, _, _| read += 1);
        }
        assert!(dropped > 0);
        assert_eq!(capture.dropped(), dropped, "asking twice counts once");
    });
}

#[test]
fn what_is_required_and_missing_is_an_error_and_what_is_optional_is_waited_for() {
    Network::run(|network| {
        let error = Capture::new(on("late"), knocks()).err().unwrap().to_string();
        assert_eq!(error, "cannot capture on late: there is no such interface");
        let optional = vec![
            Selection { selector: Selector::Name("late".to_owned()), required: false },
            Selection { selector: Selector::Egress, required: false },
        ];
        let (mut capture, changes) = Capture::new(optional, knocks()).unwrap();
        assert!(matches!(&changes[..], [Change::Waiting { .. }, Change::Waiting { .. }]));
        network.cable("near", "late");
        refresh_until(
            &mut capture,
            |change| matches!(change, Change::Attached { name, .. } if name == "late"),
        );
        network.ip("addr add 192.0.2.1/24 dev near");
        network.ip("route add default via 192.0.2.2 dev near");
        refresh_until(
            &mut capture,
            |change| matches!(change, Change::Attached { name, .. } if name == "near"),
        );
        network.ip("route del default");
        refresh_until(
            &mut capture,
            |change| matches!(change, Change::Lost { name, .. } if name == "near"),
        );
    });
}

#[test]
fn egress_takes_every_hop_of_every_default_route() {
    Network::run(|network| {
        for (number, name) in ["eth0", "eth1", "eth2", "eth3", "eth4"].iter().enumerate() {
            network.cable(name, &format!("peer{number}"));
            network.ip(&format!("addr add 192.0.2.{}/28 dev {name}", 16 * number + 1));
            network.ip(&format!("-6 addr add fd00:{number}::1/64 dev {name} nodad"));
        }
        network.ip("route add default nexthop via 192.0.2.2 nexthop via 192.0.2.18");
        assert_eq!(egress().unwrap(), ["eth0", "eth1"], "a multipath route");
        network.ip("route add default via 192.0.2.34 metric 100");
        assert_eq!(egress().unwrap(), ["eth0", "eth1", "eth2"], "a second route");
        network.ip("nexthop add id 1 via 192.0.2.50 dev eth3");
        network.ip("nexthop add id 2 via 192.0.2.2 dev eth0");
        network.ip("nexthop add id 3 group 1/2");
        network.ip("route add default metric 200 nhid 3");
        assert_eq!(egress().unwrap(), ["eth0", "eth1", "eth2", "eth3"], "nexthop objects");
        network.ip("-6 route add default nexthop via fd00:3::2 nexthop via fd00:4::2");
        assert_eq!(egress().unwrap(), ["eth0", "eth1", "eth2", "eth3", "eth4"], "IPv6");
    });
}

#[test]
fn routes_that_lead_nowhere_or_not_everywhere_are_not_egress() {
    Network::run(|network| {
        network.cable("eth0", "peer0");
        network.ip("addr add 192.0.2.1/24 dev eth0");
        network.ip("-6 addr add fd00::1/64 dev eth0 nodad");
        for route in [
            "blackhole default",
            "unreachable default metric 9",
            "0.0.0.0/1 dev eth0",
            "default dev eth0 table 7",
        ] {
            network.ip(&format!("route add {route}"));
        }
        network.ip("-6 route add blackhole default");
        network.ip("-6 route add ::/96 dev eth0");
        network.ip("-6 route add default dev eth0 table 7");
        assert_eq!(egress().unwrap(), [""; 0]);
        // More routes than one datagram of the kernel holds.
        let routes: Vec<_> = (0..2000)
            .map(|n| format!("route add 10.{}.{}.0/24 dev eth0", n / 256, n % 256))
            .collect();
        network.ip_batch(&routes);
        assert_eq!(egress().unwrap(), [""; 0]);
        network.ip("route add default dev eth0 metric 99");
        assert_eq!(egress().unwrap(), ["eth0"]);
    });
}

#[test]
fn any_leaves_loopback_out_and_takes_what_has_no_hardware_address() {
    Network::run(|network| {
        network.ip("link set lo up");
        network.cable("near", "far");
        network.ip("tuntap add mode tun name tun7");
        network.ip("link set tun7 up");
        let any = vec![Selection { selector: Selector::Any, required: true }];
        let (capture, changes) = Capture::new(any, knocks()).unwrap();
        assert_eq!(capture.names(), ["far", "near", "tun7"]);
        assert_eq!(changes.len(), 3);
    });
}

#[test]
fn loopback_shows_a_packet_once_when_it_is_named() {
    Network::run(|network| {
        network.ip("link set lo up");
        let any_port = Interest {
            protocol: Protocol::Udp,
            ports: Ports::Of(vec![9000]),
            packets: Packets::Lengths(vec![3]),
        };
        let (capture, _) = Capture::new(on("lo"), vec![any_port]).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for payload in [&b"abc"[..], b"abcd", b"xyz"] {
            socket.send_to(payload, "127.0.0.1:9000").unwrap();
        }
        let mut payloads = Vec::new();
        let mut reading = Frames::of(&capture).unwrap();
        while !payloads.contains(&b"xyz".to_vec()) {
            wait(&reading.fds().next().unwrap());
            reading.read(64, |frame, link, _| {
                let sighting = sight(link, frame, 1).unwrap();
                if let knockd::core::sighting::Segment::Udp { payload, .. } = sighting.segment {
                    payloads.push(payload.to_vec());
                }
            });
        }
        assert_eq!(payloads, [b"abc", b"xyz"]);
    });
}
