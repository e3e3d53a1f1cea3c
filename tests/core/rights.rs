//! What a user may, and a key of it: where, when, how long and how often.

use std::time::Duration;

use crate::policy::{
    Draft, EPOCH, Key, Parts, SPA_PORT, SSH, WEB, at, datagram, door, ip, mono, outcome, table,
    user,
};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use knockd::core::address::{Entry, Networks};
use knockd::core::claim::Claim;
use knockd::core::credential::Credential;
use knockd::core::credential::ed25519::Ed25519;
use knockd::core::credential::security_key::SecurityKey;
use knockd::core::credential::ssh::Ssh;
use knockd::core::door::{Door, DoorIndex};
use knockd::core::gate::{Gate, PROOF_BURST};
use knockd::core::lease::{Admission, Holder, LeaseKey, Leases};
use knockd::core::reason::Reason;
use knockd::core::replay::{Replay, ReplayId};
use knockd::core::slot::{Slot, TableList};
use knockd::core::sshsig::{self, Attested};
use knockd::core::time::Wall;
use knockd::core::token::{PROOF_LENGTH, Statement, Wanted};
use knockd::core::user::{CredentialIndex, SourcePolicy, User, UserIndex};

fn alice() -> Draft {
    Draft::new(&Key::alice())
}

fn gate_where_alice(change: impl FnOnce(&mut User)) -> Gate {
    let mut alice = user("alice", &Key::alice());
    change(&mut alice);
    Parts { users: vec![alice], ..Parts::default() }.gate()
}

fn networks(allowed: &[(&str, u8)]) -> Networks {
    let entry = |(address, prefix): &(&str, u8)| Entry::new(ip(address), *prefix).unwrap();
    Networks { allowed: allowed.iter().map(entry).collect(), denied: Vec::new() }
}

/// What becomes of a token from 192.0.2.7, so many milliseconds after the
/// tests' beginning.
fn judge(gate: &mut Gate, draft: &Draft, millis: u64) -> Option<Reason> {
    judge_from(gate, "192.0.2.7", draft, millis)
}

fn judge_from(gate: &mut Gate, source: &str, draft: &Draft, millis: u64) -> Option<Reason> {
    let bytes = draft.bytes();
    let verdict = gate.judge(&datagram(ip(source), SPA_PORT, &bytes), at(millis));
    outcome(verdict).err().map(|refusal| refusal.reason)
}

/// Whose claim it is, and by which credential.
fn author(claim: &Claim) -> (UserIndex, CredentialIndex) {
    let said = claim.ground.authorization().unwrap();
    (said.user, said.credential)
}

#[test]
fn a_user_may_only_be_in_its_networks_and_open_for_addresses_in_them() {
    let mut gate = gate_where_alice(|alice| {
        alice.source = SourcePolicy::Delegate;
        alice.networks = networks(&[("192.0.2.0", 28), ("2001:db8::", 32)]);
    });
    let wanting = |address: &str| {
        let mut draft = alice();
        draft.request.wanted = Wanted::Address(ip(address));
        draft
    };
    let mut number = 0;
    for (source, address, expected) in [
        ("192.0.2.7", "192.0.2.15", None),
        ("192.0.2.7", "192.0.2.16", Some(Reason::Network)),
        ("192.0.2.16", "192.0.2.7", Some(Reason::Network)),
        ("192.0.2.7", "2001:db8:ffff::1", None),
        ("192.0.2.7", "2001:db9::1", Some(Reason::Network)),
    ] {
        number += 1;
        let draft = wanting(address).salted(number);
        assert_eq!(judge_from(&mut gate, source, &draft, 0), expected, "{source} {address}");
    }
    let mut keyed = gate_where_alice(|alice| {
        alice.credentials[0].from.denied = vec![Entry::host(ip("192.0.2.7"))];
    });
    assert_eq!(judge(&mut keyed, &alice(), 0), Some(Reason::Network));
}

#[test]
fn a_validity_has_a_begin_and_an_end() {
    let moment = Some(Wall::from_millis(EPOCH));
    let mut gate = gate_where_alice(|alice| alice.not_before = moment);
    let mut early = alice();
    early.request.issued = at(0).wall - Duration::from_millis(1);
    let judged = {
        let bytes = early.bytes();
        let now = knockd::core::time::Now { wall: early.request.issued, ..at(0) };
        outcome(gate.judge(&datagram(ip("192.0.2.7"), SPA_PORT, &bytes), now))
    };
    assert_eq!(judged.unwrap_err().reason, Reason::Pending);
    assert_eq!(judge(&mut gate, &alice().salted(1), 0), None);
    let mut gate = gate_where_alice(|alice| alice.credentials[0].not_after = moment);
    assert_eq!(judge(&mut gate, &alice(), 0), None);
    assert_eq!(judge(&mut gate, &alice().salted(1), 1), Some(Reason::Expired));
}

