//! Policies, clients' keys, tokens and sightings, as short as a test wants
//! to say them.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "every test file needs another part of it")]
#![allow(clippy::unwrap_used, reason = "all input is the tests' own")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use knockd::core::address::{Loopback, Networks};
use knockd::core::claim::Claim;
use knockd::core::command::Commands;
use knockd::core::credential::Credential;
use knockd::core::credential::ed25519::Ed25519;
use knockd::core::credential::secret::Secret;
use knockd::core::door::{self, Door, DoorIndex, OnClose, Table};
use knockd::core::gate::{Gate, Refusal, Verdict};
use knockd::core::hash;
use knockd::core::policy::{Limits, Policy, Spa};
use knockd::core::sequence::{Sequence, Steps};
use knockd::core::sighting::{FlagMask, Port, Protocol, Segment, Sighting, TcpFlags};
use knockd::core::time::{Monotonic, Now, Wall};
use knockd::core::token::{
    CLAIM_LENGTH, GateKey, PROOF_LENGTH, Request, Salt, Statement, Wanted,
};
use knockd::core::user::{SourcePolicy, User};
use zeroize::Zeroizing;

pub const GATE_KEY: [u8; 32] = [0x17; 32];
pub const OTHER_GATE_KEY: [u8; 32] = [0x29; 32];
pub const SERVER: &str = "gate.example.org";
pub const SPA_PORT: u16 = 62_201;
pub const SKEW: Duration = Duration::from_secs(30);
/// The wall clock of the tests at [`at`] zero.
pub const EPOCH: u64 = 1_800_000_000_000;

pub const SSH: DoorIndex = DoorIndex(0);
pub const WEB: DoorIndex = DoorIndex(1);

/// Both clocks, `millis` after the tests' beginning.
pub fn at(millis: u64) -> Now {
    Now { monotonic: mono(millis), wall: Wall::from_millis(EPOCH + millis) }
}

