//! The token, byte by byte: what a client builds, a server opens, and
//! nothing else passes.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use knockd::client::ClientError;
use knockd::client::access::{Access, Random, Wish};
use knockd::client::key::ed25519::Ed25519;
use knockd::client::key::secret::Secret;
use knockd::client::key::ssh::Ssh;
use knockd::client::key::{Held, Signs, UserKey};
use knockd::core::bytes::Writer;
use knockd::core::credential::security_key::SecurityKey;
use knockd::core::credential::{self, Credential, ProofKind, secret};
use knockd::core::door;
use knockd::core::reason::Reason;
use knockd::core::sshsig::Attested;
use knockd::core::time::Wall;
use knockd::core::token::{
    BASE_LENGTH, CLAIM_LENGTH, GateKey, MAX_LENGTH, PROOF_LENGTH, Request, Statement, Wanted,
};
use proptest::prelude::*;
use zeroize::Zeroizing;

/// One known answer, computed by an independent implementation.
struct Known {
    key: fn() -> Box<dyn UserKey>,
    credential: fn() -> Credential,
    address: &'static str,
    token: &'static str,
}

// All known answers share the gate key 00 to 1f, the nonce 80 to 8b, the
// padding 00 07 0e ..., the server gw1.example.org, the door ssh, 60 seconds
// and 2026-01-01T00:00:00Z.
const ISSUED: Wall = Wall::from_millis(1_767_225_600_000);
const SERVER: &str = "gw1.example.org";
const PADDING: usize = 53;

const KNOWN: [Known; 4] = [
    Known {
        key: || Box::new(Secret(Zeroizing::new(counting(0x20)))),
        credential: || secret::Secret(Zeroizing::new(counting(0x20))).into(),
        address: "192.0.2.7",
        token: "\
            808182838485868788898a8b064211321a7410f90a3b13da65ee6e41a1c6a1a28cca6cf042284057\
            79133fec8db9b6a0a8eec54f3fc1c2a4b4b1e26a698688a81273713ba090b6a2152d85cb0c282779\
            6c33d1eafb48d1790eea3b23e2bf33403485064a272db15b2cfb6639401b7abaefbd826d6cd9369b\
            a3ccbf77cc9307b23c29be8082ec65d500070e151c232a31383f464d545b626970777e858c939aa1\
            a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d343b424950575e656ccc7a844ed7a637767fb8bf\
            bb635cd33d2b59e1a865e1c5d2b9f8399045b290ee",
    },
    Known {
        key: || Box::new(Ed25519::new(&counting(0x40))),
        credential: || ed25519(0x40),
        address: "2001:db8::7",
        token: "\
            808182838485868788898a8b064211321a7710f90a3b13da65ee6e418e5634dd730d1a2542284057\
            79133fecadb8bb18a8eec54f3fc13d5b74b1e06a698688a8c894814ca940cd604f27e6f3add98d42\
            36ebf627301892ccc6a8acc1a103b87f015b054bd357674b14e7c79ea7d4628164d124b8cb4110e6\
            bb2f9ae2345ac7b23c29be8082ec65d500070e151c232a31383f464d545b626970777e858c939aa1\
            a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d343b424950575e656c55c45ce97acf84c4ce0abc\
            5d0e64d92ba858242158dbca204b03da64d5fafecb",
    },
    Known {
        key: || Box::new(Ssh::new(&counting(0x40))),
        credential: || credential::ssh::Ssh::new(&public(0x40)).unwrap().into(),
        address: "",
        token: "\
            808182838485868788898a8b064211321a7610f80a3b13da65ee6e415d5b9f4cd26ea3a442284057\
            79133fec8db9b6a0a8eec54f3fc13d5b74b1e06d698688a8d5a67245c3d52d32079b9fa803e59b15\
            85bd03969bb9e947220f6bd1112102dc00ba05e56b469ad406e5c5b01d7dfa7706f841877c080cff\
            607a738c1bf5b4bb3c29be8082ec65d500070e151c232a31383f464d545b626970777e858c939aa1\
            a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d343b424950575e656c7974148ef2a55ec6630ee6\
            bb910d32928456abe3c9cf4a54ee15462a78ac0196",
    },
    Known {
        key: security_key,
        credential: || SecurityKey::new(&public(0x40), "ssh:", false).unwrap().into(),
        address: "192.0.2.7",
        token: "\
            808182838485868788898a8b064211321a7110f90a3b13da65ee6e41f2750ca40cc328ae42284057\
            79133fec8db9b6a0a8eec54f3fc1c2a4b4b1e26a698688a88d6198af1cde9cd7faa756c7a53b19b6\
            640154219bb8dc2aac2ce5bbc7fbd919937715751f99795d64739bf5aa110aeb2d0104a86d735b98\
            3e3065434f3648b23d29be8085ec65d500070e151c232a31383f464d545b626970777e858c939aa1\
            a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d343b424950575e656cf965d6ced43ac82d13bbbd\
            d4a1feac321fd2874aeda252566b9ce0678558f2ed",
    },
];