#[test]
fn each_key_of_a_user_proves_it_by_itself_and_within_its_own_bounds() {
    let mut two = user("alice", &Key::alice());
    let mut second = Key::bob().credential();
    second.from = networks(&[("198.51.100.0", 24)]);
    two.credentials.push(second);
    let mut gate = Parts { users: vec![two], ..Parts::default() }.gate();
    let bob = Draft::new(&Key::bob());
    assert_eq!(judge(&mut gate, &bob, 0), Some(Reason::Network));
    let bytes = alice().bytes();
    let verdict = gate.judge(&datagram(ip("192.0.2.7"), SPA_PORT, &bytes), at(0));
    assert_eq!(author(&outcome(verdict).unwrap()[0]), (UserIndex(0), CredentialIndex(0)));
    let mut there = bob.salted(1);
    there.request.wanted = Wanted::Address(ip("198.51.100.7"));
    let bytes = there.bytes();
    let verdict = gate.judge(&datagram(ip("198.51.100.7"), SPA_PORT, &bytes), at(0));
    let claim = outcome(verdict).unwrap()[0];
    assert_eq!(author(&claim), (UserIndex(0), CredentialIndex(1)));
}

#[test]
fn a_budget_of_proofs_refills_as_fast_as_the_user_may() {
    let mut gate = gate_where_alice(|alice| alice.proofs_per_second = 2);
    for number in 0..u64::from(PROOF_BURST) {
        assert_eq!(judge(&mut gate, &alice().salted(number), 0), None);
    }
    assert_eq!(judge(&mut gate, &alice().salted(100), 499), Some(Reason::Throttled));
    assert_eq!(judge(&mut gate, &alice().salted(101), 500), None);
    assert_eq!(judge(&mut gate, &alice().salted(102), 501), Some(Reason::Throttled));
}

#[test]
fn strangers_and_recorded_tokens_reach_no_signature_check() {
    let mut gate = Parts::default().gate();
    let bob = Draft::new(&Key::bob());
    let recorded = bob.bytes();
    assert_eq!(judge(&mut gate, &bob, 0), None);
    let mut stranger = recorded.clone();
    *stranger.last_mut().unwrap() ^= 1;
    for _ in 0..10_000 {
        for (bytes, expected) in [(&recorded, Reason::Replayed), (&stranger, Reason::Stranger)]
        {
            let verdict = gate.judge(&datagram(ip("192.0.2.7"), SPA_PORT, bytes), at(0));
            assert_eq!(outcome(verdict).unwrap_err().reason, expected);
        }
    }
    // Each check takes one from the budget, and all but the first are left.
    for number in 1..u64::from(PROOF_BURST) {
        assert_eq!(judge(&mut gate, &bob.clone().salted(number), 0), None);
    }
    assert_eq!(judge(&mut gate, &bob.salted(99), 0), Some(Reason::Throttled));
}

#[test]
fn a_lease_is_as_short_as_the_door_or_the_user_has_it() {
    let door = door("ssh");
    let mut alice = user("alice", &Key::alice());
    let minute = Duration::from_secs(60);
    for (most, wanted, expected) in [
        (None, None, minute),
        (None, Some(100 * minute), 10 * minute),
        (Some(minute / 2), None, minute / 2),
        (Some(minute / 2), Some(minute / 4), minute / 4),
        (Some(100 * minute), Some(100 * minute), 10 * minute),
    ] {
        alice.max_open_for = most;
        assert_eq!(alice.lifetime(&door, wanted), expected, "{most:?} {wanted:?}");
    }
}

#[test]
fn hosts_of_one_network_share_the_entry_that_lets_it_in() {
    let wide = Door { v4_prefix: 24, v6_prefix: 64, ..door("ssh") };
    let policy = Parts { doors: vec![wide, door("web")], ..Parts::default() }.policy();
    let mut leases = Leases::new(policy, &mut TableList::default());
    let key = |address: &str| LeaseKey { door: SSH, address: ip(address) };
    let mut open = |address: &str| {
        let admission = leases.admit(key(address), Holder::Sequence).unwrap();
        leases.commit(key(address), Holder::Sequence, Duration::from_secs(60), mono(0), false);
        admission
    };
    assert_eq!(open("2001:db8::1"), Admission::AddEntry);
    assert_eq!(open("2001:db8::2"), Admission::SharesEntry);
    assert_eq!(open("2001:db8:0:1::1"), Admission::AddEntry);
    assert_eq!(open("192.0.2.1"), Admission::AddEntry);
    assert_eq!(open("192.0.2.254"), Admission::SharesEntry);
    let first = leases.table_of(SSH).unwrap();
    let entries: Vec<_> = leases.entries_of(first).map(|entry| entry.to_string()).collect();
    assert_eq!(entries, ["192.0.2.0/24", "2001:db8::/64", "2001:db8:0:1::/64"]);
}

