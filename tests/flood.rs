//! Under a flood memory and work per packet stay bounded, and who is honest
//! gets in.
#![allow(clippy::unwrap_used, reason = "all input is the tests' own")]

#[path = "common/counting.rs"]
mod counting;
#[path = "common/policy.rs"]
mod policy;

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use knockd::core::door::Door;
use knockd::core::gate::Gate;
use knockd::core::lease::{Holder, LEASE_SIZE, LeaseKey, Leases};
use knockd::core::policy::Limits;
use knockd::core::reason::{Reason, Tally};
use knockd::core::sequence::{ATTEMPT_SIZE, Sequence};
use knockd::core::sighting::Sighting;
use knockd::core::slot::TableList;
use knockd::core::time::Now;
use policy::{
    Draft, Key, Parts, SPA_PORT, SSH, at, datagram, door, ip, mono, outcome, sequence, syn, tcp,
};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Without optimization a packet takes twenty times as long, a hash a hundred.
const FLOOD: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const TOKENS: u32 = if cfg!(debug_assertions) { 10_000 } else { 1_000_000 };
const ROOM: u32 = 10_000;

fn three() -> Sequence {
    sequence(&[tcp(7_000), tcp(9_000), tcp(8_000)])
}

fn gate(sequence: Sequence) -> Gate {
    let limits = Limits { max_leases: 10, max_attempts: ROOM };
    Parts { sequences: vec![sequence], limits, ..Parts::default() }.gate()
}

/// The `number`th of 2^32 sources; the order of numbers is not theirs.
fn scattered(number: u32) -> IpAddr {
    let bits = u128::from(number.wrapping_mul(0x9e37_79b1));
    IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | bits))
}

fn rising(number: u32) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(number)))
}

fn falling(number: u32) -> IpAddr {
    rising(u32::MAX - number)
}

fn reason(gate: &mut Gate, sighting: &Sighting<'_>, millis: u64) -> Option<Reason> {
    reason_at(gate, sighting, at(millis))
}

fn reason_at(gate: &mut Gate, sighting: &Sighting<'_>, now: Now) -> Option<Reason> {
    outcome(gate.judge(sighting, now)).err().map(|refusal| refusal.reason)
}

#[test]
fn a_flood_of_half_done_attempts_stays_within_the_stated_memory() {
    for source in [scattered, rising, falling] {
        let mut gate = gate(three());
        let before = counting::held();
        counting::forget_peak();
        for number in 0..FLOOD {
            let first = syn(source(number), 7_000, number);
            assert_eq!(
                reason(&mut gate, &first, u64::from(number / 1_000)),
                Some(Reason::Step)
            );
            if number % 3 == 0 {
                let second = syn(source(number), 9_000, number);
                let judged = reason(&mut gate, &second, u64::from(number / 1_000));
                assert_eq!(judged, Some(Reason::Step));
            }
        }
        let taken = (counting::peak() - before) / ROOM as usize;
        println!("{taken} of {ATTEMPT_SIZE} bytes per attempt");
        assert!(taken <= ATTEMPT_SIZE, "{taken}");
        assert!(2 * taken > ATTEMPT_SIZE, "{taken}: the bound says too little");
    }
}

#[test]
fn the_work_for_a_packet_does_not_grow_with_the_flood() {
    const BATCH: u32 = FLOOD / 100;
    // Full within the first ten batches; from then on each attempt evicts.
    let mut gate = gate(three());
    let mut batches = Vec::new();
    for batch in 0..FLOOD / BATCH {
        let (start, calls) = (Instant::now(), counting::calls());
        for number in batch * BATCH..(batch + 1) * BATCH {
            let first = syn(scattered(number), 7_000, number);
            assert_eq!(reason(&mut gate, &first, u64::from(batch)), Some(Reason::Step));
        }
        batches.push((counting::calls() - calls, start.elapsed()));
    }
    let median = |range: std::ops::Range<usize>| {
        let (mut calls, mut spans): (Vec<_>, Vec<_>) = batches[range].iter().copied().unzip();
        calls.sort_unstable();
        spans.sort_unstable();
        (calls[calls.len() / 2], spans[spans.len() / 2])
    };
    let (early, late) = (median(10..20), median(90..100));
    assert!(late.0 <= 2 * early.0 + 100, "{} and {} allocations", early.0, late.0);
    assert!(late.0 <= BATCH as usize * 3, "{} allocations", late.0);
    if !cfg!(debug_assertions) {
        assert!(late.1 <= 8 * early.1, "{:?} and {:?}", early.1, late.1);
    }
}

