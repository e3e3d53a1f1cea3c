//! Tokens that somebody changed, kept, forged or sent again open nothing, and
//! the one that they were made from still does.

use std::time::{Duration, Instant};

use crate::net::furnish::{SKEW, ahead, clock, named, token};
use crate::net::*;
use knockd::client::key::secret::Secret;
use knockd::core::credential::secret;
use knockd::core::time::Wall;
use knockd::core::token::{GateKey, PROOF_LENGTH, Request, Wanted};
use zeroize::Zeroizing;

/// Marks keep door web open, so that they never race with its end.
fn plan() -> Plan<'static> {
    Plan { span: "300s", sequences: furnish::MARK, ..Plan::default() }
}

/// The daemon, with all that it has to say about strangers.
fn daemon(lab: &Lab) -> Daemon {
    let daemon = lab.start(&plan().furnish(lab), &["-v"]);
    daemon.ready();
    daemon
}

#[test]
fn every_changed_bit_is_refused_and_the_original_still_works() {
    needs!(root);
    let lab = Lab::new();
    let began = Instant::now();
    let daemon = daemon(&lab);
    let original = lab.token("bob", CLIENT4);
    let stranger = "192.0.2.66";
    lab.client.add_address(stranger, "eth0");
    let bits = original.len() * 8;
    for bit in 0..bits {
        let mut changed = original.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        lab.send(if bit % 2 == 0 { stranger } else { CLIENT4 }, &changed);
        // Before the queue in the kernel is full.
        if bit % 64 == 63 {
            lab.mark(&daemon);
        }
    }
    lab.mark(&daemon);
    assert_eq!(lab.set("knock_ssh_v4"), "");
    lab.send(CLIENT4, &original);
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    let elapsed = began.elapsed();
    let lines = daemon.stop();
    // The first from each address has a line of its own, and all are counted.
    for address in [stranger, CLIENT4] {
        let first = format!("packet from {address} ignored, stranger");
        assert!(lines.iter().any(|line| line.ends_with(&first)), "{lines:#?}");
    }
    let firsts = lines.iter().filter(|line| line.ends_with(" ignored, stranger")).count();
    let sum = |what: &str| -> usize {
        let sums = lines.iter().filter(|line| line.contains(what));
        let parts = sums.flat_map(|line| line.split(", "));
        let times = parts.filter_map(|part| part.strip_suffix(" stranger"));
        times.map(|times| times.parse::<usize>().unwrap()).sum()
    };
    let (singles, others) = (firsts + sum("more packets from "), sum(" from other sources "));
    // The kernel drops those with another nonce or mark.
    assert_eq!(singles + others, bits - 128, "{lines:#?}");
    // A flood is a bounded number of messages to the keeper.
    let most = 64 + 100 * (usize::try_from(elapsed.as_secs()).unwrap() + 1);
    assert!(singles <= most, "{singles} of {most}");
    assert_eq!(lines.iter().filter(|line| line.contains("door ssh opened")).count(), 1);
}

#[test]
fn tokens_of_another_length_are_not_even_seen() {
    needs!(root);
    let lab = Lab::new();
    let daemon = daemon(&lab);
    let original = lab.token("bob", CLIENT4);
    lab.send(CLIENT4, &original[..original.len() - 1]);
    lab.send(CLIENT4, &original[1..]);
    lab.send(CLIENT4, &[&original[..], &[0]].concat());
    lab.send(CLIENT4, &[&[0], &original[..]].concat());
    lab.send(CLIENT4, &[]);
    lab.mark(&daemon);
    assert_eq!(daemon.count("packet from"), 0);
    lab.send(CLIENT4, &original);
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
}

/// A token of bob.
fn bobs(lab: &Lab, door: &str, wanted: Wanted, issued: Wall) -> Vec<u8> {
    token(&lab.access("bob"), door, wanted, issued)
}

/// Everything is right but the proof, which is empty.
fn unproven(lab: &Lab, wanted: Wanted) -> Vec<u8> {
    let access = lab.access("bob");
    let request = Request {
        kind: &secret::KIND,
        issued: ahead(),
        user: access.key.user_id(),
        door: knockd::core::door::wire_id("ssh"),
        wanted,
        lifetime: None,
    };
    let salt = access.gate_key.salt(&[7; 12]);
    access.gate_key.seal(&salt, &request.encode(), &[0; PROOF_LENGTH], &[0; 255])
}

/// Another gate key whose tokens happen to have the length of `gate_key`'s.
fn other_gate_key(gate_key: &GateKey) -> GateKey {
    let keys = (0..=u16::MAX).map(|number| {
        let mut key = Zeroizing::new([0; 32]);
        key[..2].copy_from_slice(&number.to_be_bytes());
        GateKey::new(key)
    });
    let mut alike = keys.filter(|key| key.token_length() == gate_key.token_length());
    alike.next().unwrap()
}

