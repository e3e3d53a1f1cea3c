//! Whichever process dies: no door stays open without an owner, no token opens
//! twice, and leases that have not expired are restored.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use crate::machine;
use crate::net::survival::{FOREIGN, assert_remaining, entries, guarded};
use crate::net::*;

/// Starts a daemon whose keeper dies once, when it reaches a step of a grant for
/// the `time`th time.
fn doomed(lab: &Lab, config: &std::path::Path, step: &str, time: u32) -> Daemon {
    let fault = format!("keeper:{step}:{time}");
    let once = lab.path("died");
    let _ = std::fs::remove_file(&once);
    let environment =
        [("KNOCKD_FAULT", OsStr::new(&fault)), ("KNOCKD_FAULT_ONCE", once.as_os_str())];
    let daemon = lab.start_in(config, &[], &environment);
    daemon.ready();
    daemon
}

#[test]
fn a_keeper_that_dies_within_a_grant_leaves_no_door_open_and_no_token_valid() {
    needs!(root);
    for step in ["recorded", "intended", "added", "committed"] {
        let (lab, config) = guarded("60s");
        let daemon = doomed(&lab, &config, step, 1);
        let token = lab.token("bob", CLIENT4);
        lab.send(CLIENT4, &token);
        let (died, line) = daemon.expect("the keeper died");
        let removed = if ["recorded", "intended"].contains(&step) { "0" } else { "1" };
        // An intended entry is removed, whether it was added or not.
        assert!(
            line.contains(&format!("{removed} entries")) || step == "intended",
            "{step}: {line}"
        );
        if step == "committed" {
            daemon.expect("door ssh open again for 192.0.2.100 by bob");
        } else {
            // The entry is removed before the death is logged.
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
        let lines = daemon.stop();
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
        let opened = lines.iter().filter(|line| line.contains("door ssh opened")).count();
        // A keeper that dies after the commit has not logged it.
        assert_eq!(opened, usize::from(step != "committed"), "{lines:#?}");
    }
}

#[test]
fn a_keeper_that_dies_while_it_closes_a_door_does_not_open_it_again() {
    needs!(root);
    for step in ["closing", "deleted"] {
        let (lab, config) = guarded("1s");
        let daemon = doomed(&lab, &config, step, 1);
        let token = lab.token("bob", CLIENT4);
        lab.send(CLIENT4, &token);
        daemon.expect("door ssh opened");
        daemon.expect("the keeper died");
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
        daemon.expect("ready, ");
        lab.send(CLIENT4, &token);
        daemon.expect("bob from 192.0.2.100 refused, replayed");
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
        assert_eq!(daemon.count("open again"), 0, "{step}");
        daemon.stop();
    }
}

#[test]
fn an_entry_that_was_there_before_survives_every_death() {
    needs!(root);
    for step in ["intended", "added", "committed", "closing"] {
        let (lab, config) = guarded("1s");
        lab.server.nft(&format!("add element inet filter knock_ssh_v4 {{ {CLIENT4} }}"));
        let daemon = doomed(&lab, &config, step, 1);
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        if step == "closing" {
            // Nothing is deleted, so the keeper does not reach this step.
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
    needs!(root);
    let (lab, config) = guarded("60s");
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
fn a_keeper_that_dies_while_a_second_door_joins_an_entry_keeps_the_first_open() {
    needs!(root);
    for step in ["intended", "added", "committed"] {
        let (lab, config) = guarded("60s");
        let daemon = doomed(&lab, &config, step, 2);
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened");
        assert!(lab.knock(&["-4", SERVER4, "9:udp"]).status.success());
        daemon.expect("the keeper died");
        daemon.expect("door ssh open again for 192.0.2.100 by bob");
        daemon.expect("ready, ");
        assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "{step}");
        let again = usize::from(step == "committed");
        assert_eq!(daemon.count("door mail open again"), again, "{step}");
        daemon.stop();
        assert_eq!(entries(&lab), [FOREIGN], "{step}");
    }
}

#[test]
fn an_engine_that_dies_is_replaced_and_loses_no_packet() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    for round in 0..rounds().max(5) {
        daemon.kill("engine");
        // Before, while or after another is started.
        let address = format!("192.0.2.{}", 101 + round % 40);
        lab.send(CLIENT4, &lab.token("dave", &address));
        daemon.expect("starting another engine");
        daemon.expect(&format!("for {address} by dave"));
        let standing = entries(&lab);
        assert!(standing.contains(&CLIENT4.to_owned()), "{standing:?}");
        assert!(standing.contains(&address), "{standing:?}");
    }
    assert_eq!(daemon.count("door ssh closed"), 0);
    daemon.stop();
}

#[test]
fn when_the_parent_dies_the_keeper_closes_all_doors_and_the_next_start_restores_them() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    let opened = Instant::now();
    // The next one starts at once, and waits until the doors are closed.
    let lines = daemon.kill_parent(false);
    assert!(lines.iter().any(|line| line.ends_with(", stopped")), "{lines:#?}");
    assert_eq!(entries(&lab), [FOREIGN]);
    let daemon = lab.start(&config, &[]);
    let (_, line) = daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
    assert_remaining(&line, opened);
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN]);
    daemon.stop();
}

#[test]
fn when_all_die_at_once_the_next_start_cleans_up() {
    needs!(root);
    let (lab, config) = guarded("60s");
    let daemon = lab.daemon(&config);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    daemon.kill_parent(true);
    assert_eq!(entries(&lab), [CLIENT4, FOREIGN], "nobody was left to shut it");
    let daemon = machine::start_later(&lab, &config, Duration::from_secs(61));
    daemon.expect("removed 192.0.2.100 from <knock_ssh>, an earlier run had left it");
    daemon.expect("ready, ");
    assert_eq!(entries(&lab), [FOREIGN]);
    daemon.stop();
}

#[test]
fn a_restart_restores_leases_and_refuses_used_tokens() {
    needs!(root);
    let (lab, config) = guarded("60s");
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
    // The journal is complete, so a fresh token is accepted at once.
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh extended for 192.0.2.100 by bob");
    daemon.stop();
}
