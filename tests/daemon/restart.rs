//! Starts after ends of any kind, and ends that are interrupted.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::machine;
use crate::net::survival::{FOREIGN, assert_remaining, entries, guarded};
use crate::net::*;
use nix::sys::signal::Signal;

#[test]
fn a_second_daemon_fails_and_one_that_starts_while_the_first_is_stopping_waits() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let first = lab.daemon(&config);
    let mut command = lab.server.command(KNOCKD);
    let output = command.args(["-d", "-f"]).arg(&config).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("is held by a running daemon, stop it first"), "{error}");
    first.signal(Signal::SIGTERM);
    first.expect("stopping");
    let second = lab.start(&config, &[]);
    first.end();
    second.expect("ready, ");
    second.stop();
}

#[test]
fn a_start_waits_for_the_keeper_of_a_parent_that_died() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let mut first = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    first.expect("door ssh opened");
    let opened = Instant::now();
    first.signal(Signal::SIGKILL);
    first.child.wait().unwrap();
    // Its keeper may still be closing doors.
    let second = lab.start(&config, &[]);
    first.expect("door ssh closed for 192.0.2.100 after ");
    let (_, line) = second.expect("door ssh open again for 192.0.2.100 by bob, ");
    assert_remaining(&line, opened);
    second.expect("ready, ");
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN]);
    second.stop();
    assert_eq!(entries(&lab), [FOREIGN]);
}

#[test]
fn when_all_die_at_once_the_next_start_restores_the_leases() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    let token = lab.token("bob", CLIENT4);
    lab.send(CLIENT4, &token);
    daemon.expect("door ssh opened");
    let opened = Instant::now();
    daemon.kill_parent(true);
    let daemon = lab.start(&config, &[]);
    let (_, line) = daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
    assert_remaining(&line, opened);
    daemon.expect("ready, ");
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN]);
    lab.send(CLIENT4, &token);
    daemon.expect("bob from 192.0.2.100 refused, replayed");
    daemon.stop();
    assert_eq!(entries(&lab), [FOREIGN], "it is ours all the same");
}

/// Kills the parent, and then the keeper at a step of closing its doors.
fn killed_while_closing(step: &str, span: &str) -> (Lab, std::path::PathBuf, Instant) {
    let (lab, config) = guarded(span);
    let fault = format!("keeper:{step}:1");
    let daemon = lab.start_in(&config, &[], &[("KNOCKD_FAULT", OsStr::new(&fault))]);
    daemon.ready();
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    let opened = Instant::now();
    daemon.kill_parent(false);
    let standing = if step == "closing" { vec![CLIENT4, FOREIGN] } else { vec![FOREIGN] };
    assert_eq!(entries(&lab), standing, "{step}");
    (lab, config, opened)
}

#[test]
fn after_an_interrupted_end_the_next_run_closes_every_door() {
    needs!(root);
    for step in ["closing", "deleted"] {
        let (lab, config, opened) = killed_while_closing(step, "60s");
        let daemon = lab.start(&config, &[]);
        let (_, line) = daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
        assert_remaining(&line, opened);
        daemon.expect("ready, ");
        assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "{step}");
        daemon.stop();
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
    }
}

#[test]
fn after_an_interrupted_end_the_next_start_deletes_expired_entries() {
    needs!(root);
    let (lab, config, _) = killed_while_closing("closing", "60s");
    let daemon = machine::start_later(&lab, &config, Duration::from_secs(61));
    daemon.ready();
    assert_eq!(entries(&lab), [FOREIGN]);
    daemon.stop();
}

#[test]
fn a_daemon_without_a_keeper_stops_with_success() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    // From the second death on the parent waits before it starts another.
    for round in 0..5 {
        if round > 0 {
            daemon.expect("ready, ");
        }
        daemon.kill("keeper");
        daemon.expect("the keeper died");
    }
    assert_eq!(entries(&lab), [FOREIGN]);
    let lines = daemon.stop();
    assert!(!lines.iter().any(|line| line.contains("did not end in time")), "{lines:#?}");
    // Its lease is restored all the same.
    let daemon = lab.start(&config, &[]);
    daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
    daemon.stop();
    assert_eq!(entries(&lab), [FOREIGN]);
}

#[test]
fn a_keeper_that_dies_while_the_daemon_stops_is_logged() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let fault = ("KNOCKD_FAULT", std::ffi::OsStr::new("keeper:closing:1"));
    let mut daemon = lab.start_in(&config, &[], &[fault]);
    daemon.ready();
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    daemon.signal(Signal::SIGTERM);
    daemon.expect("the keeper died, signal: 9 (SIGKILL): removed 1 entries");
    assert_eq!(daemon.child.wait().unwrap().code(), Some(1));
    assert_eq!(entries(&lab), [FOREIGN]);
}
