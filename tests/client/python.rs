//! A client written from spa(7) in another language, and ours: both make the
//! same bytes, and each reads what the other makes.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::policy::{GATE_KEY, Key, Parts, SERVER, SPA_PORT, at, datagram, ip, outcome, user};
use knockd::client::access::{Access, Random, Wish};
use knockd::client::key::UserKey;
use knockd::client::key::ed25519::Ed25519;
use knockd::client::key::secret::Secret;
use knockd::core::reason::Reason;
use knockd::core::token::{GateKey, Wanted};
use knockd::core::user::SourcePolicy;
use zeroize::Zeroizing;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/spa.py");
const SECRET: [u8; 32] = [0xa1; 32];
const SEED: [u8; 32] = [0xb0; 32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.trim().chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A Python that has what the other client needs.
fn interpreter() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let found = Command::new(python).args(["-c", "import cryptography"]).output();
        found.is_ok_and(|found| found.status.success())
    })
}

/// The other client, in one process for all runs: a start takes half a second.
struct Python {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut child = Command::new(interpreter().unwrap())
            .args([SCRIPT, "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Returns the line that a run with these arguments prints.
    fn run(&mut self, gate_key: &[u8; 32], arguments: &[&str]) -> String {
        let (gate_key, arguments) = (hex(gate_key), arguments.join(" "));
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "--gate-key {gate_key} --server-name {SERVER} {arguments}").unwrap();
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it failed: {arguments}");
        line
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keys() -> [(&'static str, [u8; 32], Box<dyn UserKey>); 2] {
    [
        ("--secret", SECRET, Box::new(Secret(Zeroizing::new(SECRET)))),
        ("--ed25519", SEED, Box::new(Ed25519::new(&SEED))),
    ]
}

#[test]
fn both_make_the_same_bytes_from_the_same_input() {
    needs!(met(interpreter().is_some(), "python3 with cryptography"));
    let mut python = Python::start();
    let random = Random { nonce: [0x5a; 12], padding: [0xee; 255] };
    let issued = at(0).wall;
    for number in 0..4_u8 {
        // Each with a padding of its own.
        let gate_key = [number; 32];
        for (flag, bytes, key) in keys() {
            let access = Access {
                gate_key: GateKey::new(Zeroizing::new(gate_key)),
                server_name: SERVER.into(),
                key,
            };
            for (address, seconds) in
                [(Some("192.0.2.7"), 0), (Some("2001:db8::7"), 60), (None, 1)]
            {
                let wanted = address.map_or(Wanted::Source, |text| Wanted::Address(ip(text)));
                let lifetime = (seconds > 0).then(|| std::time::Duration::from_secs(seconds));
                let ask = Wish { door: "ssh".into(), lifetime };
                let ours = access.token(&ask, wanted, issued, &random).unwrap();
                let (seconds, issued) = (seconds.to_string(), issued.as_millis().to_string());
                let (nonce, padding, key) =
                    (hex(&random.nonce), hex(&random.padding), hex(&bytes));
                let mut asked = vec![flag, &key, "--door", "ssh", "--seconds", &seconds];
                asked.extend(["--issued", &issued, "--nonce", &nonce, "--padding", &padding]);
                asked.extend(address.iter().flat_map(|address| ["--address", address]));
                assert_eq!(unhex(&python.run(&gate_key, &asked)), ours, "{flag} {address:?}");

                let read = python.run(&gate_key, &[flag, &key, "--open", &hex(&ours)]);
                assert!(read.contains("\"proven\": true"), "{read}");
                let address = address.unwrap_or("::");
                assert!(read.contains(&format!("\"address\": \"{address}\"")), "{read}");
            }
        }
    }
}

#[test]
fn a_token_of_the_other_client_opens_our_gate_once() {
    needs!(met(interpreter().is_some(), "python3 with cryptography"));
    let mut python = Python::start();
    let mut alice = user("alice", &Key::alice());
    alice.source = SourcePolicy::Observed;
    let mut gate =
        Parts { users: vec![alice, user("bob", &Key::bob())], ..Parts::default() }.gate();
    let issued = at(0).wall.as_millis().to_string();
    let mut judge = |arguments: &[&str]| {
        let token =
            unhex(&python.run(&GATE_KEY, &[arguments, &["--issued", &issued]].concat()));
        let mut judge =
            || outcome(gate.judge(&datagram(ip("192.0.2.7"), SPA_PORT, &token), at(1)));
        let first = judge().map(|claims| claims[0].address).map_err(|refusal| refusal.reason);
        assert_eq!(
            judge().map_err(|refusal| refusal.reason).err(),
            match first {
                Ok(_) => Some(Reason::Replayed),
                Err(reason) => Some(reason),
            }
        );
        first
    };
    let (secret, seed) = (hex(&SECRET), hex(&SEED));
    assert_eq!(judge(&["--secret", &secret, "--door", "ssh"]), Ok(ip("192.0.2.7")));
    let named = ["--ed25519", &seed, "--door", "ssh", "--address", "192.0.2.7"];
    assert_eq!(judge(&named), Ok(ip("192.0.2.7")));
    let wrong = ["--ed25519", &seed, "--door", "ssh", "--address", "192.0.2.8"];
    assert_eq!(judge(&wrong), Err(Reason::Address));
    let unknown = hex(&[9; 32]);
    assert_eq!(judge(&["--secret", &unknown, "--door", "ssh"]), Err(Reason::Unknown));
}
