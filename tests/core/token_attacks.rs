//! What becomes of tokens that somebody changed or made up.
#![forbid(unsafe_code)]

use crate::policy::{
    Draft, GATE_KEY, Key, OTHER_GATE_KEY, Parts, SERVER, SPA_PORT, SSH, at, datagram, ip, mono,
    outcome, spa, user,
};
use ed25519_dalek::SigningKey;
use knockd::core::credential::BadKey;
use knockd::core::credential::ed25519::{self, Ed25519};
use knockd::core::door::DoorIndex;
use knockd::core::gate::Gate;
use knockd::core::reason::Reason;
use knockd::core::time::Now;
use knockd::core::token::{BASE_LENGTH, GateKey, MAX_LENGTH, PROOF_LENGTH, Statement};
use knockd::core::user::User;
use zeroize::Zeroizing;

/// The order of Ed25519's base point (RFC 8032, section 5.1), low byte first.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
    0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn judge(gate: &mut Gate, bytes: &[u8], now: Now) -> Result<DoorIndex, Reason> {
    let sighting = datagram(ip("192.0.2.7"), SPA_PORT, bytes);
    match outcome(gate.judge(&sighting, now)) {
        Ok(claims) => Ok(claims[0].door),
        Err(refusal) => Err(refusal.reason),
    }
}

/// What a gate of its own says, at the time of issue.
fn alone(bytes: &[u8]) -> Result<DoorIndex, Reason> {
    judge(&mut Parts::default().gate(), bytes, at(0))
}

fn keys() -> [Key; 2] {
    [Key::alice(), Key::bob()]
}

