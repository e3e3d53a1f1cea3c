//! Frames that real hosts do not send, or that are captured twice.

use std::net::{IpAddr, UdpSocket};

use crate::needs;
use crate::net::frames::{Injector, TCP, UDP, packet, syn, udp};
use crate::net::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A datagram that opens door web, from `source`.
fn knock(source: &str) -> Vec<u8> {
    let server = if source.contains(':') { SERVER6 } else { SERVER4 };
    packet(ip(source), ip(server), UDP, &udp(9, &[0; 32]))
}

/// A frame with some bytes overwritten.
fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// Frames that would open a door if a check of the parser were missing.
fn bad_frames() -> Vec<(&'static str, Vec<u8>)> {
    let (v4, v6) = (|| knock("192.0.2.66"), || knock("2001:db8::66"));
    let fragment_header = [UDP, 0, 0, 1, 0, 0, 0, 7];
    let whole = [&[UDP, 0, 0, 0, 0, 0, 0, 7][..], &udp(9, &[])].concat();
    let first = [&fragment_header[..], &udp(9, &[])].concat();
    let over_v6 = |next, payload: &[u8]| packet(ip("2001:db8::66"), ip(SERVER6), next, payload);
    let shortened = |mut frame: Vec<u8>| {
        frame.truncate(frame.len() - 1);
        frame
    };
    vec![
        ("the first fragment", with(v4(), 20, &[0x20, 0])),
        ("a later fragment", with(v4(), 20, &[0, 1])),
        ("the first fragment over IPv6", over_v6(44, &first)),
        ("a whole packet in a fragment header", over_v6(44, &whole)),
        ("a truncated IPv4 packet", shortened(v4())),
        ("a truncated IPv6 packet", shortened(v6())),
        ("a frame that ends in the UDP header", v4()[..38].to_vec()),
        ("an IPv4 header of four words", with(v4(), 14, &[0x44])),
        ("an IPv4 length below the header's", with(v4(), 16, &[0, 19])),
        ("a UDP length beyond the packet", with(v4(), 38, &[0, 90])),
        ("a UDP length below the packet's", with(v4(), 38, &[0, 20])),
        ("IPv6 in a frame for IPv4", with(v6(), 12, &[0x08, 0])),
        ("version 5", with(v4(), 14, &[0x55])),
        ("an unspecified source", knock("0.0.0.0")),
        ("a loopback source", knock("127.0.0.1")),
        ("a multicast source", knock("224.0.0.1")),
        ("a broadcast source", knock("255.255.255.255")),
        ("an unspecified IPv6 source", knock("::")),
        ("an IPv6 loopback source", knock("::1")),
        ("a link-local source", knock("fe80::66")),
        ("an IPv6 multicast source", knock("ff02::1")),
        ("a mapped source", knock("::ffff:192.0.2.66")),
    ]
}

#[test]
fn malformed_frames_open_nothing() {
    needs!(root);
    let lab = Lab::new();
    let plan = Plan { span: "60s", sequences: furnish::MARK, ..Plan::default() };
    let daemon = lab.daemon(&plan.furnish(&lab));
    let wire = Injector::on(&lab.client);
    for (what, frame) in bad_frames() {
        wire.send(&frame);
        lab.mark(&daemon);
        let opened = daemon.count("door web opened") - daemon.count(" for 198.18.");
        assert_eq!(opened, 0, "{what}");
    }
    // The unchanged frames do open a door.
    for source in ["192.0.2.66", "2001:db8::66"] {
        wire.send(&knock(source));
        daemon.expect(&format!("door web opened for {source} "));
    }
    let lines = daemon.stop();
    assert!(!lines.iter().any(|line| line.contains("dropped")), "{lines:#?}");
}

