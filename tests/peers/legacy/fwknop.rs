//! What the gate makes of the packets of Debian's fwknop client.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use knockd::core::claim::Claim;
use knockd::core::door::DoorIndex;
use knockd::core::gate::{Gate, Refusal};
use knockd::core::legacy::{Digest, Format, Legacy, Way, fwknop};
use knockd::core::reason::Reason;
use knockd::core::sighting::Sighting;
use knockd::core::time::{Monotonic, Now, Wall};
use knockd::core::user::{CredentialIndex, SourcePolicy, UserIndex};

use super::clients::{DIGESTS, Home, fwknop_credential};
use crate::policy::{
    Key, Parts, SKEW, SSH, WEB, datagram, door, ip, on, outcome, tcp, udp, user,
};

const CLIENT: &str = "192.0.2.7";

/// Both clocks, some time after now.
fn after(span: Duration) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + span;
    let nanos = u64::try_from(wall.as_nanos()).unwrap();
    Now { monotonic: Monotonic::from_nanos(nanos), wall: Wall::default() + wall }
}

fn now() -> Now {
    after(Duration::ZERO)
}

/// Doors ssh (22/tcp), web (80 and 443/tcp) and dns (53/udp); fay may open
/// the first two.
fn parts(digest: Digest, source: SourcePolicy) -> Parts {
    let mut fay = user("fay", &Key::alice());
    fay.credentials = vec![fwknop_credential(digest, digest.is_broken())];
    fay.source = source;
    let (mut web, mut dns) = (door("web"), door("dns"));
    web.ports = vec![tcp(80), tcp(443)];
    dns.ports = vec![udp(53)];
    Parts { doors: vec![door("ssh"), web, dns], users: vec![fay], ..Parts::default() }
}

fn legacy() -> Legacy {
    let keys = vec![(UserIndex(0), CredentialIndex(0))];
    let way = Way { format: Format::Fwknop, port: fwknop::PORT, keys };
    Legacy { ways: vec![way], max_skew: SKEW }
}

/// The tests' native tokens come to another port.
fn gate_of(mut parts: Parts) -> Gate {
    if let Some(spa) = &mut parts.spa {
        spa.port = 40_123;
    }
    let policy = std::sync::Arc::into_inner(parts.policy()).unwrap();
    Gate::new(policy.with_legacy(Some(legacy())).into(), Wall::default())
}

fn gate(digest: Digest) -> Gate {
    gate_of(parts(digest, SourcePolicy::Bound))
}

fn from<'a>(source: &str, packet: &'a [u8]) -> Sighting<'a> {
    datagram(ip(source), fwknop::PORT, packet)
}

fn judge(gate: &mut Gate, packet: &[u8], now: Now) -> Result<Vec<Claim>, Refusal> {
    outcome(gate.judge(&from(CLIENT, packet), now))
}

/// The reason, and whether the user is named.
fn reason(judged: Result<Vec<Claim>, Refusal>) -> (Reason, bool) {
    let refusal = judged.unwrap_err();
    (refusal.reason, refusal.user == Some(UserIndex(0)))
}

fn doors(judged: Result<Vec<Claim>, Refusal>) -> Vec<DoorIndex> {
    judged.unwrap().iter().map(|claim| claim.door).collect()
}

const SSH_ONLY: &[&str] = &["-A", "tcp/22", "-a", CLIENT];

#[test]
fn every_hmac_that_the_client_offers_opens_the_door_it_asks_for_once() {
    needs!(tool("fwknop"));
    let home = Home::new();
    for (name, digest) in DIGESTS {
        let mut gate = gate(digest);
        let options = [SSH_ONLY, &["--hmac-digest-type", name, "-m", name]].concat();
        let packet = home.fwknop(&options);
        assert!((fwknop::MIN_LENGTH..=fwknop::MAX_LENGTH).contains(&packet.len()), "{name}");
        let claims = judge(&mut gate, &packet, now()).unwrap_or_else(|why| {
            panic!("{name}: {why:?}");
        });
        let [claim] = &claims[..] else { panic!("{name}: {claims:?}") };
        assert_eq!(
            (claim.door, claim.address, claim.ground.lifetime()),
            (SSH, ip(CLIENT), None)
        );
        assert_eq!(reason(judge(&mut gate, &packet, now())), (Reason::Replayed, true));
    }
}

