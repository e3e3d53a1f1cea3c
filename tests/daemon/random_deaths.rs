//! The keeper dies at moments that nobody chose, while tokens come.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::net::survival::{FOREIGN, entries, guarded};
use crate::net::*;

/// Deaths in one run: after more, a parent takes its time with the next keeper.
const DEATHS: usize = 4;
/// Tokens in one run, each for an address of its own.
const TOKENS: usize = 16;
/// What lies between two packets: no user may have more than this proven.
const PACE: Duration = Duration::from_millis(60);

/// One token for each address.
type Tokens = BTreeMap<String, Vec<u8>>;

#[test]
fn a_keeper_killed_at_random_moments_opens_nothing_twice_and_forgets_no_lease() {
    needs!(root);
    let runs = rounds().max(20).div_ceil(DEATHS as u64);
    let soonest = (0..runs).map(|_| run_with_deaths()).min().unwrap();
    assert!(soonest < Duration::from_millis(200), "shut after {soonest:?} at best");
}

/// Returns how soon after a death what was open was shut, at best.
fn run_with_deaths() -> Duration {
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    let addresses = (0..TOKENS).map(|number| format!("192.0.2.{}", 101 + number));
    let tokens: Tokens =
        addresses.map(|address| (address.clone(), lab.token("dave", &address))).collect();
    let is_over = AtomicBool::new(false);
    let soonest = thread::scope(|scope| {
        // Each token again and again, whatever became of it.
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                send_all(&lab, &tokens);
            }
        });
        let soonest = (0..DEATHS).map(|_| die_sometime(&daemon)).min().unwrap();
        is_over.store(true, Ordering::Relaxed);
        soonest
    });
    assert_once(&lab, daemon, &tokens);
    soonest
}

fn send_all(lab: &Lab, tokens: &Tokens) {
    for token in tokens.values() {
        lab.send(CLIENT4, token);
        thread::sleep(PACE);
    }
}

/// Kills the keeper within two packets or so; returns how soon what it held
/// was shut.
fn die_sometime(daemon: &Daemon) -> Duration {
    let micros = RandomState::new().hash_one(()) % 120_000;
    thread::sleep(Duration::from_micros(micros));
    let killed = Instant::now();
    daemon.kill("keeper");
    let (shut, _) = daemon.expect("the keeper died");
    daemon.expect("ready, ");
    shut.saturating_duration_since(killed)
}

/// Each token opened one door, once; but for one per death, which was used and
/// is lost.
fn assert_once(lab: &Lab, daemon: Daemon, tokens: &Tokens) {
    let before = entries(lab);
    // Twice: where so much came at once, one may have to wait.
    for _ in 0..2 {
        send_all(lab, tokens);
        // It comes after all of them.
        lab.send(CLIENT4, &lab.token("carol", CLIENT4));
        daemon.expect("for 192.0.2.100 by carol");
    }
    let after = entries(lab);
    assert!(before.iter().all(|entry| after.contains(entry)), "{before:?}\n{after:?}");
    let lines = daemon.stop();
    let missing = tokens.keys().filter(|address| !after.contains(address)).count();
    assert!(missing <= DEATHS, "{missing} tokens opened nothing: {lines:#?}");
    for address in tokens.keys() {
        let line = format!("door ssh opened for {address} ");
        let opened = lines.iter().filter(|logged| logged.contains(&line)).count();
        assert!(opened <= 1, "{address} was opened {opened} times: {lines:#?}");
        let line = format!("door ssh extended for {address} ");
        assert!(!lines.iter().any(|logged| logged.contains(&line)), "{address}: {lines:#?}");
    }
    assert_eq!(entries(lab), [FOREIGN]);
}