#[test]
fn an_administrator_who_deletes_a_network_by_hand_revokes_it_for_all_its_hosts() {
    let wide =
        |name| Door { table: table("shared"), v4_prefix: 24, v6_prefix: 64, ..door(name) };
    let narrow = Door { table: table("shared"), ..door("mail") };
    let doors = vec![wide("ssh"), wide("web"), narrow];
    let policy = Parts { doors, ..Parts::default() }.policy();
    let mut leases = Leases::new(policy, &mut TableList::default());
    let mail = DoorIndex(2);
    let addresses = ["192.0.1.255", "192.0.2.1", "192.0.2.254", "192.0.3.0", "2001:db8::1"];
    for (door, address) in
        [SSH, WEB, mail].into_iter().flat_map(|door| addresses.map(|a| (door, a)))
    {
        let key = LeaseKey { door, address: ip(address) };
        leases.commit(key, Holder::Sequence, Duration::from_secs(60), mono(0), false);
    }
    let table = leases.table_of(SSH).unwrap();
    let mut revoke = |address: &str, prefix: u8| {
        let entry = Entry::new(ip(address), prefix).unwrap();
        let closed = leases.revoke(Slot { table, entry });
        closed.iter().map(|closed| (closed.key.door, closed.key.address)).collect::<Vec<_>>()
    };
    let hosts = [ip("192.0.2.1"), ip("192.0.2.254")];
    let both = [SSH, WEB].into_iter().flat_map(|door| hosts.map(|host| (door, host)));
    assert_eq!(revoke("192.0.2.0", 24), both.collect::<Vec<_>>());
    assert_eq!(revoke("192.0.2.1", 32), [(mail, ip("192.0.2.1"))]);
    assert_eq!(revoke("2001:db8::", 64), [(SSH, ip("2001:db8::1")), (WEB, ip("2001:db8::1"))]);
    assert_eq!(revoke("192.0.2.0", 24), []);
}

#[test]
fn a_token_whose_counter_did_not_rise_is_known_and_costs_no_second_proof() {
    let mut replay: Replay<()> = Replay::new(Wall::default());
    let issued = at(0).wall;
    let expires = issued + Duration::from_secs(30);
    let token = |id: u8, counter| ReplayId { id: [id; 16], issued, expires, counter };
    assert_eq!(replay.record([1; 8], token(1, 7), (), at(0)), Ok(()));
    assert_eq!(replay.record([1; 8], token(2, 7), (), at(0)), Err(Reason::Counter));
    assert!(replay.seen(&[1; 8], &[2; 16]).is_some());
    assert_eq!(replay.record([1; 8], token(2, 7), (), at(0)), Err(Reason::Replayed));
    assert_eq!(replay.record([1; 8], token(3, 8), (), at(0)), Ok(()));
}

#[test]
fn a_counter_only_goes_up_and_never_ends() {
    let mut replay: Replay<()> = Replay::new(Wall::default());
    let mut number = 0_u8;
    let mut use_token = |counter: u32| {
        number += 1;
        let issued = at(0).wall;
        let expires = issued + Duration::from_secs(30);
        let token = ReplayId { id: [number; 16], issued, expires, counter };
        replay.record([1; 8], token, (), at(0))
    };
    for (counter, expected) in [
        (0, Ok(())),
        (0, Ok(())),
        (7, Ok(())),
        (7, Err(Reason::Counter)),
        (0, Err(Reason::Counter)),
        (6, Err(Reason::Counter)),
        (8, Ok(())),
        (u32::MAX, Ok(())),
        (1, Err(Reason::Counter)),
    ] {
        assert_eq!(use_token(counter), expected, "{counter}");
    }
}