#[test]
fn md5_and_sha1_inside_are_refused_unless_they_are_allowed() {
    needs!(tool("fwknop"));
    let home = Home::new();
    for name in ["md5", "sha1"] {
        let packet = home.fwknop(&[SSH_ONLY, &["-m", name]].concat());
        let judged = judge(&mut gate(Digest::Sha256), &packet, now());
        assert_eq!(reason(judged), (Reason::Unsupported, true), "{name}");
        let mut parts = parts(Digest::Sha256, SourcePolicy::Bound);
        parts.users[0].credentials = vec![fwknop_credential(Digest::Sha256, true)];
        assert_eq!(doors(judge(&mut gate_of(parts), &packet, now())), [SSH]);
    }
}

#[test]
fn the_client_asks_for_so_many_seconds_and_for_several_ports() {
    needs!(tool("fwknop"));
    let home = Home::new();
    let ports = ["-A", "tcp/443,tcp/22,tcp/80", "-a", CLIENT, "-f", "7"];
    let claims = judge(&mut gate(Digest::Sha256), &home.fwknop(&ports), now()).unwrap();
    assert_eq!(claims.iter().map(|claim| claim.door).collect::<Vec<_>>(), [WEB, SSH]);
    assert!(claims.iter().all(|claim| claim.ground.lifetime() == Some(Duration::from_secs(7))));
    assert_eq!(claims[0].ground, claims[1].ground, "one packet, whatever it opens");
}

#[test]
fn who_asks_for_more_than_it_may_gets_nothing_of_it() {
    needs!(tool("fwknop"));
    let home = Home::new();
    let mut gate = gate(Digest::Sha256);
    for ports in ["udp/53", "tcp/22,udp/53", "tcp/23", "udp/22"] {
        let packet = home.fwknop(&["-A", ports, "-a", CLIENT]);
        let judged = judge(&mut gate, &packet, now());
        assert_eq!(reason(judged), (Reason::Forbidden, true), "{ports}");
    }
}

#[test]
fn the_address_inside_is_bound_to_the_source_unless_the_user_may_delegate() {
    needs!(tool("fwknop"));
    let home = Home::new();
    let other = home.fwknop(&["-A", "tcp/22", "-a", "198.51.100.9"]);
    let observed = home.fwknop(&["-A", "tcp/22", "-s"]);
    for (policy, of_other, of_observed) in [
        (SourcePolicy::Bound, Err(Reason::Address), Err(Reason::Unnamed)),
        (SourcePolicy::Observed, Err(Reason::Address), Ok(ip(CLIENT))),
        (SourcePolicy::Delegate, Ok(ip("198.51.100.9")), Err(Reason::Unnamed)),
    ] {
        let mut gate = gate_of(parts(Digest::Sha256, policy));
        for (packet, expected) in [(&other, of_other), (&observed, of_observed)] {
            let judged = judge(&mut gate, packet, now());
            let judged = judged.map(|claims| claims[0].address).map_err(|why| why.reason);
            assert_eq!(judged, expected, "{policy:?}");
        }
    }
}

#[test]
fn no_spelling_of_a_used_packet_opens_anything() {
    needs!(tool("fwknop"));
    let packet = Home::new().fwknop(SSH_ONLY);
    let mut gate = gate(Digest::Sha256);
    assert_eq!(doors(judge(&mut gate, &packet, now())), [SSH]);
    let text = String::from_utf8(packet.clone()).unwrap();
    let mut spellings = vec![
        text.clone(),
        format!("{text}="),
        format!("{text}\n"),
        format!("{text}\0"),
        format!("U2FsdGVkX1{text}"),
        format!("U2FsdGVkX1U2FsdGVkX1{text}"),
        text.replace('+', "-").replace('/', "_") + "A",
    ];
    // The last symbol of data and of HMAC carries bits that decode to nothing.
    for at in [text.len() - 1, text.len() - 44] {
        for symbol in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']) {
            let mut spelled = text.clone();
            spelled.replace_range(at..=at, &symbol.to_string());
            spellings.push(spelled);
        }
    }
    for spelled in spellings {
        let (reason, is_named) = reason(judge(&mut gate, spelled.as_bytes(), now()));
        let expected = if spelled == text {
            (Reason::Replayed, true)
        } else if spelled.len() > fwknop::MAX_LENGTH {
            (Reason::Length, false)
        } else {
            (Reason::Stranger, false)
        };
        assert_eq!((reason, is_named), expected, "{spelled}");
    }
    let seen_twice = on(7, from(CLIENT, &packet));
    assert_eq!(reason(outcome(gate.judge(&seen_twice, now()))), (Reason::Duplicate, true));
}