#[test]
fn a_tagged_knock_is_seen() {
    needs!(root);
    let lab = Lab::new();
    let plan = Plan { span: "60s", sequences: furnish::MARK, ..Plan::default() };
    let daemon = lab.daemon(&plan.furnish(&lab));
    let wire = Injector::on(&lab.client);
    // 802.1Q, and that in 802.1ad.
    let tags: [&[u8]; 2] = [&[0x81, 0, 0, 5], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5]];
    for (number, tags) in (66..).zip(tags) {
        let source = format!("192.0.2.{number}");
        let frame = knock(&source);
        wire.send(&[&frame[..12], tags, &frame[12..]].concat());
        daemon.expect(&format!("door web opened for {source} "));
    }
}

/// Adds an interface above the server's eth0, so that a packet is captured twice:
/// a bridge, or a VLAN if the kernel supports it. Returns the server's
/// and the client's addresses there.
fn put_on_top(lab: &Lab, kind: &str) -> Option<(&'static str, &'static str)> {
    if kind == "bridge" {
        lab.server.ip(&["link", "add", "top0", "type", "bridge"]);
        lab.server.ip(&["link", "set", "eth0", "master", "top0"]);
        lab.server.ip(&["address", "flush", "dev", "eth0"]);
        lab.server.ip(&["link", "set", "top0", "up"]);
        lab.server.add_address(SERVER4, "top0");
        return Some((SERVER4, CLIENT4));
    }
    let addresses = ("198.51.100.1", "198.51.100.100");
    for (host, address) in [(&lab.server, addresses.0), (&lab.client, addresses.1)] {
        let mut add = host.command("ip");
        add.args(["link", "add", "link", "eth0", "name", "top0", "type", "vlan", "id", "5"]);
        let is_added = add.output().unwrap().status.success();
        if !needs::system(is_added, "VLAN interfaces") {
            return None;
        }
        host.ip(&["link", "set", "top0", "up"]);
        host.add_address(address, "top0");
    }
    Some(addresses)
}

#[test]
fn a_packet_captured_on_two_interfaces_counts_once() {
    needs!(root);
    for kind in ["bridge", "vlan"] {
        for interfaces in [r#""eth0""#, r#""top0""#, r#""eth0", "top0""#] {
            let lab = Lab::new();
            let Some((server, client)) = put_on_top(&lab, kind) else { break };
            let both = usize::from(interfaces.contains(','));
            let interfaces = format!("interfaces: [{interfaces}]");
            let plan = Plan { interfaces: &interfaces, ..Plan::default() };
            let daemon = lab.start(&plan.furnish(&lab), &["-v"]);
            daemon.ready();
            // Slowly, so that each is read before the next is sent.
            let knocks = ["-d", "100", server, "7000", "9000:udp", "8000"];
            assert!(lab.knock(&knocks).status.success());
            daemon.expect(&format!("door web opened for {client} by a sequence"));
            lab.client.enter(|| {
                let socket = UdpSocket::bind((client, 0)).unwrap();
                socket.send_to(&lab.token("bob", client), (server, SPA_PORT)).unwrap();
            });
            daemon.expect(&format!("door ssh opened for {client} by bob"));
            daemon.expect("door ssh closed");
            let lines = daemon.stop();
            let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
            assert_eq!((count("opened"), count("extended")), (2, 0), "{lines:#?}");
            assert_eq!(count("2 duplicate"), both, "{lines:#?}");
            let line = format!("in the name of bob from {client} refused, duplicate");
            assert_eq!(count(&line), both, "{lines:#?}");
            assert_eq!(count("replayed"), 0, "{lines:#?}");
        }
    }
}

#[test]
fn spoofed_segments_of_others_do_not_disturb_a_knock() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    let wire = Injector::on(&lab.client);
    let segment = |source: &str, port| packet(ip(source), ip(SERVER4), TCP, &syn(port, 1));
    for (step, number) in (0_u8..).zip([7000_u16, 9000, 8000]) {
        for other in 0..20 {
            let source = format!("203.0.113.{other}");
            wire.send(&segment(&source, number.wrapping_add(step.into())));
            wire.send(&segment(&source, 1));
        }
        if number == 9000 {
            wire.send(&packet(ip(CLIENT4), ip(SERVER4), UDP, &udp(9000, &[])));
        } else {
            wire.send(&segment(CLIENT4, number));
        }
    }
    daemon.expect("door web opened for 192.0.2.100");
}
