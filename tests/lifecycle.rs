//! Whatever dies: no door stays open without an owner, nothing opens twice,
//! and leases within their time are there again.
#![cfg(all(target_os = "linux", feature = "faults"))]
#![allow(clippy::unwrap_used, reason = "tests may")]

mod net;

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use net::*;

/// An entry that is somebody else's.
const FOREIGN: &str = "192.0.2.200";

/// A lab whose door ssh is open for `span`, and where a stranger's entry
/// stands in its table.
fn lab(span: &str) -> (Lab, std::path::PathBuf) {
    let lab = Lab::new();
    let doors = r#"
        "mail": (table: "knock_ssh", ports: [Tcp(25)], open_for: "3s"),"#;
    let sequences = r#"
        "front": (steps: [Udp(9)], opens: ["mail"], weak: Allowed, strict: false),"#;
    let config = Plan { span, doors, sequences, ..Plan::default() }.furnish(&lab);
    lab.server.nft(&format!("add element inet filter knock_ssh_v4 {{ {FOREIGN} }}"));
    (lab, config)
}

/// Starts a daemon whose keeper dies once, at a step of a grant.
fn doomed(lab: &Lab, config: &std::path::Path, step: &str) -> Daemon {
    let fault = format!("keeper:{step}:1");
    let once = lab.path("died");
    let _ = std::fs::remove_file(&once);
    let environment =
        [("KNOCKD_FAULT", OsStr::new(&fault)), ("KNOCKD_FAULT_ONCE", once.as_os_str())];
    let daemon = lab.start_in(config, &[], &environment);
    daemon.ready();
    daemon
}

fn entries(lab: &Lab) -> Vec<String> {
    let mut entries: Vec<_> = lab.set("knock_ssh_v4").split(',').map(str::to_owned).collect();
    entries.retain(|entry| !entry.is_empty());
    entries.sort();
    entries
}

#[test]
fn a_keeper_that_dies_within_a_grant_leaves_no_door_open_and_no_token_to_use_again() {
    if !is_root() {
        return;
    }
    for step in ["recorded", "intended", "added", "committed"] {
        let (lab, config) = lab("60s");
        let daemon = doomed(&lab, &config, step);
        let token = lab.token("bob", CLIENT4);
        lab.send(CLIENT4, &token);
        let (died, line) = daemon.expect("the keeper died");
        let taken_out = if ["recorded", "intended"].contains(&step) { "0" } else { "1" };
        // What was announced is taken out, whether it got there or not.
        assert!(
            line.contains(&format!("{taken_out} entries")) || step == "intended",
            "{step}: {line}"
        );
        if step == "committed" {
            daemon.expect("door ssh open again for 192.0.2.100 by bob");
        } else {
            // At least since it was said, and it is said at once.
            assert_eq!(entries(&lab), [FOREIGN], "{step}");
        }
        daemon.expect("ready, ");
        assert!(died.elapsed() < PATIENCE);
        lab.send(CLIENT4, &token);
        daemon.expect("bob from 192.0.2.100 refused, replayed");
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        let again = if step == "committed" { "extended" } else { "opened" };
        daemon.expect(&format!("door ssh {again} for 192.0.2.100 by bob"));
        assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "{step}");
        let told = daemon.stop();
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
        let opened = told.iter().filter(|line| line.contains("door ssh opened")).count();
        // The keeper that dies after the commit has not said it.
        assert_eq!(opened, usize::from(step != "committed"), "{told:#?}");
    }
}

#[test]
fn a_keeper_that_dies_while_it_closes_a_door_does_not_open_it_again() {
    if !is_root() {
        return;
    }
    for step in ["closing", "deleted"] {
        let (lab, config) = lab("1s");
        let daemon = doomed(&lab, &config, step);
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened");
        daemon.expect("the keeper died");
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
        daemon.expect("ready, ");
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
        assert_eq!(daemon.count("open again"), 0, "{step}");
        daemon.stop();
    }
}

#[test]
fn an_entry_that_was_there_before_survives_every_death() {
    if !is_root() {
        return;
    }
    for step in ["intended", "added", "committed", "closing"] {
        let (lab, config) = lab("1s");
        lab.server.nft(&format!("add element inet filter knock_ssh_v4 {{ {CLIENT4} }}"));
        let daemon = doomed(&lab, &config, step);
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        if step == "closing" {
            // There is nothing to take out, so nobody dies.
            daemon.expect("door ssh closed");
        } else {
            daemon.expect("the keeper died");
            daemon.expect("ready, ");
        }
        assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "{step}");
        daemon.stop();
        assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "{step}");
    }
}

#[test]
fn two_doors_that_share_a_table_and_an_address_close_separately_after_a_death() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    assert!(lab.knock(&["-4", SERVER4, "9:udp"]).status.success());
    daemon.expect("door mail opened");
    daemon.kill("keeper");
    daemon.expect("the keeper died");
    daemon.expect("door ssh open again");
    daemon.expect("door mail closed");
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN]);
    daemon.stop();
    assert_eq!(entries(&lab), [FOREIGN]);
}

