//! A daemon that is flooded closes doors on time, lets its users in and does
//! not grow. What the packets cost the core alone is measured elsewhere.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::net::frames::{Injector, TCP, UDP, packet, syn, udp};
use crate::net::*;
use knockd::core::door::Table;
use knockd::firewall::Firewall;
use knockd::firewall::nft::Nft;

/// At most so many packets, half of each kind.
const PACKETS: u32 = 300_000;
/// So many of them in a hundredth of a second. Without optimisation that is
/// several times what the daemon can read.
const BATCH: u32 = 300;
/// More memory than this the daemon never has, in kB.
const MOST_MEMORY: u64 = 64 * 1024;
/// On an idle machine a lease ends within 100 ms. Here the flood itself takes
/// as much of the processor as the daemon gets, and it reads up to 256 frames
/// between two looks at the clock.
const LATEST: Duration = Duration::from_millis(500);
/// How often a user knocks until the door opens.
const TRIES: u32 = 20;

/// Garbage as long as `token` that repeats its nonce and mark, and first knocks
/// from everywhere.
fn flood(wire: &Injector, token: &[u8], ends: &AtomicBool) -> u32 {
    let server: IpAddr = SERVER4.parse().unwrap();
    let (mut sent, started) = (0, Instant::now());
    while sent < PACKETS && !ends.load(Ordering::Relaxed) {
        let source = Ipv4Addr::from_bits(0x0b00_0000 | sent.wrapping_mul(0x9e37_79b1) >> 8);
        let mut garbage = token.to_vec();
        garbage[16..].fill(source.octets()[3]);
        wire.send(&packet(source.into(), server, UDP, &udp(SPA_PORT, &garbage)));
        wire.send(&packet(source.into(), server, TCP, &syn(7000, sent)));
        sent += 2;
        if sent % BATCH == 0 {
            let due = started + Duration::from_millis((sent / BATCH * 10).into());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    sent
}

/// Sends fresh tokens until one opens the door; says how many that took.
fn get_in(lab: &Lab, daemon: &Daemon) -> u32 {
    for tries in 1..=TRIES {
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        if daemon.expect_within("door ssh opened", Duration::from_millis(250)).is_some() {
            return tries;
        }
    }
    panic!("{TRIES} tokens did not open the door");
}

#[test]
fn a_flood_delays_no_end_keeps_no_user_out_and_takes_no_memory() {
    needs!(root);
    let _alone = crate::alone();
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    let token = lab.token("bob", CLIENT4);
    let wire = Injector::on(&lab.client);
    let ends = AtomicBool::new(false);
    let table = Table { anchor: None, name: "knock_ssh".into() };
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&wire, &token, &ends));
        let before = Instant::now();
        let tries = get_in(&lab, &daemon);
        let opened = Instant::now();
        let gone = lab.server.enter(|| {
            let mut nft = Nft::open("filter").unwrap();
            until("an empty table", || nft.list(&table).unwrap().is_empty())
        });
        assert!(!flooding.is_finished(), "the flood ended too soon to say anything");
        ends.store(true, Ordering::Relaxed);
        let sent = flooding.join().unwrap();
        let late = gone.saturating_duration_since(opened + Duration::from_secs(2));
        println!("in at try {tries}, closed {late:?} late, {sent} packets");
        assert!(gone >= before + Duration::from_secs(2), "closed early");
        assert!(late <= LATEST, "closed {late:?} late");
    });
    let most = daemon.status("VmHWM");
    println!("{most} kB");
    assert!(most <= MOST_MEMORY, "{most} kB");
    // And when it is over, the first token gets in.
    lab.send(CLIENT6, &lab.token("bob", CLIENT6));
    daemon.expect("door ssh opened for 2001:db8::100 by bob");
}