pub fn mono(millis: u64) -> Monotonic {
    Monotonic::from_nanos((1_000_000 + millis) * 1_000_000)
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn tcp(number: u16) -> Port {
    Port { protocol: Protocol::Tcp, number }
}

pub fn udp(number: u16) -> Port {
    Port { protocol: Protocol::Udp, number }
}

pub fn table(name: &str) -> Table {
    Table { anchor: None, name: name.to_owned() }
}

/// A door with a table of its own.
pub fn door(name: &str) -> Door {
    Door {
        name: name.to_owned(),
        table: table(&format!("knock_{name}")),
        ports: vec![tcp(22)],
        open_for: Duration::from_secs(60),
        max_open_for: Duration::from_secs(600),
        max_leases: 1_000,
        on_close: OnClose::KeepStates,
        v4_prefix: 32,
        v6_prefix: 128,
        rdomain: 0,
        targets: Vec::new(),
        commands: Commands::default(),
    }
}

/// A strict sequence of initial SYNs and datagrams that opens ssh.
pub fn sequence(steps: &[Port]) -> Sequence {
    Sequence {
        name: "knocks".to_owned(),
        steps: Steps::Fixed(steps.to_vec()),
        within: Duration::from_secs(5),
        flags: FlagMask::INITIAL_SYN,
        strict: true,
        doors: vec![SSH],
        targets: Vec::new(),
    }
}

/// A user who may open ssh and web, for the address it comes from.
pub fn user(name: &str, key: &Key) -> User {
    User {
        name: name.to_owned(),
        credentials: vec![key.credential()],
        doors: vec![SSH, WEB],
        source: SourcePolicy::Bound,
        networks: Networks::default(),
        not_before: None,
        not_after: None,
        max_open_for: None,
        max_leases: 1_000,
        proofs_per_second: 20,
        note: String::new(),
    }
}

pub fn spa(gate_keys: &[[u8; 32]]) -> Spa {
    let pinned = |bytes: &[u8; 32]| {
        let key = GateKey::new(Zeroizing::new(*bytes));
        let server = key.server_id(SERVER);
        (key, server)
    };
    Spa { port: SPA_PORT, gate_keys: gate_keys.iter().map(pinned).collect(), max_skew: SKEW }
}

/// What a policy is made of; a test changes what it is about.
#[derive(Debug)]
pub struct Parts {
    pub spa: Option<Spa>,
    pub doors: Vec<Door>,
    pub users: Vec<User>,
    pub sequences: Vec<Sequence>,
    pub loopback: Loopback,
    pub limits: Limits,
}

impl Default for Parts {
    /// Doors ssh and web, alice with a secret, bob with a key pair.
    fn default() -> Self {
        Self {
            spa: Some(spa(&[GATE_KEY])),
            doors: vec![door("ssh"), door("web")],
            users: vec![user("alice", &Key::alice()), user("bob", &Key::bob())],
            sequences: Vec::new(),
            loopback: Loopback::Refused,
            limits: Limits { max_leases: 1_000, max_attempts: 1_000 },
        }
    }
}

impl Parts {
    pub fn policy(self) -> Arc<Policy> {
        Arc::new(Policy::new(
            self.spa,
            self.doors,
            self.users,
            self.sequences,
            self.loopback,
            self.limits,
        ))
    }

    pub fn gate(self) -> Gate {
        Gate::new(self.policy(), Wall::default())
    }
}

/// What a user holds.
#[derive(Clone)]
pub enum Key {
    Secret([u8; 32]),
    Ed25519(SigningKey),
}

impl Key {
    pub fn alice() -> Self {
        Self::Secret([0xa1; 32])
    }

    pub fn bob() -> Self {
        Self::Ed25519(SigningKey::from_bytes(&[0xb0; 32]))
    }

    pub fn credential(&self) -> Credential {
        match self {
            Self::Secret(secret) => Secret(Zeroizing::new(*secret)).into(),
            Self::Ed25519(key) => Ed25519::new(&key.verifying_key().to_bytes()).unwrap().into(),
        }
    }

    pub fn prove(&self, statement: &Statement) -> [u8; PROOF_LENGTH] {
        let mut proof = [0; PROOF_LENGTH];
        match self {
            Self::Secret(secret) => {
                proof[..32].copy_from_slice(&hash::hmac(secret, &[statement.as_bytes()]));
            }
            Self::Ed25519(key) => {
                proof[..64].copy_from_slice(&key.sign(statement.as_bytes()).to_bytes());
            }
        }
        proof
    }
}

/// A token to be; a test changes what it is about.
#[derive(Clone)]
pub struct Draft {
    pub gate_key: [u8; 32],
    pub server: &'static str,
    pub key: Key,
    pub nonce: [u8; 12],
    pub request: Request,
}

impl Draft {
    /// A token of `key` for door ssh, for 192.0.2.7, of the tests'
    /// beginning.
    pub fn new(key: &Key) -> Self {
        let credential = key.credential();
        let request = Request {
            kind: credential.kind().unwrap(),
            issued: at(0).wall,
            user: credential.id(),
            door: door::wire_id("ssh"),
            wanted: Wanted::Address(ip("192.0.2.7")),
            lifetime: None,
        };
        Self {
            gate_key: GATE_KEY,
            server: SERVER,
            key: key.clone(),
            nonce: [0x5a; 12],
            request,
        }
    }

    /// The same with the `number`th nonce.
    pub fn salted(mut self, number: u64) -> Self {
        self.nonce[..8].copy_from_slice(&number.to_be_bytes());
        self
    }

    pub fn salt(&self) -> Salt {
        GateKey::new(Zeroizing::new(self.gate_key)).salt(&self.nonce)
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.changed(|_| {}, |_| {})
    }

    /// The token with its claim changed before it is proven, and its proof
    /// after.
    pub fn changed(
        &self,
        claim_change: impl FnOnce(&mut [u8; CLAIM_LENGTH]),
        proof_change: impl FnOnce(&mut [u8; PROOF_LENGTH]),
    ) -> Vec<u8> {
        let gate = GateKey::new(Zeroizing::new(self.gate_key));
        let mut claim = self.request.encode();
        claim_change(&mut claim);
        let salt = gate.salt(&self.nonce);
        let statement = Statement::new(&gate.server_id(self.server), &salt, &claim);
        let mut proof = self.key.prove(&statement);
        proof_change(&mut proof);
        gate.seal(&salt, &claim, &proof, &[0xee; 255])
    }
}

/// An initial SYN; `number` tells one segment from the next.
pub fn syn(source: IpAddr, port: u16, number: u32) -> Sighting<'static> {
    segment(source, port, TcpFlags::SYN, number)
}

pub fn segment(source: IpAddr, port: u16, flags: TcpFlags, sequence: u32) -> Sighting<'static> {
    let segment = Segment::Tcp { source_port: 40_000, port, flags, sequence };
    Sighting { interface: 0, source, destination: ip("198.51.100.1"), segment }
}

pub fn datagram(source: IpAddr, port: u16, payload: &[u8]) -> Sighting<'_> {
    let segment = Segment::Udp { source_port: 50_000, port, payload };
    Sighting { interface: 0, source, destination: ip("198.51.100.1"), segment }
}

/// The same packet as another interface saw it.
pub fn on<'a>(interface: u32, sighting: Sighting<'a>) -> Sighting<'a> {
    Sighting { interface, ..sighting }
}

pub fn outcome(verdict: Verdict) -> Result<Vec<Claim>, Refusal> {
    match verdict {
        Verdict::Open(claims) => Ok(claims),
        Verdict::Ignore(refusal) => Err(refusal),
    }
}
