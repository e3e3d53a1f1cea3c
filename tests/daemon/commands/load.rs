//! Commands that hang, and more of them than can run: doors open and close all
//! the same.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::Stage;
use crate::net::proc::is_gone;
use crate::net::{SERVER4, until};
use crate::scripts::Scripts;

#[test]
fn hanging_commands_delay_no_door_and_are_killed_with_their_children() {
    needs!(root);
    let scripts = Scripts::new();
    let hang = scripts.add("hang", "sleep 1000 & echo $$ $! >$FIFO; sleep 1000");
    let stage = Stage::with(scripts, "60s", "2s", &hang, "/bin/true");
    let daemon = stage.daemon();
    // More than run at once.
    for number in 1..=6 {
        let sent = Instant::now();
        stage.open(&format!("192.0.2.{number}"));
        let (opened, _) = daemon.expect(&format!("door ssh opened for 192.0.2.{number} "));
        assert!(opened - sent < Duration::from_secs(1), "{:?}", opened - sent);
    }
    let began = Instant::now();
    for _ in 0..6 {
        let pids = stage.line();
        daemon.expect("failed: killed after its time limit");
        for pid in pids.split(' ') {
            until("the group's end", || is_gone(pid));
        }
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    daemon.stop();
}

#[test]
fn a_flood_of_grants_causes_no_flood_of_commands() {
    needs!(root);
    let scripts = Scripts::new();
    let wait = scripts.add("wait", "read line <$GATE");
    let stage = Stage::with(scripts, "60s", "600s", &wait, "/bin/true");
    let daemon = stage.daemon();
    stage.lab.client.enter(|| {
        for number in 1..=200_u8 {
            for third in 0..3 {
                let socket =
                    UdpSocket::bind((Ipv4Addr::new(198, 18, third, number), 0)).unwrap();
                socket.send_to(b"", (SERVER4, 9)).unwrap();
            }
        }
    });
    daemon.expect(&format!("command {wait} for door web dropped, too many are queued"));
    until("all doors to be open", || stage.lab.set("knock_web_v4").split(',').count() == 600);
    assert_eq!(daemon.count("dropped, too many are queued"), 1, "once a minute");
    assert_eq!(daemon.children("runner").len(), 1);
    stage.scripts.open_gate(1000);
    let lines = daemon.stop();
    let sum = lines.iter().find(|line| line.contains("more commands dropped")).unwrap();
    let count: usize = sum.split(' ').nth(1).unwrap().parse().unwrap();
    // 256 of the 600 `on_open` commands were queued; how many `on_close` commands
    // were depends on timing.
    assert!(count >= 600 - 256 - 1, "{sum}");
}

#[test]
fn a_stopped_runner_blocks_neither_keeper_nor_parent() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    let runner = daemon.one("runner");
    kill(runner, Signal::SIGSTOP).unwrap();
    for number in 1..=20 {
        stage.open(&format!("192.0.2.{number}"));
        daemon.expect(&format!("door ssh opened for 192.0.2.{number} "));
    }
    assert_eq!(stage.scripts.line_within(Duration::ZERO), None);
    stage.knockctl(&["close", "ssh", "192.0.2.1"]);
    let lines = daemon.stop();
    let last = "commands that outlived the keeper failed or were killed";
    assert!(lines.iter().any(|line| line.contains(last)), "{lines:#?}");
    assert!(is_gone(runner));
    assert_eq!(stage.lab.set("knock_ssh_v4"), "");
}

#[test]
fn a_stop_waits_for_the_last_commands() {
    needs!(root);
    let scripts = Scripts::new();
    let close = scripts.add("close", "sleep 1; echo closed $2 >$FIFO");
    let stage = Stage::with(scripts, "60s", "10s", "/bin/true", &close);
    let daemon = stage.daemon();
    for number in 1..=8 {
        stage.open(&format!("192.0.2.{number}"));
        daemon.expect(&format!("door ssh opened for 192.0.2.{number} "));
    }
    let began = Instant::now();
    daemon.stop();
    assert!(began.elapsed() >= Duration::from_secs(2), "four at once, a second each");
    for _ in 0..8 {
        assert!(stage.scripts.line_within(Duration::ZERO).is_some(), "all have run");
    }
}
