//! Whichever process dies: a door that ran `on_open` also runs `on_close`.

use std::ffi::OsStr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::Stage;
use crate::machine;
use crate::net::CLIENT4;
use crate::scripts::Scripts;

#[test]
fn a_lease_that_outlives_its_keeper_runs_no_command_until_it_ends() {
    needs!(root);
    let stage = Stage::new("5s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 5");
    daemon.kill("keeper");
    daemon.expect("door ssh open again");
    assert_eq!(stage.line(), "close ssh dave 192.0.2.100 5");
    // The new keeper has another runner, which works.
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 5");
    daemon.stop();
    assert!(stage.line().starts_with("close ssh dave 192.0.2.100 "));
}

#[test]
fn when_a_keeper_dies_while_it_closes_a_door_the_next_one_runs_on_close() {
    needs!(root);
    for step in ["closing", "deleted"] {
        let stage = Stage::new("1s");
        let (fault, once) = (format!("keeper:{step}:1"), stage.lab.path("died"));
        let environment =
            [("KNOCKD_FAULT", OsStr::new(&fault)), ("KNOCKD_FAULT_ONCE", once.as_os_str())];
        let daemon = stage.lab.start_in(&stage.config, &[], &environment);
        daemon.ready();
        stage.open(CLIENT4);
        assert_eq!(stage.line(), "open ssh dave 192.0.2.100 1", "{step}");
        assert_eq!(stage.line(), "close ssh dave 192.0.2.100 1", "{step}");
        assert_eq!(daemon.count("the keeper died"), 1, "{step}");
        daemon.stop();
        assert_eq!(stage.scripts.line_within(Duration::ZERO), None, "{step}");
    }
}

#[test]
fn when_the_parent_dies_the_keeper_runs_on_close() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 60");
    daemon.kill_parent(false);
    assert!(stage.line().starts_with("close ssh dave 192.0.2.100 "));
    let daemon = stage.daemon();
    assert!(stage.line().starts_with("open ssh dave 192.0.2.100 "));
    daemon.stop();
}

#[test]
fn when_all_die_at_once_the_next_start_runs_on_close_for_expired_leases() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 60");
    kill_all(&stage, daemon);
    let daemon = machine::start_later(&stage.lab, &stage.config, Duration::from_secs(61));
    assert_eq!(stage.line(), "close ssh dave 192.0.2.100 60");
    daemon.stop();
}

#[test]
fn when_all_die_at_once_the_next_start_runs_no_on_open_for_restored_leases() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 60");
    kill_all(&stage, daemon);
    let daemon = stage.daemon();
    assert_eq!(daemon.count("door ssh open again"), 1);
    daemon.stop();
    assert!(stage.line().starts_with("close ssh dave 192.0.2.100 "));
}

/// Kills all processes of the daemon at once, the runner too.
fn kill_all(stage: &Stage, daemon: super::Daemon) {
    daemon.kill_parent(true);
    assert_eq!(stage.scripts.line_within(Duration::ZERO), None);
}

#[test]
fn a_killed_runner_is_replaced() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "open ssh dave 192.0.2.100 60");
    for number in 1..=3 {
        let runner = daemon.one("runner");
        kill(runner, Signal::SIGKILL).unwrap();
        daemon.expect("starting another runner: it closed its channel, ");
        // The next one may not run yet: commands wait for it.
        let address = format!("192.0.2.{number}");
        stage.open(&address);
        assert_eq!(stage.line(), format!("open ssh dave {address} 60"));
    }
    assert_eq!(daemon.count("the keeper died"), 0);
    daemon.stop();
}

#[test]
fn the_next_keepers_commands_wait_for_those_of_the_one_before() {
    needs!(root);
    let scripts = Scripts::new();
    let open = scripts.add("open", "echo opening >$FIFO; read line <$GATE; echo opened >$FIFO");
    let close = scripts.add("close", "echo closed >$FIFO");
    let stage = Stage::with(scripts, "60s", "10s", &open, &close);
    let daemon = stage.daemon();
    stage.open(CLIENT4);
    assert_eq!(stage.line(), "opening");
    daemon.kill("keeper");
    daemon.expect("door ssh open again");
    daemon.expect("ready, ");
    stage.knockctl(&["close", "ssh", CLIENT4]);
    assert_eq!(stage.scripts.line_within(Duration::from_millis(300)), None, "it waits");
    stage.scripts.open_gate(1);
    assert_eq!([stage.line(), stage.line()], ["opened", "closed"]);
    daemon.stop();
}