/// Tokens for `own` that are wrong in one way each, and what the log is to
/// say of them.
fn wrong_tokens(lab: &Lab, own: Wanted) -> Vec<(&'static str, Vec<u8>)> {
    let late = Duration::from_secs(2);
    let mut nobody = lab.access("bob");
    nobody.key = Box::new(Secret(Zeroizing::new([9; 32])));
    let mut elsewhere = lab.access("bob");
    elsewhere.server_name = "gw2.example.org".into();
    let mut changed = bobs(lab, "ssh", own, ahead());
    *changed.last_mut().unwrap() ^= 1;
    let right = |access| token(&access, "ssh", own, ahead());
    vec![
        ("stale, issued 3", bobs(lab, "ssh", own, clock() - Duration::from_secs(SKEW) - late)),
        ("early, issued 3", bobs(lab, "ssh", own, ahead() + late)),
        ("forbidden", bobs(lab, "web", own, ahead())),
        ("forbidden", bobs(lab, "no-such-door", own, ahead())),
        ("unknown", right(nobody)),
        ("stranger", changed),
        ("unproven", right(elsewhere)),
        ("unproven", unproven(lab, own)),
        ("address", bobs(lab, "ssh", named("192.0.2.201"), ahead())),
        ("address", bobs(lab, "ssh", named("2001:db8::201"), ahead())),
        ("unnamed", bobs(lab, "ssh", Wanted::Source, ahead())),
        ("address", lab.token("dave", "224.0.0.1")),
        ("address", lab.token("dave", "127.0.0.1")),
    ]
}

#[test]
fn what_has_no_mark_never_leaves_the_kernel() {
    needs!(root);
    let lab = Lab::new();
    let daemon = daemon(&lab);
    let stranger = "192.0.2.66";
    lab.client.add_address(stranger, "eth0");
    let mut old_key = lab.access("bob");
    old_key.gate_key = other_gate_key(&old_key.gate_key);
    let old = token(&old_key, "ssh", named(stranger), ahead());
    let own = lab.token("bob", stranger);
    assert_eq!(old.len(), own.len());
    for number in 0..50_u8 {
        lab.send(stranger, &old);
        lab.send(stranger, &vec![number; own.len()]);
        lab.send(stranger, &[&own[..16], &own[..16]].concat());
    }
    lab.mark(&daemon);
    lab.send(stranger, &own);
    daemon.expect("door ssh opened for 192.0.2.66 by bob");
    let lines = daemon.stop();
    let about = lines.iter().filter(|line| line.contains(stranger) && line.contains("ignored"));
    assert_eq!(about.count(), 0, "{lines:#?}");
}

#[test]
fn a_token_that_is_wrong_in_one_way_is_refused_and_the_log_says_which() {
    needs!(root);
    let lab = Lab::new();
    let daemon = daemon(&lab);
    let original = lab.token("bob", CLIENT4);
    for number in 0..wrong_tokens(&lab, named(CLIENT4)).len() {
        // Each from an address of its own: of one that goes on being refused,
        // the log says only how often.
        let address = format!("192.0.2.{}", 110 + number);
        lab.client.add_address(&address, "eth0");
        let (reason, wrong) = wrong_tokens(&lab, named(&address)).swap_remove(number);
        lab.send(&address, &wrong);
        let (_, line) = daemon.expect(&format!("from {address} "));
        assert!(line.contains(&format!(", {reason}")), "{reason}: {line}");
    }
    assert_eq!(lab.set("knock_ssh_v4") + &lab.set("knock_ssh_v6"), "");
    lab.send(CLIENT4, &original);
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    let lines = daemon.stop();
    assert_eq!(lines.iter().filter(|line| line.contains("door ssh opened")).count(), 1);
}

#[test]
fn without_a_journal_a_token_of_now_is_refused_as_uncertain() {
    needs!(root);
    let lab = Lab::new();
    let config = plan().furnish(&lab);
    std::fs::remove_file(lab.path("state/journal")).unwrap();
    let daemon = lab.start(&config, &["-v"]);
    daemon.expect("are refused, uncertain: there is no journal of earlier runs");
    daemon.ready();
    lab.send(CLIENT4, &bobs(&lab, "ssh", named(CLIENT4), clock()));
    daemon.expect("bob from 192.0.2.100 refused, uncertain");
    assert_eq!(lab.set("knock_ssh_v4"), "");
}

#[test]
fn a_token_that_was_used_opens_nothing_again_from_nowhere() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    lab.client.add_address("192.0.2.66", "eth0");
    for (user, from) in [("alice", CLIENT4), ("carol", CLIENT4), ("bob", CLIENT6)] {
        let wanted = if user == "carol" { Wanted::Source } else { named(from) };
        let recorded = token(&lab.access(user), "ssh", wanted, ahead());
        lab.send(from, &recorded);
        daemon.expect(&format!("door ssh opened for {from} by {user}"));
        for address in ["192.0.2.66", CLIENT4, CLIENT6] {
            lab.send(address, &recorded);
        }
        daemon.expect("door ssh closed");
        // Nor when the lease is over.
        lab.send(from, &recorded);
    }
    let fresh = lab.token("bob", CLIENT4);
    lab.send(CLIENT4, &fresh);
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    let lines = daemon.stop();
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((count("opened"), count("extended")), (4, 0), "{lines:#?}");
    for from in ["192.0.2.66", CLIENT4, CLIENT6] {
        for user in ["alice", "bob", "carol"] {
            let line = format!("in the name of {user} from {from} refused, replayed");
            assert_eq!(count(&line), 1, "{lines:#?}");
        }
    }
    for (address, times) in [(CLIENT4, 2), (CLIENT6, 1)] {
        let line = format!("more packets from {address} in the last minute, {times} replayed");
        assert_eq!(count(&line), 1, "{line}: {lines:#?}");
    }
}
