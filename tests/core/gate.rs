//! Whom a proven token lets in, when, where, how often.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use crate::policy::{
    Draft, EPOCH, Key, Parts, SPA_PORT, WEB, at, datagram, ip, mono, on, outcome, syn, user,
};
use knockd::core::address::Loopback;
use knockd::core::claim::{Claim, Ground};
use knockd::core::door;
use knockd::core::gate::{Gate, PROOF_BURST, Refusal};
use knockd::core::reason::Reason;
use knockd::core::replay::{Honoured, SHARE};
use knockd::core::sighting::Sighting;
use knockd::core::time::{Now, Wall};
use knockd::core::token::{GateKey, Wanted};
use knockd::core::user::{SourcePolicy, User, UserIndex};

const ALICE: UserIndex = UserIndex(0);
const BOB: UserIndex = UserIndex(1);

fn home() -> IpAddr {
    ip("192.0.2.7")
}

fn from(source: IpAddr, bytes: &[u8]) -> Sighting<'_> {
    datagram(source, SPA_PORT, bytes)
}

/// What `draft`'s token opens when it comes from 192.0.2.7.
fn knock(gate: &mut Gate, draft: &Draft, now: Now) -> Result<Claim, Refusal> {
    let bytes = draft.bytes();
    outcome(gate.judge(&from(home(), &bytes), now)).map(|claims| claims[0])
}

fn reason(gate: &mut Gate, draft: &Draft, now: Now) -> Option<Reason> {
    knock(gate, draft, now).err().map(|refusal| refusal.reason)
}

/// A gate whose users are alice, changed by `change`, and bob.
fn gate_where_alice(change: impl FnOnce(&mut User)) -> Gate {
    let mut alice = user("alice", &Key::alice());
    change(&mut alice);
    Parts { users: vec![alice, user("bob", &Key::bob())], ..Parts::default() }.gate()
}

fn gate() -> Gate {
    gate_where_alice(|_| {})
}

fn alice() -> Draft {
    Draft::new(&Key::alice())
}

fn issued(millis: u64, number: u64) -> Draft {
    let mut draft = alice().salted(number);
    draft.request.issued = Wall::from_millis(EPOCH + millis);
    draft
}

fn wanting(wanted: Wanted) -> Draft {
    let mut draft = alice();
    draft.request.wanted = wanted;
    draft
}

#[test]
fn a_proven_token_opens_one_door_for_its_user() {
    for (key, index) in [(Key::alice(), ALICE), (Key::bob(), BOB)] {
        let mut draft = Draft::new(&key);
        draft.request.door = door::wire_id("web");
        draft.request.lifetime = Some(Duration::from_secs(90));
        let claim = knock(&mut gate(), &draft, at(0)).unwrap();
        let said = claim.ground.authorization().unwrap();
        let replay = said.replay;
        assert_eq!((claim.door, claim.address, said.user), (WEB, home(), index));
        assert_eq!(said.lifetime, Some(Duration::from_secs(90)));
        assert_eq!((replay.id, replay.issued), (draft.salt(), at(0).wall));
        assert_eq!(replay.expires, at(30_000).wall);
    }
}

#[test]
fn a_token_counts_up_to_the_allowed_skew_and_no_millisecond_beyond() {
    for (now, expected) in [
        (60_000, None),
        (60_001, Some((Reason::Stale, -30_001))),
        (0, None),
        (3_660_000, Some((Reason::Stale, -3_630_000))),
    ] {
        let judged = knock(&mut gate(), &issued(30_000, 0), at(now)).err();
        assert_eq!(judged.map(|it| (it.reason, it.offset.unwrap())), expected);
    }
    let judged = knock(&mut gate(), &issued(30_001, 0), at(0)).unwrap_err();
    assert_eq!(
        (judged.reason, judged.user, judged.offset),
        (Reason::Early, Some(ALICE), Some(30_001))
    );
    for end in [0, u64::MAX] {
        let mut draft = alice();
        draft.request.issued = Wall::from_millis(end);
        assert!(matches!(
            reason(&mut gate(), &draft, at(0)),
            Some(Reason::Stale | Reason::Early)
        ));
    }
}

#[test]
fn a_token_opens_no_door_that_its_user_may_not() {
    let mut draft = alice();
    draft.request.door = door::wire_id("nowhere");
    assert_eq!(reason(&mut gate(), &draft, at(0)), Some(Reason::Forbidden));
    let mut gate = gate_where_alice(|alice| alice.doors = vec![WEB]);
    assert_eq!(reason(&mut gate, &alice(), at(0)), Some(Reason::Forbidden));
    assert_eq!(reason(&mut gate, &Draft::new(&Key::bob()), at(0)), None);
}