/// A security key with the seed 40 to 5f, made for `ssh:`, that was touched and
/// has signed seven times.
fn security_key() -> Box<dyn UserKey> {
    struct Touched(Ed25519);
    impl Signs for Touched {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ClientError> {
            let attested = Attested { flags: 1, counter: 7 };
            let signature = self.0.sign(&attested.signed("ssh:", message));
            let begin = Writer::new().string(b"sk-ssh-ed25519@openssh.com").string(&signature);
            Ok(begin.u8(1).u32(7).end().to_vec())
        }
    }
    let public = Box::new(SecurityKey::new(&public(0x40), "ssh:", false).unwrap());
    Box::new(Held { public, holder: Touched(Ed25519::new(&counting(0x40))) })
}

const fn counting<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [0; N];
    let mut index = 0;
    while index < N {
        bytes[index] = first + index as u8;
        index += 1;
    }
    bytes
}

/// The public half of the key whose seed begins with `first`.
fn public(first: u8) -> [u8; 32] {
    Ed25519::new(&counting(first)).public()
}

fn ed25519(first: u8) -> Credential {
    credential::ed25519::Ed25519::new(&public(first)).unwrap().into()
}

fn gate_key() -> GateKey {
    GateKey::new(Zeroizing::new(counting(0)))
}

fn random() -> Random {
    let mut padding = [0; 255];
    for (byte, index) in padding[..PADDING].iter_mut().zip(0_u8..) {
        *byte = index.wrapping_mul(7);
    }
    Random { nonce: counting(0x80), padding }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

impl Known {
    fn wanted(&self) -> Wanted {
        match self.address {
            "" => Wanted::Source,
            address => Wanted::Address(address.parse().unwrap()),
        }
    }

    fn build(&self, server_name: &str) -> Vec<u8> {
        let access =
            Access { gate_key: gate_key(), server_name: server_name.into(), key: (self.key)() };
        let ask = Wish { door: "ssh".into(), lifetime: Some(Duration::from_secs(60)) };
        access.token(&ask, self.wanted(), ISSUED, &random()).unwrap()
    }
}

/// Whether the token of `datagram` is proven to the server `name`.
fn is_proven(credential: &Credential, name: &str, datagram: &[u8]) -> bool {
    let body = gate_key().open(datagram).unwrap();
    let statement = Statement::new(&gate_key().server_id(name), &body.salt, body.claim());
    credential.check(&statement, body.proof()).is_ok()
}

#[test]
fn what_is_built_is_the_known_answer() {
    for known in &KNOWN {
        assert_eq!(known.build(SERVER), from_hex(known.token));
    }
}

/// The page's own words, without white space.
fn page() -> String {
    include_str!("../../man/spa.7").split_ascii_whitespace().collect()
}

#[test]
fn the_known_answers_of_the_manual_are_these() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let page = page();
    for known in &KNOWN {
        let datagram = from_hex(known.token);
        let body = gate_key().open(&datagram).unwrap();
        let kind = (known.credential)().kind().unwrap();
        let user = format!("userid{}", hex(&(known.credential)().id()));
        let proof = format!("proof{}", hex(&body.proof()[..kind.length]));
        assert!(page.contains(&user) && page.contains(&proof), "{kind:?}");
        let end = if kind == &secret::KIND { 0 } else { datagram.len() - 32 };
        assert!(page.contains(&hex(&datagram[end..])), "{kind:?}");
    }
}