#[test]
fn an_engine_that_dies_is_replaced_and_loses_no_packet() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("60s");
    let daemon = lab.daemon(&config);
    for round in 0..rounds().max(5) {
        daemon.kill("engine");
        // Whether before, while or after another is started.
        let address = format!("192.0.2.{}", 101 + round % 40);
        lab.send(CLIENT4, &lab.token("dave", &address));
        daemon.expect("starting another engine");
        daemon.expect(&format!("for {address} by dave"));
    }
    daemon.stop();
}

#[test]
fn when_the_parent_dies_the_keeper_shuts_everything_and_the_next_start_opens_it_again() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    let opened = Instant::now();
    // The next one is started at once, and waits for the clean-up.
    let told = daemon.kill_parent(false);
    assert!(told.iter().any(|line| line.ends_with(", stopped")), "{told:#?}");
    assert_eq!(entries(&lab), [FOREIGN]);
    let daemon = lab.start(&config, &[]);
    let (_, line) = daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
    assert_remaining(&line, opened);
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN]);
    daemon.stop();
}

#[test]
fn when_all_die_at_once_the_next_start_cleans_up() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("2s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    let opened = Instant::now();
    daemon.kill_parent(true);
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "nobody was left to shut it");
    let left = Duration::from_millis(2_100).saturating_sub(opened.elapsed());
    std::thread::sleep(left);
    let daemon = lab.start(&config, &[]);
    daemon.expect("192.0.2.100 was left in table <knock_ssh> by an earlier run, taken out");
    daemon.expect("ready, ");
    assert_eq!(entries(&lab), [FOREIGN]);
    daemon.stop();
}

#[test]
fn a_restart_keeps_leases_within_their_time_and_refuses_used_tokens() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("60s");
    let daemon = lab.daemon(&config);
    let token = lab.token("bob", CLIENT4);
    lab.send(CLIENT4, &token);
    daemon.expect("door ssh opened");
    let opened = Instant::now();
    daemon.stop();
    assert_eq!(entries(&lab), [FOREIGN]);
    let daemon = lab.start(&config, &[]);
    let (_, line) = daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
    assert_remaining(&line, opened);
    daemon.expect("ready, ");
    lab.send(CLIENT4, &token);
    daemon.expect("bob from 192.0.2.100 refused, replayed");
    // Nothing was lost, so a fresh token is believed at once.
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh extended for 192.0.2.100 by bob");
    daemon.stop();
}

#[test]
fn a_second_daemon_is_refused_and_one_that_comes_while_the_first_ends_waits() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("60s");
    let first = lab.daemon(&config);
    let mut command = lab.server.command(KNOCKD);
    let output = command.args(["-d", "-f"]).arg(&config).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("is held by a running daemon, stop it first"), "{told}");
    first.signal(nix::sys::signal::Signal::SIGTERM);
    first.expect("stopping");
    let second = lab.start(&config, &[]);
    first.end();
    second.expect("ready, ");
    second.stop();
}

#[test]
fn a_keeper_killed_at_random_moments_opens_nothing_twice_and_forgets_no_lease() {
    if !is_root() {
        return;
    }
    let (lab, config) = lab("60s");
    let mut daemon = lab.daemon(&config);
    let (mut tokens, mut told) = (Vec::new(), Vec::new());
    for round in 0..rounds().max(20) {
        // A new parent has all its patience with keepers that die.
        if round % 4 == 3 {
            told.extend(daemon.stop());
            daemon = lab.start(&config, &[]);
            daemon.expect("ready, ");
        }
        let address = format!("192.0.2.{}", 101 + round % 90);
        let token = lab.token("dave", &address);
        lab.send(CLIENT4, &token);
        tokens.push(token);
        // Anywhere between the packet and the end of the grant.
        std::thread::sleep(Duration::from_micros(round * 137 % 3_000));
        daemon.kill("keeper");
        daemon.expect("the keeper died");
        daemon.expect("ready, ");
    }
    let before = entries(&lab);
    for token in &tokens {
        lab.send(CLIENT4, token);
    }
    // Those that were recorded are refused; one that was not opens now, for
    // the first time.
    lab.send(CLIENT4, &lab.token("carol", CLIENT4));
    daemon.expect("for 192.0.2.100 by carol");
    let after = entries(&lab);
    assert!(before.iter().all(|entry| after.contains(entry)), "{before:?}\n{after:?}");
    told.extend(daemon.stop());
    for address in after.iter().filter(|address| *address != FOREIGN) {
        let line = format!("door ssh opened for {address} ");
        let opened = told.iter().filter(|told| told.contains(&line)).count();
        assert!(opened <= 1, "{address} was opened {opened} times: {told:#?}");
    }
    assert_eq!(entries(&lab), [FOREIGN]);
}

/// Whether a lease of a minute, opened then, has the time left that it must.
fn assert_remaining(line: &str, opened: Instant) {
    let left = line.rsplit("by bob, ").next().unwrap().trim_end_matches("s left");
    let left = Duration::from_secs_f64(left.parse().unwrap());
    let passed = opened.elapsed();
    assert!(left <= Duration::from_secs(60), "{line}");
    assert!(left + passed + Duration::from_secs(1) >= Duration::from_secs(60), "{line}");
}
