//! Starts that follow an end of any kind, and ends that do not go as they
//! should.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::machine;
use crate::net::survival::{FOREIGN, assert_remaining, entries, guarded};
use crate::net::*;
use nix::sys::signal::Signal;

#[test]
fn a_second_daemon_is_refused_and_one_that_comes_while_the_first_ends_waits() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let first = lab.daemon(&config);
    let mut command = lab.server.command(KNOCKD);
    let output = command.args(["-d", "-f"]).arg(&config).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("is held by a running daemon, stop it first"), "{told}");
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
    // Its keeper may still be at it.
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
fn when_all_die_at_once_the_next_start_opens_what_is_still_in_time() {
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

/// The parent is killed, and then the keeper, at a step of shutting what it
/// has.
fn killed_within_its_end(step: &str, span: &str) -> (Lab, std::path::PathBuf, Instant) {
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
fn an_end_that_is_cut_short_leaves_nothing_that_the_next_run_does_not_shut() {
    needs!(root);
    for step in ["closing", "deleted"] {
        let (lab, config, opened) = killed_within_its_end(step, "60s");
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
fn an_end_that_is_cut_short_is_made_good_after_the_lease_is_over() {
    needs!(root);
    let (lab, config, _) = killed_within_its_end("closing", "60s");
    let daemon = machine::start_later(&lab, &config, Duration::from_secs(61));
    daemon.ready();
    assert_eq!(entries(&lab), [FOREIGN]);
    daemon.stop();
}

#[test]
fn a_daemon_without_a_keeper_ends_well_when_it_is_told_to() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    // From the second death on it takes its time with another.
    for round in 0..5 {
        if round > 0 {
            daemon.expect("ready, ");
        }
        daemon.kill("keeper");
        daemon.expect("the keeper died");
    }
    assert_eq!(entries(&lab), [FOREIGN]);
    let told = daemon.stop();
    assert!(!told.iter().any(|line| line.contains("did not end in time")), "{told:#?}");
    // What it held lives on all the same.
    let daemon = lab.start(&config, &[]);
    daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
    daemon.stop();
    assert_eq!(entries(&lab), [FOREIGN]);
}

#[test]
fn a_keeper_that_dies_while_the_daemon_ends_is_said() {
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