#[test]
fn the_known_answer_is_opened_read_and_believed() {
    for known in &KNOWN {
        let datagram = from_hex(known.token);
        let credential = (known.credential)();
        let body = gate_key().open(&datagram).unwrap();
        let expected = Request {
            kind: credential.kind().unwrap(),
            issued: ISSUED,
            user: credential.id(),
            door: door::wire_id("ssh"),
            wanted: known.wanted(),
            lifetime: Some(Duration::from_secs(60)),
        };
        assert_eq!(body.decode(), Ok(expected));
        assert!(is_proven(&credential, SERVER, &datagram));
        assert_eq!(gate_key().token_length(), BASE_LENGTH + PADDING);
    }
}

#[test]
fn a_token_for_another_server_proves_nothing() {
    for known in &KNOWN {
        let datagram = known.build("gw2.example.org");
        assert!(is_proven(&(known.credential)(), "gw2.example.org", &datagram));
        assert!(!is_proven(&(known.credential)(), SERVER, &datagram));
    }
}

#[test]
fn a_token_of_another_user_proves_nothing() {
    for (number, known) in KNOWN.iter().enumerate() {
        for (place, other) in KNOWN.iter().enumerate() {
            let is_own = is_proven(&(known.credential)(), SERVER, &other.build(SERVER));
            assert_eq!(is_own, number == place, "kinds {} and {}", number + 1, place + 1);
        }
    }
    assert!(!is_proven(&ed25519(0x41), SERVER, &KNOWN[1].build(SERVER)));
}

#[test]
fn no_bit_can_be_flipped() {
    let gate_key = gate_key();
    for known in &KNOWN {
        let mut datagram = from_hex(known.token);
        for bit in 0..datagram.len() * 8 {
            let mask = 1 << (bit % 8);
            datagram[bit / 8] ^= mask;
            assert_eq!(gate_key.open(&datagram), Err(Reason::Stranger), "bit {bit}");
            datagram[bit / 8] ^= mask;
        }
        assert!(gate_key.open(&datagram).is_ok());
    }
}

#[test]
fn a_right_tag_under_a_wrong_mark_is_a_strangers() {
    let Random { nonce, padding } = random();
    for bit in 0..32 {
        let mut salt = gate_key().salt(&nonce);
        salt[12 + bit / 8] ^= 1 << (bit % 8);
        let datagram = gate_key().seal(&salt, &[1; CLAIM_LENGTH], &[0; PROOF_LENGTH], &padding);
        assert_eq!(gate_key().open(&datagram), Err(Reason::Stranger), "bit {bit}");
    }
}

#[test]
fn no_byte_can_be_missing_or_too_much() {
    for known in &KNOWN {
        let datagram = from_hex(known.token);
        let mut longer = datagram.clone();
        longer.push(0);
        for wrong in [&datagram[1..], &datagram[..datagram.len() - 1], &longer, &[]] {
            assert_eq!(gate_key().open(wrong), Err(Reason::Length));
        }
    }
}

#[test]
fn a_token_under_another_gate_key_is_a_strangers() {
    let own = gate_key();
    // Found by trial, so that the length alone does not tell them apart.
    let other = (0..=255_u8)
        .flat_map(|first| (0..=255_u8).map(move |second| (first, second)))
        .map(|(first, second)| {
            let mut bytes = counting(0);
            bytes[0] = first;
            bytes[1] = second;
            (bytes, GateKey::new(Zeroizing::new(bytes)))
        })
        .find(|(bytes, key)| *bytes != counting(0) && key.token_length() == own.token_length());
    let (_, other) = other.unwrap();
    assert_eq!(other.open(&KNOWN[0].build(SERVER)), Err(Reason::Stranger));
}