#[test]
fn each_source_policy_grants_its_own_addresses() {
    use SourcePolicy::{Bound, Delegate, Observed};
    let elsewhere = ip("2001:db8::99");
    for (source, named, other, unnamed) in [
        (Bound, Some(home()), None, None),
        (Observed, Some(home()), None, Some(home())),
        (Delegate, Some(home()), Some(elsewhere), None),
    ] {
        for (wanted, expected) in [
            (Wanted::Address(home()), named),
            (Wanted::Address(elsewhere), other),
            (Wanted::Source, unnamed),
        ] {
            let mut gate = gate_where_alice(|alice| alice.source = source);
            let judged = knock(&mut gate, &wanting(wanted), at(0));
            let judged = judged.map(|claim| claim.address).map_err(|refusal| refusal.reason);
            let refused =
                if wanted == Wanted::Source { Reason::Unnamed } else { Reason::Address };
            assert_eq!(judged, expected.ok_or(refused), "{source:?} {wanted:?}");
        }
    }
}

#[test]
fn a_mapped_source_is_the_ipv4_host() {
    let bytes = alice().bytes();
    let verdict = gate().judge(&from(ip("::ffff:192.0.2.7"), &bytes), at(0));
    assert_eq!(outcome(verdict).unwrap()[0].address, home());
}

#[test]
fn nobody_opens_for_what_is_no_host() {
    let nowhere = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "169.254.0.1"];
    let none = ["::", "::1", "ff02::1", "fe80::1", "127.0.0.1", "0.1.2.3"];
    for address in nowhere.into_iter().chain(none).map(ip) {
        let mut gate = gate_where_alice(|alice| alice.source = SourcePolicy::Delegate);
        let draft = wanting(Wanted::Address(address));
        assert_eq!(reason(&mut gate, &draft, at(0)), Some(Reason::Address), "{address}");
        let bytes = draft.bytes();
        let judged = outcome(gate.judge(&from(address, &bytes), at(0))).unwrap_err();
        assert_eq!(judged.reason, Reason::Source, "{address}");
    }
}

#[test]
fn loopback_opens_where_the_configuration_says_so() {
    for address in ["127.0.0.1", "::1"].map(ip) {
        let mut gate = Parts { loopback: Loopback::Allowed, ..Parts::default() }.gate();
        let bytes = wanting(Wanted::Address(address)).bytes();
        assert!(outcome(gate.judge(&from(address, &bytes), at(0))).is_ok());
    }
}

#[test]
fn a_user_is_valid_to_the_end_and_not_after() {
    let mut gate = gate_where_alice(|alice| alice.not_after = Some(at(1_000).wall));
    assert_eq!(reason(&mut gate, &issued(1_000, 1), at(1_000)), None);
    assert_eq!(reason(&mut gate, &issued(1_000, 2), at(1_001)), Some(Reason::Expired));
}

#[test]
fn a_lifetime_is_the_doors_own_or_cut_to_its_maximum() {
    let parts = Parts::default();
    let ssh = &parts.doors[0];
    for (seconds, lifetime) in [(0, 60), (1, 1), (600, 600), (601, 600), (u32::MAX, 600)] {
        let set = |claim: &mut [u8; 48]| claim[44..].copy_from_slice(&seconds.to_be_bytes());
        let bytes = alice().changed(set, |_| {});
        let claim = outcome(gate().judge(&from(home(), &bytes), at(0))).unwrap()[0];
        assert_eq!(ssh.lifetime(claim.ground.lifetime()), Duration::from_secs(lifetime));
    }
}

#[test]
fn a_token_opens_once_wherever_it_comes_from() {
    for policy in [SourcePolicy::Bound, SourcePolicy::Delegate] {
        let mut gate = gate_where_alice(|alice| alice.source = policy);
        let bytes = alice().bytes();
        assert!(outcome(gate.judge(&from(home(), &bytes), at(0))).is_ok());
        for (source, now) in [(home(), 0), (ip("203.0.113.9"), 10), (home(), 30_000)] {
            let judged = outcome(gate.judge(&from(source, &bytes), at(now))).unwrap_err();
            assert_eq!(judged, Refusal { user: Some(ALICE), ..Reason::Replayed.into() });
        }
    }
}