/// A statement, its signature by the key 5e, and what the security key says.
fn attested(flags: u8, counter: u32) -> (Statement, [u8; PROOF_LENGTH]) {
    let statement = Statement::new(&[1; 16], &[2; 16], &[3; 48]);
    let attested = Attested { flags, counter };
    let pair = SigningKey::from_bytes(&[0x5e; 32]);
    let signature = pair.sign(&attested.signed("ssh:", &sshsig::blob(&statement)));
    let mut proof = [0; PROOF_LENGTH];
    proof[..64].copy_from_slice(&signature.to_bytes());
    proof[64] = flags;
    proof[65..69].copy_from_slice(&counter.to_be_bytes());
    (statement, proof)
}

#[test]
fn a_security_key_proves_by_touch_by_its_application_and_by_every_bit() {
    let public = SigningKey::from_bytes(&[0x5e; 32]).verifying_key().to_bytes();
    let key = |application, verify| -> Credential {
        SecurityKey::new(&public, application, verify).unwrap().into()
    };
    for (flags, verify, expected) in [
        (1, false, Ok(7)),
        (5, false, Ok(7)),
        (5, true, Ok(7)),
        (1, true, Err(Reason::Unverified)),
        (0, false, Err(Reason::Untouched)),
        (4, true, Err(Reason::Untouched)),
        (3, false, Err(Reason::Invalid)),
        (0x81, false, Err(Reason::Invalid)),
    ] {
        let (statement, proof) = attested(flags, 7);
        let found = key("ssh:", verify).check(&statement, &proof);
        assert_eq!(found.map(|proven| proven.counter), expected, "{flags} {verify}");
    }
    let (statement, proof) = attested(1, 7);
    assert_eq!(key("ssh:other", false).check(&statement, &proof), Err(Reason::Unproven));
    for bit in 0..69 * 8 {
        let mut changed = proof;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(key("ssh:", false).check(&statement, &changed).is_err(), "bit {bit}");
    }
}

/// The cases of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020)
/// that are not to be taken: message, public key, signature, all in hex.
const SPECKS: [[&str; 3]; 9] = [
    // Small order of the key and of R.
    [
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
    ],
    // Small order of the key.
    [
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    ],
    // Small order of R.
    [
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
    ],
    // Good only when multiplied by the cofactor.
    [
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
    ],
    // The same, with a hash of another reduction.
    [
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
    ],
    // S beyond the order of the group.
    [
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
    ],
    // S far beyond it.
    [
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
    ],
    // R not canonical, and hashed reduced.
    [
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
    ],
    // R not canonical, and hashed as it stands.
    [
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
    ],
];

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    let bytes: Vec<_> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().unwrap()
}

#[test]
fn keys_and_signatures_that_some_libraries_take_are_refused() {
    let mut lax = 0;
    for [message, public, signature] in SPECKS {
        let (message, public) = (unhex::<32>(message), unhex::<32>(public));
        let signature = Signature::from_bytes(&unhex(signature));
        // By the rules that every credential is made and checked by.
        let is_weak = Ed25519::new(&public).is_err();
        let key = VerifyingKey::from_bytes(&public).unwrap();
        assert!(is_weak || key.verify_strict(&message, &signature).is_err(), "{signature:?}");
        lax += u32::from(key.verify(&message, &signature).is_ok());
        assert_eq!(Ssh::new(&public).is_err(), is_weak);
        assert_eq!(SecurityKey::new(&public, "ssh:", false).is_err(), is_weak);
    }
    assert!(lax >= 3, "they are as they were published: {lax} pass where nobody is strict");
}

#[test]
fn a_signature_moved_by_the_order_of_the_group_is_another_and_refused() {
    // L, little-endian (RFC 8032, section 5.1).
    let order: [u8; 32] =
        unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let statement = Statement::new(&[1; 16], &[2; 16], &[3; 48]);
    for pair in (0..8).map(|seed| SigningKey::from_bytes(&[seed; 32])) {
        let public = pair.verifying_key().to_bytes();
        let keys: [(Credential, _); 2] = [
            (Ed25519::new(&public).unwrap().into(), statement.as_bytes().to_vec()),
            (Ssh::new(&public).unwrap().into(), sshsig::blob(&statement).to_vec()),
        ];
        for (credential, message) in keys {
            let mut proof = [0; PROOF_LENGTH];
            proof[..64].copy_from_slice(&pair.sign(&message).to_bytes());
            assert!(credential.check(&statement, &proof).is_ok());
            let mut carry = 0;
            for (byte, more) in proof[32..64].iter_mut().zip(order) {
                let sum = u16::from(*byte) + u16::from(more) + carry;
                *byte = sum as u8;
                carry = sum >> 8;
            }
            assert_eq!(credential.check(&statement, &proof), Err(Reason::Unproven));
        }
    }
}