#[test]
fn one_changed_bit_makes_a_stranger_and_the_token_itself_still_opens_once() {
    for key in keys() {
        let mut gate = Parts::default().gate();
        let mut bytes = Draft::new(&key).bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(judge(&mut gate, &bytes, at(0)), Err(Reason::Stranger), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(judge(&mut gate, &bytes, at(0)), Ok(SSH));
        assert_eq!(judge(&mut gate, &bytes, at(0)), Err(Reason::Replayed));
    }
}

#[test]
fn one_changed_bit_under_a_right_tag_proves_nothing() {
    for key in keys() {
        let mut gate = Parts::default().gate();
        let draft = Draft::new(&key);
        let proof = proof_of(&draft);
        let claim = draft.request.encode();
        let sealed = GateKey::new(Zeroizing::new(GATE_KEY));
        for bit in 0..(16 + 48 + PROOF_LENGTH) * 8 {
            let mut all = [draft.salt().as_slice(), &claim, &proof].concat();
            all[bit / 8] ^= 1 << (bit % 8);
            let (salt, rest) = all.split_first_chunk().unwrap();
            let (claim, proof) = rest.split_first_chunk().unwrap();
            let bytes = sealed.seal(salt, claim, proof.first_chunk().unwrap(), &[0; 255]);
            let now = Now { monotonic: mono(50 * bit as u64), ..at(0) };
            let judged = judge(&mut gate, &bytes, now);
            assert!(judged.is_err(), "bit {bit}");
            assert_ne!(judged, Err(Reason::Throttled), "bit {bit} was judged at all");
        }
        let later = Now { monotonic: mono(100_000), ..at(0) };
        assert_eq!(judge(&mut gate, &draft.bytes(), later), Ok(SSH));
    }
}

fn proof_of(draft: &Draft) -> [u8; PROOF_LENGTH] {
    let mut kept = [0; PROOF_LENGTH];
    let _ = draft.changed(|_| {}, |proof| kept = *proof);
    kept
}

#[test]
fn other_padding_makes_no_other_token() {
    let draft = Draft::new(&Key::alice());
    let sealed = GateKey::new(Zeroizing::new(GATE_KEY));
    let claim = draft.request.encode();
    let again = sealed.seal(&draft.salt(), &claim, &proof_of(&draft), &[0x33; 255]);
    assert_ne!(again, draft.bytes());
    let mut gate = Parts::default().gate();
    assert_eq!(judge(&mut gate, &draft.bytes(), at(0)), Ok(SSH));
    assert_eq!(judge(&mut gate, &again, at(0)), Err(Reason::Replayed));
}

#[test]
fn no_other_length_is_a_token() {
    let bytes = Draft::new(&Key::alice()).bytes();
    let longest = vec![0; MAX_LENGTH + 1];
    for length in (0..=MAX_LENGTH + 1).filter(|length| *length != bytes.len()) {
        let cut = &bytes[..length.min(bytes.len())];
        let other = [cut, &longest[cut.len()..length]].concat();
        assert_eq!(alone(&other), Err(Reason::Length), "{length}");
    }
    assert!(bytes.len() > BASE_LENGTH && alone(&bytes).is_ok());
}

#[test]
fn a_wrong_gate_key_makes_a_stranger_even_where_the_length_fits() {
    let length = GateKey::new(Zeroizing::new(GATE_KEY)).token_length();
    let fitting = (0..u16::MAX).map(|number| {
        let mut key = [0x44; 32];
        key[..2].copy_from_slice(&number.to_be_bytes());
        key
    });
    let mut fitting =
        fitting.filter(|key| GateKey::new(Zeroizing::new(*key)).token_length() == length);
    let gate_key = fitting.next().unwrap();
    let draft = Draft { gate_key, ..Draft::new(&Key::alice()) };
    assert_eq!(alone(&draft.bytes()), Err(Reason::Stranger));
    let draft = Draft { gate_key: OTHER_GATE_KEY, ..Draft::new(&Key::alice()) };
    assert_eq!(alone(&draft.bytes()), Err(Reason::Length));
}

#[test]
fn while_keys_change_the_old_and_the_new_one_open() {
    let both = || Some(spa(&[OTHER_GATE_KEY, GATE_KEY]));
    let mut gate = Parts { spa: both(), ..Parts::default() }.gate();
    let old = Draft::new(&Key::bob());
    let new = Draft { gate_key: OTHER_GATE_KEY, ..Draft::new(&Key::alice()) };
    assert_eq!(judge(&mut gate, &old.bytes(), at(0)), Ok(SSH));
    assert_eq!(judge(&mut gate, &new.bytes(), at(0)), Ok(SSH));

    // A proof made under the one key is none under the other.
    let sealed = GateKey::new(Zeroizing::new(OTHER_GATE_KEY));
    let old = old.salted(1);
    let salt = sealed.salt(&old.nonce);
    let moved = sealed.seal(&salt, &old.request.encode(), &proof_of(&old), &[0; 255]);
    assert_eq!(judge(&mut gate, &moved, at(0)), Err(Reason::Unproven));
    let none_of_both = Draft { gate_key: [0x55; 32], ..new };
    assert!(judge(&mut gate, &none_of_both.bytes(), at(0)).is_err());
}

#[test]
fn a_token_for_another_server_proves_nothing_here() {
    for key in keys() {
        for server in ["gate.example.net", "", "gate.example.org."] {
            assert_ne!(server, SERVER);
            let draft = Draft { server, ..Draft::new(&key) };
            assert_eq!(alone(&draft.bytes()), Err(Reason::Unproven));
        }
    }
}

#[test]
fn nobody_proves_to_be_another() {
    let (alice, bob) = (Draft::new(&Key::alice()), Draft::new(&Key::bob()));
    let carol = Key::Secret([0xc4; 32]);
    let users = ["alice", "bob", "carol"].into_iter().zip([Key::alice(), Key::bob(), carol]);
    let users: Vec<User> = users.map(|(name, key)| user(name, &key)).collect();
    let mut gate = Parts { users, ..Parts::default() }.gate();
    let carol = Key::Secret([0xc4; 32]);
    for (forger, victim) in [
        (Draft { key: carol, ..alice.clone() }, &alice),
        (Draft { key: Key::Ed25519(SigningKey::from_bytes(&[9; 32])), ..bob.clone() }, &bob),
    ] {
        assert_eq!(judge(&mut gate, &forger.bytes(), at(0)), Err(Reason::Unproven));
        assert_eq!(judge(&mut gate, &victim.bytes(), at(0)), Ok(SSH), "its salt is not burnt");
    }
    let mut nobody = alice.salted(1);
    nobody.request.user = [7; 8];
    assert_eq!(judge(&mut gate, &nobody.bytes(), at(0)), Err(Reason::Unknown));
}

#[test]
fn a_credential_accepts_its_own_kind_alone() {
    let kind = |draft: &Draft, number: u8| draft.changed(|claim| claim[1] = number, |_| {});
    let (alice, bob) = (Draft::new(&Key::alice()), Draft::new(&Key::bob()));
    for number in 0..=u8::MAX {
        assert_eq!(alone(&kind(&alice, number)).is_ok(), number == 1);
        assert_eq!(alone(&kind(&bob, number)).is_ok(), number == 2);
    }
    // What everybody knows, bob's public key, is no secret to prove with.
    let Key::Ed25519(pair) = Key::bob() else { unreachable!() };
    let public = pair.verifying_key().to_bytes();
    let mut confused = Draft::new(&Key::Secret(public));
    confused.request.user = ed25519::id(&public);
    assert_eq!(alone(&confused.bytes()), Err(Reason::Invalid));
    let mut confused = Draft { key: Key::bob(), ..Draft::new(&Key::alice()) };
    confused.request.kind = bob.request.kind;
    assert_eq!(alone(&confused.bytes()), Err(Reason::Invalid));
}

#[test]
fn other_versions_and_flags_are_refused_even_when_proven() {
    for key in keys() {
        let draft = Draft::new(&key);
        for version in (0..=u8::MAX).filter(|version| *version != 1) {
            let bytes = draft.changed(|claim| claim[0] = version, |_| {});
            assert_eq!(alone(&bytes), Err(Reason::Version));
        }
        for bit in 0..16 {
            let flags = (1_u16 << bit).to_be_bytes();
            let set = |claim: &mut [u8; 48]| claim[2..4].copy_from_slice(&flags);
            assert_eq!(alone(&draft.changed(set, |_| {})), Err(Reason::Invalid), "bit {bit}");
        }
    }
}

#[test]
fn what_pads_a_proof_is_zero() {
    for (key, length) in keys().into_iter().zip([32, 64]) {
        for place in length..PROOF_LENGTH {
            let bytes = Draft::new(&key).changed(|_| {}, |proof| proof[place] = 1);
            assert_eq!(alone(&bytes), Err(Reason::Invalid), "byte {place}");
        }
    }
}

/// `number` plus the group's order: the same scalar, written otherwise.
fn plus_order(number: &mut [u8]) {
    let mut carry = 0;
    for (byte, add) in number.iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

#[test]
fn a_signature_has_one_form() {
    let draft = Draft::new(&Key::bob());
    let bytes = draft.changed(|_| {}, |proof| plus_order(&mut proof[32..64]));
    assert_eq!(alone(&bytes), Err(Reason::Unproven));
    for (place, bit) in [(31, 0x80), (63, 0x80), (63, 0x40), (63, 0x20)] {
        let bytes = draft.changed(|_| {}, |proof| proof[place] ^= bit);
        assert_eq!(alone(&bytes), Err(Reason::Unproven));
    }
}

#[test]
fn a_point_of_small_order_is_no_signature() {
    let mut identity = [0; PROOF_LENGTH];
    identity[0] = 1;
    let bytes = Draft::new(&Key::bob()).changed(|_| {}, |proof| *proof = identity);
    assert_eq!(alone(&bytes), Err(Reason::Unproven));
}

#[test]
fn keys_for_which_anybody_can_sign_are_refused() {
    let eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let other = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let bytes = |hex: &str| {
        let mut key = [0; 32];
        for (place, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap();
        }
        key
    };
    // y = -1, 0, 1 modulo p = 2^255 - 19, the last two also written as p, p + 1.
    let around = |low| {
        let mut key = [0xff; 32];
        (key[0], key[31]) = (low, 0x7f);
        key
    };
    let small = |low| {
        let mut key = [0; 32];
        key[0] = low;
        key
    };
    let weak = [
        bytes(eighth),
        bytes(other),
        small(0),
        small(1),
        around(0xec),
        around(0xed),
        around(0xee),
    ];
    for key in weak {
        for sign in [0, 0x80] {
            let mut key = key;
            key[31] |= sign;
            assert_eq!(Ed25519::new(&key).err(), Some(BadKey::Weak), "{key:02x?}");
        }
    }
    assert_eq!(Ed25519::new(&small(2)).err(), Some(BadKey::Weak), "no point at all");
    let Key::Ed25519(pair) = Key::bob() else { unreachable!() };
    assert!(Ed25519::new(&pair.verifying_key().to_bytes()).is_ok());
}

#[test]
fn a_secret_proves_by_all_its_32_bytes() {
    let draft = Draft::new(&Key::alice());
    let statement = Statement::new(&[0; 16], &draft.salt(), &draft.request.encode());
    let credential = Key::alice().credential();
    let proof = Key::alice().prove(&statement);
    assert!(credential.check(&statement, &proof).is_ok());
    for bit in 0..256 {
        let mut other = proof;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(credential.check(&statement, &other).is_err());
    }
}
