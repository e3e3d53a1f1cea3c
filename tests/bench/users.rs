//! What users cost: reading the configuration, and judging a token, with few
//! of them and with many.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::policy::{Draft, Key, Parts, SPA_PORT, at, datagram, ip, outcome, user};
use crate::report::Report;
use ed25519_dalek::SigningKey;
use knockd::config;
use knockd::core::gate::Gate;
use knockd::core::policy::Policy;
use knockd::core::time::{Monotonic, Now, Wall};
use knockd::core::user::User;

/// Tokens for each figure.
const TOKENS: u64 = 10_000;

fn key(number: u32) -> Key {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    Key::Ed25519(SigningKey::from_bytes(&seed))
}

fn text(users: u32) -> String {
    let mut text = String::from(
        "(name: \"gw1\", firewall: Memory, doors: {\"ssh\": (table: \"t\")}, \
         sequences: {\"s\": (steps: [Tcp(7), Tcp(9), Tcp(8)], opens: [\"ssh\"], weak: Allowed)}, \
         spa: (port: 40123, gate_keys: [\"gate.key\"]), users: {\n",
    );
    for number in 0..users {
        let Key::Ed25519(pair) = key(number) else { unreachable!() };
        let public = knockd::keyfile::public_to_text(pair.verifying_key().as_bytes());
        writeln!(text, "\"u{number}\": (credential: Ed25519({public:?}), doors: [\"ssh\"]),")
            .unwrap();
    }
    text + "})"
}

/// The mean time of a token of the last user, the one before it forgotten.
fn token_cost(gate: &mut Gate, drafts: &[Vec<u8>]) -> Duration {
    let begin = Instant::now();
    for (number, bytes) in (0..).zip(drafts) {
        let monotonic = Monotonic::from_nanos(1_000_000_000_000 + number * 50_000_000);
        let verdict =
            gate.judge(&datagram(ip("192.0.2.7"), SPA_PORT, bytes), Now { monotonic, ..at(0) });
        // All but the first 128 are full; each has been proven by then.
        drop(black_box(outcome(verdict)));
    }
    begin.elapsed() / u32::try_from(drafts.len()).unwrap()
}

pub fn users(report: &mut Report) {
    for users in [100, 1_000, 10_000] {
        let directory = tempfile::tempdir().unwrap();
        let gate_key = zeroize::Zeroizing::new([3; 32]);
        let file = directory.path().join("knockd/gate.key");
        knockd::keyfile::write_new(&file, knockd::keyfile::KeyKind::Gate, &gate_key, "")
            .unwrap();
        let text = text(users);
        let begin = Instant::now();
        let read = config::parse(&text, Path::new("knockd.ron"), directory.path()).unwrap();
        let configuration = begin.elapsed();
        assert_eq!(read.policy.users.len(), users as usize);

        let all: Vec<User> =
            (0..users).map(|number| user(&format!("u{number}"), &key(number))).collect();
        let policy: std::sync::Arc<Policy> = Parts { users: all, ..Parts::default() }.policy();
        let mut gate = Gate::new(policy, Wall::default());
        let last = Draft::new(&key(users - 1));
        let drafts: Vec<_> =
            (0..TOKENS).map(|number| last.clone().salted(number).bytes()).collect();
        let token = token_cost(&mut gate, &drafts);
        let replay = token_cost(&mut gate, &vec![drafts[0].clone(); drafts.len()]);
        let mut stranger = drafts[0].clone();
        *stranger.last_mut().unwrap() ^= 1;
        let stranger = token_cost(&mut gate, &vec![stranger; drafts.len()]);
        let micros = |span: Duration| span.as_secs_f64() * 1e6;
        let note = format!(
            "a replay {:.1}, a stranger {:.1}; configuration read in {:.1} ms",
            micros(replay),
            micros(stranger),
            configuration.as_secs_f64() * 1e3,
        );
        report.add(format!("a token, {users} users"), micros(token), "us", note);
    }
}