#[test]
fn a_claim_that_breaks_the_format_is_refused() {
    let decode = |offset: usize, value: u8, kind: u8| {
        let known = &KNOWN[usize::from(kind) - 1];
        let body = gate_key().open(&from_hex(known.token)).unwrap();
        let (mut claim, mut proof) = (*body.claim(), *body.proof());
        match offset.checked_sub(CLAIM_LENGTH) {
            None => claim[offset] = value,
            Some(offset) => proof[offset] = value,
        }
        let Random { nonce, padding } = random();
        let salt = gate_key().salt(&nonce);
        gate_key().open(&gate_key().seal(&salt, &claim, &proof, &padding)).unwrap().decode()
    };
    assert_eq!(decode(0, 2, 1), Err(Reason::Version));
    assert_eq!(decode(0, 0, 1), Err(Reason::Version));
    for (offset, value, kind) in [
        (1, 0, 1),   // no such kind
        (1, 5, 1),   // no such kind
        (2, 1, 1),   // unknown flag
        (3, 2, 1),   // unknown flag
        (3, 1, 1),   // an address beside the flag that forbids one
        (80, 1, 1),  // padding of a 32-byte proof
        (119, 1, 1), // its end
        (112, 1, 2), // padding of a 64-byte proof
        (119, 1, 2), // its end
    ] {
        assert_eq!(decode(offset, value, kind), Err(Reason::Invalid), "{offset} = {value}");
    }
}

fn requests() -> impl Strategy<Value = Request> {
    let kind = prop::sample::select(ProofKind::ALL);
    let wanted = prop_oneof![
        Just(Wanted::Source),
        any::<IpAddr>().prop_map(|address| Wanted::Address(address.to_canonical())),
    ];
    let lifetime = prop::option::of((1..=u32::MAX).prop_map(|s| Duration::from_secs(s.into())));
    (kind, any::<u64>(), any::<[u8; 8]>(), any::<[u8; 8]>(), wanted, lifetime).prop_map(
        |(kind, issued, user, door, wanted, lifetime)| Request {
            kind,
            issued: Wall::from_millis(issued),
            user,
            door,
            wanted,
            lifetime,
        },
    )
}

fn proof_of(kind: &ProofKind) -> [u8; PROOF_LENGTH] {
    let mut proof = [0; PROOF_LENGTH];
    proof[..kind.length].fill(0xa5);
    proof
}

proptest! {
    #[test]
    fn every_request_survives_the_way(
        request in requests(),
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; 12]>(),
    ) {
        let gate_key = GateKey::new(Zeroizing::new(key));
        let proof = proof_of(request.kind);
        let salt = gate_key.salt(&nonce);
        let datagram = gate_key.seal(&salt, &request.encode(), &proof, &[0x5a; 255]);
        prop_assert_eq!(datagram.len(), gate_key.token_length());
        let body = gate_key.open(&datagram).unwrap();
        prop_assert_eq!(body.salt, salt);
        prop_assert_eq!(body.proof(), &proof);
        prop_assert_eq!(body.decode(), Ok(request));
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..=MAX_LENGTH + 1),
    ) {
        prop_assert!(gate_key().open(&bytes).is_err());
        let mut bytes = bytes;
        bytes.resize(gate_key().token_length(), 0);
        let (nonce, rest) = bytes.split_first_chunk_mut().unwrap();
        rest[..4].copy_from_slice(&gate_key().mark_key().mark(nonce));
        prop_assert_eq!(gate_key().open(&bytes), Err(Reason::Stranger));
    }

    #[test]
    fn an_arbitrary_body_is_read_or_refused_without_a_panic(
        claim in any::<[u8; CLAIM_LENGTH]>(),
        // The first bytes are the likely ones, so that decoding gets further.
        kind in 0_u8..4,
        flags in 0_u8..4,
        proof in prop::collection::vec(any::<u8>(), PROOF_LENGTH),
    ) {
        let mut claim = claim;
        claim[..4].copy_from_slice(&[1, kind, 0, flags]);
        let proof = <[u8; PROOF_LENGTH]>::try_from(proof).unwrap();
        let salt = gate_key().salt(&counting(0));
        let datagram = gate_key().seal(&salt, &claim, &proof, &[0; 255]);
        let body = gate_key().open(&datagram).unwrap();
        if let Ok(request) = body.decode() {
            prop_assert_eq!(request.kind.number, kind);
        }
        for known in &KNOWN {
            let server = gate_key().server_id(SERVER);
            let statement = Statement::new(&server, &body.salt, body.claim());
            prop_assert!((known.credential)().check(&statement, body.proof()).is_err());
        }
    }
}