#[test]
fn a_client_gets_in_while_strangers_flood_the_first_step() {
    let client = ip("192.0.2.7");
    let mut gate = gate(three());
    let mut sent = 0;
    // A packet each microsecond.
    let mut see = |packet: &Sighting<'_>| {
        sent += 1;
        let monotonic = mono(0) + Duration::from_micros(sent);
        reason_at(&mut gate, packet, Now { monotonic, ..at(0) })
    };
    let first = |number| syn(scattered(number), 7_000, number);
    assert!((0..20_000).all(|number| see(&first(number)).is_some()));
    assert_eq!(see(&syn(client, 7_000, 1)), Some(Reason::Step));
    assert!((20_000..20_000 + ROOM - 1).all(|number| see(&first(number)).is_some()));
    assert_eq!(see(&syn(client, 9_000, 2)), Some(Reason::Step));
    // An attempt further on than theirs gives way to none of them.
    assert!((FLOOD..2 * FLOOD).all(|number| see(&first(number)).is_some()));
    assert_eq!(see(&syn(client, 8_000, 3)), None);
}

#[test]
fn attempts_whose_time_is_over_give_way_first() {
    let client = ip("192.0.2.7");
    let mut gate = gate(three());
    for number in 0..ROOM - 1 {
        let _ = reason(&mut gate, &syn(scattered(number), 7_000, number), 0);
        let _ = reason(&mut gate, &syn(scattered(number), 9_000, number), 0);
    }
    assert_eq!(reason(&mut gate, &syn(client, 7_000, 1), 1_000), Some(Reason::Step));
    for number in ROOM..2 * ROOM - 1 {
        let _ = reason(&mut gate, &syn(scattered(number), 7_000, number), 5_001);
    }
    assert_eq!(reason(&mut gate, &syn(client, 9_000, 2), 5_001), Some(Reason::Step));
}

#[test]
fn recorded_tokens_cost_neither_memory_nor_proofs_nor_keep_a_fresh_one_out() {
    let mut gate = Parts::default().gate();
    let keys = [Key::alice(), Key::bob()];
    let token = |number: u64| Draft::new(&keys[number as usize % 2]).salted(number).bytes();
    let recorded: Vec<_> = (0..32).map(token).collect();
    fn packet(bytes: &[u8]) -> Sighting<'_> {
        datagram(ip("192.0.2.7"), SPA_PORT, bytes)
    }
    for bytes in &recorded {
        assert_eq!(reason(&mut gate, &packet(bytes), 0), None);
    }
    let before = counting::held();
    counting::forget_peak();
    let mut tally = Tally::default();
    for (number, bytes) in (0..TOKENS).zip(recorded.iter().cycle()) {
        let source = if number % 2 == 0 { scattered(number) } else { ip("192.0.2.7") };
        let sighting = Sighting { source, interface: number % 3, ..packet(bytes) };
        tally.count(reason(&mut gate, &sighting, 2_000).unwrap());
    }
    assert_eq!(tally.of(Reason::Replayed), u64::from(TOKENS), "and never throttled");
    assert_eq!((counting::held(), counting::peak()), (before, before));
    for number in [100, 101] {
        assert_eq!(reason(&mut gate, &packet(&token(number)), 2_000), None);
    }
}

#[test]
fn garbage_at_the_spa_port_costs_no_memory() {
    let mut gate = Parts::default().gate();
    let mut unmarked = Draft::new(&Key::alice()).bytes();
    let mut marked = unmarked.clone();
    let longer = vec![0; marked.len() + 1];
    let before = counting::held();
    counting::forget_peak();
    let mut tally = Tally::default();
    for number in 0..TOKENS {
        unmarked[..4].copy_from_slice(&number.to_be_bytes());
        marked[16..20].copy_from_slice(&number.to_be_bytes());
        for payload in [&unmarked, &marked, &longer, &longer[..0]] {
            let sighting = datagram(scattered(number), SPA_PORT, payload);
            tally.count(reason(&mut gate, &sighting, 0).unwrap());
        }
    }
    assert_eq!(tally.of(Reason::Stranger), 2 * u64::from(TOKENS));
    assert_eq!(tally.of(Reason::Length), 2 * u64::from(TOKENS));
    assert_eq!((counting::held(), counting::peak()), (before, before));
}

#[test]
fn leases_stay_within_the_stated_memory() {
    for source in [scattered, rising, falling] {
        let doors = vec![Door { max_leases: ROOM, ..door("ssh") }, door("web")];
        let limits = Limits { max_leases: ROOM, max_attempts: 1 };
        // Without users, so that sequences may take all the room there is.
        let parts = Parts { doors, limits, users: Vec::new(), ..Parts::default() };
        let mut leases = Leases::new(parts.policy(), &mut TableList::default());
        let before = counting::held();
        counting::forget_peak();
        for number in 0..10 * ROOM {
            let now = mono(u64::from(number));
            while leases.expire(now).is_some() {}
            let key = LeaseKey { door: SSH, address: source(number) };
            if leases.admit(key, Holder::Sequence).is_ok() {
                let span = Duration::from_millis(u64::from(ROOM + number % 7 * 100));
                leases.commit(key, Holder::Sequence, span, now, false);
            }
        }
        assert!(leases.len() > ROOM as usize * 9 / 10);
        let taken = (counting::peak() - before) / ROOM as usize;
        println!("{taken} of {LEASE_SIZE} bytes per lease");
        assert!(taken <= LEASE_SIZE, "{taken}");
        assert!(2 * taken > LEASE_SIZE, "{taken}: the bound says too little");
    }
}