#[test]
fn a_token_is_remembered_as_long_as_it_counts() {
    let mut gate = gate();
    assert_eq!(reason(&mut gate, &issued(30_000, 1), at(0)), None);
    assert_eq!(reason(&mut gate, &issued(30_000, 2), at(60_000)), None);
    assert_eq!(reason(&mut gate, &issued(30_000, 1), at(60_000)), Some(Reason::Replayed));
    assert_eq!(reason(&mut gate, &issued(30_000, 3), at(60_000)), None);
}

#[test]
fn the_same_packet_seen_by_a_second_interface_is_a_duplicate() {
    let mut gate = gate();
    let bytes = alice().bytes();
    let packet = from(home(), &bytes);
    let mut judge =
        |packet, now| outcome(gate.judge(&packet, at(now))).err().map(|it| it.reason);
    assert_eq!(judge(packet, 0), None);
    assert_eq!(judge(on(1, packet), 1), Some(Reason::Duplicate));
    assert_eq!(judge(on(2, packet), 1_000), Some(Reason::Duplicate));
    assert_eq!(judge(packet, 1), Some(Reason::Replayed));
    assert_eq!(judge(on(1, packet), 1_001), Some(Reason::Replayed));
}

#[test]
fn what_another_gate_honoured_costs_no_proof() {
    let (mut old, mut new) = (gate(), gate());
    let draft = |number| alice().salted(number);
    let burst = u64::from(PROOF_BURST);
    let owner = user("alice", &Key::alice()).id();
    let mut honoured = Vec::new();
    for number in 0..burst {
        let claim = knock(&mut old, &draft(number), at(0)).unwrap();
        let Ground::Token(claimed) = claim.ground else { panic!("{claim:?}") };
        honoured.push(Honoured { user: owner, token: claimed.replay, at: mono(0) });
    }
    new.remember(&honoured, &[]);
    // Twice is as good as once.
    new.remember(&honoured, &[]);
    for number in 0..burst {
        assert_eq!(reason(&mut new, &draft(number), at(1_000)), Some(Reason::Duplicate));
        assert_eq!(reason(&mut new, &draft(number), at(1_001)), Some(Reason::Replayed));
    }
    for number in burst..2 * burst {
        assert_eq!(reason(&mut new, &draft(number), at(1_001)), None);
    }
}

#[test]
fn nobody_uses_up_the_salt_of_another() {
    let mut gate = gate();
    assert_eq!(reason(&mut gate, &alice(), at(0)), None);
    assert_eq!(reason(&mut gate, &Draft::new(&Key::bob()), at(0)), None);
    let forged = Draft { key: Key::Secret([1; 32]), ..alice().salted(5) };
    assert_eq!(reason(&mut gate, &forged, at(0)), Some(Reason::Unproven));
    assert_eq!(reason(&mut gate, &alice().salted(5), at(0)), None);
}

#[test]
fn nothing_issued_at_or_before_the_barrier_is_believed() {
    let mut gate = Gate::new(Parts::default().policy(), at(500).wall);
    assert_eq!(reason(&mut gate, &issued(500, 1), at(600)), Some(Reason::Uncertain));
    assert_eq!(reason(&mut gate, &issued(501, 2), at(600)), None);
}

#[test]
fn after_a_loss_of_memory_tokens_of_the_run_before_open_nothing() {
    let start = || Gate::after_loss(Parts::default().policy(), at(0));
    assert_eq!(reason(&mut start(), &issued(30_000, 1), at(1)), Some(Reason::Uncertain));
    assert_eq!(reason(&mut start(), &issued(30_001, 1), at(1)), None);
    // The machine woke up an hour in the past and sets its clock after 20 s:
    // what was used just before it started still looks fresh.
    let set = Now { monotonic: mono(20_000), ..at(3_600_000) };
    assert_eq!(reason(&mut start(), &issued(3_575_000, 1), set), Some(Reason::Uncertain));
    assert_eq!(reason(&mut start(), &issued(3_610_001, 1), set), None);
}

#[test]
fn a_clock_that_steps_back_revives_no_token() {
    let mut gate = gate();
    let (forgotten, kept) = (issued(0, 1), issued(3_600_000, 2));
    assert_eq!(reason(&mut gate, &forgotten, at(0)), None);
    assert_eq!(reason(&mut gate, &kept, at(3_600_000)), None);
    let back = Now { monotonic: mono(3_700_000), ..at(10) };
    assert_eq!(reason(&mut gate, &forgotten, back), Some(Reason::Replayed), "every bit known");
    assert_eq!(reason(&mut gate, &issued(0, 3), back), Some(Reason::Uncertain));
    assert_eq!(reason(&mut gate, &issued(1, 4), back), None);
    let forth = Now { monotonic: mono(3_800_000), ..at(3_600_000) };
    assert_eq!(reason(&mut gate, &kept, forth), Some(Reason::Replayed));
}

