//! What leaves the machine, over one family and over both.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use knockd::client::key::ed25519::Ed25519;
use knockd::core::token::Wanted;

use super::home::{Home, SEED, opened};
use super::wire::{FAR, FAR_NAME, NEAR, Packet, on_a_wire, run};

const SYN: u8 = 0x02;

fn syn(to: &str, port: u16) -> Packet {
    Packet::Tcp { to: to.parse().unwrap(), port, flags: SYN }
}

fn empty(index: usize, port: u16) -> Packet {
    let [from, to] = [NEAR[index], FAR[index]].map(|text| text.parse().unwrap());
    Packet::Udp { from, to, port, payload: Vec::new() }
}

/// The source of each token seen, and whom it asks for.
fn tokens(packets: Vec<Packet>) -> Vec<(IpAddr, Wanted)> {
    packets
        .into_iter()
        .map(|packet| {
            let Packet::Udp { from, port: 40123, payload, .. } = packet else {
                panic!("{packet:?} is no token")
            };
            let body = opened(&payload, &Ed25519::new(&SEED));
            (from, body.decode().unwrap().wanted)
        })
        .collect()
}

fn home_of_gw1() -> Home {
    let home = Home::with_keys();
    home.write_host(FAR_NAME, 40123, "key: \"id.key\"");
    home
}

#[test]
fn a_sequence_leaves_in_order_as_bare_syns_and_empty_datagrams() {
    on_a_wire(|wire| {
        for (index, far) in FAR.into_iter().enumerate() {
            Home::empty().knock(&format!("{far} 8000 7000:udp 9000 8000")).nothing();
            let expected = [syn(far, 8000), empty(index, 7000), syn(far, 9000), syn(far, 8000)];
            assert_eq!(wire.seen(), expected);
        }
    });
}

#[test]
fn an_unanswered_syn_is_not_sent_again() {
    on_a_wire(|wire| {
        // The system would send it again after one second.
        Home::empty().knock("-d 1500 192.0.2.1 7000 8000").nothing();
        assert_eq!(wire.seen(), [syn(FAR[0], 7000), syn(FAR[0], 8000)]);
    });
}

#[test]
fn a_sequence_goes_to_one_address_of_each_family() {
    on_a_wire(|wire| {
        let sent = |options: &str| {
            Home::empty().knock(&format!("{options} {FAR_NAME} 7000 8000")).nothing();
            wire.seen()
        };
        let [v4, v6] = FAR.map(|far| [syn(far, 7000), syn(far, 8000)]);
        assert_eq!(sent("-4"), v4);
        assert_eq!(sent("-6"), v6);
        let both = sent("");
        assert!(both == [v4.clone(), v6.clone()].concat() || both == [v6, v4].concat());
    });
}

#[test]
fn each_family_gets_a_token_for_the_address_it_is_sent_from() {
    on_a_wire(|wire| {
        let home = home_of_gw1();
        let [v4, v6] = NEAR.map(|near| {
            let near = near.parse().unwrap();
            (near, Wanted::Address(near))
        });
        home.knock("-4 gw1 ssh").nothing();
        assert_eq!(tokens(wire.seen()), [v4]);
        home.knock("-6 gw1 ssh").nothing();
        assert_eq!(tokens(wire.seen()), [v6]);
        home.knock("gw1 ssh").nothing();
        let both = tokens(wire.seen());
        assert!(both == [v4, v6] || both == [v6, v4], "{both:?}");
    });
}

#[test]
fn one_family_without_a_way_is_a_warning_on_demand() {
    on_a_wire(|wire| {
        let home = home_of_gw1();
        run("ip route add unreachable 2001:db8::1/128");
        home.knock("gw1 ssh").nothing();
        assert_eq!(tokens(wire.seen()).len(), 1);
        let said = home.knock("-v gw1 ssh");
        assert_eq!(said.code, Some(0));
        assert_eq!(said.out.lines().count(), 1);
        assert!(said.err.starts_with("knock: cannot send to [2001:db8::1]:40123: "));

        home.knock(&format!("{FAR_NAME} 7000 8000")).nothing();
        assert_eq!(wire.seen().len(), 3);
    });
}

#[test]
fn no_family_with_a_way_is_a_failure() {
    on_a_wire(|wire| {
        let home = home_of_gw1();
        run("ip link set knock0 down");
        for line in ["gw1 ssh", &format!("{FAR_NAME} 7000"), &format!("-u {FAR_NAME} 7000")] {
            let said = home.knock(line);
            assert_eq!((said.code, &*said.out), (Some(1), ""), "{line}");
            assert_eq!(said.err.lines().count(), 2, "{}", said.err);
        }
        assert_eq!(wire.seen(), []);
    });
}

#[test]
fn a_link_local_address_is_not_asked_for() {
    on_a_wire(|wire| {
        let home = Home::with_keys();
        home.write_host("fe80::1%knock0", 40123, "key: \"id.key\"");
        run("ip address add fe80::2/64 dev knock0 nodad");
        let said = home.knock("gw1 ssh");
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains("no door opens for fe80::"), "{}", said.err);
        assert_eq!(wire.seen(), []);
    });
}