#[test]
fn a_changed_byte_anywhere_makes_a_stranger() {
    needs!(tool("fwknop"));
    let packet = Home::new().fwknop(SSH_ONLY);
    let mut gate = gate(Digest::Sha256);
    for at in 0..packet.len() {
        let mut changed = packet.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            reason(judge(&mut gate, &changed, now())),
            (Reason::Stranger, false),
            "{at}"
        );
    }
    assert_eq!(doors(judge(&mut gate, &packet, now())), [SSH]);
}

#[test]
fn a_packet_counts_only_around_its_time_and_the_offset_is_logged() {
    needs!(tool("fwknop"));
    let packet = Home::new().fwknop(SSH_ONLY);
    let span = Duration::from_secs(100);
    let late = judge(&mut gate(Digest::Sha256), &packet, after(span)).unwrap_err();
    assert_eq!((late.reason, late.user), (Reason::Stale, Some(UserIndex(0))));
    assert!((-110_000..=-100_000).contains(&late.offset.unwrap()), "{late:?}");
    let present = now();
    let past = Now { wall: present.wall - span, ..present };
    let early = judge(&mut gate(Digest::Sha256), &packet, past).unwrap_err();
    assert_eq!(early.reason, Reason::Early);
}

#[test]
fn another_key_makes_a_stranger() {
    needs!(tool("fwknop"));
    let home = Home::new();
    let other = "EDJmYZAhyMHKLOzYx7d5/FSKYv32ZC7mhq0ma9U4+jk=";
    let packet = home.fwknop_with(super::clients::KEY, other, SSH_ONLY);
    let judged = judge(&mut gate(Digest::Sha256), &packet, now());
    assert_eq!(reason(judged), (Reason::Stranger, false));
    let packet = home.fwknop_with(other, super::clients::HMAC_KEY, SSH_ONLY);
    let judged = judge(&mut gate(Digest::Sha256), &packet, now());
    assert_eq!(reason(judged), (Reason::Invalid, true), "the HMAC key was the right one");
    let packet = home.fwknop_with(super::clients::KEY, "", SSH_ONLY);
    let judged = judge(&mut gate(Digest::Sha256), &packet, now());
    assert_eq!(reason(judged), (Reason::Stranger, false), "without an HMAC");
}

#[test]
fn nat_and_commands_are_refused_by_that_name() {
    needs!(tool("fwknop"));
    let home = Home::new();
    for options in [
        &["-A", "tcp/22", "-a", CLIENT, "-N", "10.0.0.5:22"][..],
        &["-A", "tcp/22", "-a", CLIENT, "-N", "10.0.0.5:22", "-f", "30"],
        &["-A", "tcp/22", "-a", CLIENT, "--nat-local", "--nat-port", "2222"],
        &["-a", CLIENT, "-C", "id"],
    ] {
        let packet = home.fwknop(options);
        let judged = judge(&mut gate(Digest::Sha256), &packet, now());
        assert_eq!(reason(judged), (Reason::Unsupported, true), "{options:?}");
    }
}

#[test]
fn a_user_whose_time_is_over_or_who_may_not_be_there_is_refused_by_name() {
    needs!(tool("fwknop"));
    let packet = Home::new().fwknop(SSH_ONLY);
    let mut expired = parts(Digest::Sha256, SourcePolicy::Bound);
    expired.users[0].not_after = Some(Wall::from_millis(1));
    let judged = judge(&mut gate_of(expired), &packet, now());
    assert_eq!(reason(judged), (Reason::Expired, true));
    let mut elsewhere = parts(Digest::Sha256, SourcePolicy::Bound);
    let network = knockd::core::address::Entry::new(ip("198.51.100.0"), 24).unwrap();
    elsewhere.users[0].networks.allowed.push(network);
    let judged = judge(&mut gate_of(elsewhere), &packet, now());
    assert_eq!(reason(judged), (Reason::Network, true));
}