#[test]
fn false_proofs_for_one_user_use_up_no_other_users_budget() {
    let mut gate = gate();
    let forged = |number| Draft { key: Key::Secret([1; 32]), ..alice() }.salted(number);
    for number in 0..u64::from(PROOF_BURST) {
        assert_eq!(reason(&mut gate, &forged(number), at(0)), Some(Reason::Unproven));
    }
    assert_eq!(reason(&mut gate, &forged(99), at(0)), Some(Reason::Throttled));
    assert_eq!(reason(&mut gate, &alice(), at(0)), Some(Reason::Throttled));
    assert_eq!(reason(&mut gate, &Draft::new(&Key::bob()), at(0)), None);
    assert_eq!(reason(&mut gate, &alice(), at(50)), None, "nor is it burnt");
}

#[test]
fn a_full_share_is_its_users_alone_and_frees_itself() {
    let mut gate = gate();
    let paced = |number: u64| Now { monotonic: mono(50 * number), ..at(0) };
    let share = SHARE as u64;
    for number in 0..share {
        assert_eq!(reason(&mut gate, &issued(number, number), paced(number)), None);
    }
    let one_more = alice().salted(share);
    assert_eq!(reason(&mut gate, &one_more, paced(share)), Some(Reason::Full));
    assert_eq!(reason(&mut gate, &Draft::new(&Key::bob()), paced(share)), None);
    assert_eq!(reason(&mut gate, &issued(60_000, share), at(60_000)), None);
}

#[test]
fn what_the_cheap_checks_refuse_never_reaches_the_proof() {
    let refused = |reason, change: &dyn Fn(&mut Draft)| {
        let mut draft = alice().salted(77);
        change(&mut draft);
        (reason, draft)
    };
    let cases = [
        refused(Reason::Stale, &|it| it.request.issued = Wall::from_millis(EPOCH - 30_001)),
        refused(Reason::Early, &|it| it.request.issued = Wall::from_millis(EPOCH + 30_001)),
        refused(Reason::Uncertain, &|it| it.request.issued = Wall::from_millis(EPOCH - 500)),
        refused(Reason::Unknown, &|it| it.request.user = [0; 8]),
        refused(Reason::Forbidden, &|it| it.request.door = [0; 8]),
        refused(Reason::Unnamed, &|it| it.request.wanted = Wanted::Source),
        refused(Reason::Address, &|it| it.request.wanted = Wanted::Address(ip("192.0.2.8"))),
        refused(Reason::Invalid, &|it| {
            it.request.kind = Key::bob().credential().kind().unwrap()
        }),
        refused(Reason::Replayed, &|it| it.nonce = alice().salted(1).nonce),
    ];
    let mut gate = Gate::new(Parts::default().policy(), Wall::from_millis(EPOCH - 500));
    assert_eq!(reason(&mut gate, &alice().salted(1), at(0)), None);
    for (expected, draft) in cases {
        let bytes = draft.bytes();
        for _ in 0..100 {
            let judged = outcome(gate.judge(&from(home(), &bytes), at(0))).unwrap_err();
            assert_eq!(judged.reason, expected);
        }
    }
    // Of the budget one proof is gone.
    for number in 100..99 + u64::from(PROOF_BURST) {
        assert_eq!(reason(&mut gate, &alice().salted(number), at(0)), None);
    }
    assert_eq!(reason(&mut gate, &alice(), at(0)), Some(Reason::Throttled));
}

#[test]
fn only_a_datagram_to_the_spa_port_is_a_token() {
    let bytes = alice().bytes();
    let judge = |packet: Sighting<'_>, parts: Parts| {
        outcome(parts.gate().judge(&packet, at(0))).unwrap_err().reason
    };
    assert_eq!(judge(datagram(home(), SPA_PORT + 1, &bytes), Parts::default()), Reason::Idle);
    assert_eq!(judge(syn(home(), SPA_PORT, 1), Parts::default()), Reason::Idle);
    let none = Parts { spa: None, ..Parts::default() };
    assert_eq!(judge(from(home(), &bytes), none), Reason::Idle);
}

#[test]
fn no_key_shows_itself_in_debug_output() {
    let parts = Parts::default();
    let text = format!("{:?} {:?}", parts.users, parts.spa);
    for secret in ["161", "a1", "23,", "17"] {
        assert!(!text.contains(&format!("{secret}, {secret}")), "{text}");
    }
    assert_eq!(format!("{:?}", GateKey::new(zeroize::Zeroizing::new([1; 32]))), "GateKey");
}
