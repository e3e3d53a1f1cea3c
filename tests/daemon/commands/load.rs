//! Commands that hang, and more of them than can be run: doors do not care.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::Stage;
use crate::house::House;
use crate::net::proc::is_gone;
use crate::net::{SERVER4, until};

#[test]
fn commands_that_hang_delay_no_door_and_are_killed_with_their_children() {
    needs!(root);
    let house = House::new();
    let hang = house.script("hang", "sleep 1000 & echo $$ $! >$FIFO; sleep 1000");
    let stage = Stage::with(house, "60s", "2s", &hang, "/bin/true");
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
        let pids = stage.heard();
        daemon.expect("failed: killed after its time limit");
        for pid in pids.split(' ') {
            until("the group's end", || is_gone(pid));
        }
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    daemon.stop();
}

#[test]
fn a_flood_of_grants_makes_no_flood_of_commands() {
    needs!(root);
    let house = House::new();
    let wait = house.script("wait", "read line <$GATE");
    let stage = Stage::with(house, "60s", "600s", &wait, "/bin/true");
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
    stage.house.open_gate(1000);
    let told = daemon.stop();
    let sum = told.iter().find(|line| line.contains("more commands dropped")).unwrap();
    let count: usize = sum.split(' ').nth(1).unwrap().parse().unwrap();
    // 256 were taken of 600 that opened; how many of those that closed,
    // depends.
    assert!(count >= 600 - 256 - 1, "{sum}");
}

#[test]
fn a_runner_that_does_nothing_any_more_stops_neither_keeper_nor_parent() {
    needs!(root);
    let stage = Stage::new("60s");
    let daemon = stage.daemon();
    let runner = daemon.one("runner");
    kill(runner, Signal::SIGSTOP).unwrap();
    for number in 1..=20 {
        stage.open(&format!("192.0.2.{number}"));
        daemon.expect(&format!("door ssh opened for 192.0.2.{number} "));
    }
    assert_eq!(stage.house.heard_within(Duration::ZERO), None);
    stage.knockctl(&["close", "ssh", "192.0.2.1"]);
    let told = daemon.stop();
    let last = "commands that ran on without a keeper failed or were killed";
    assert!(told.iter().any(|line| line.contains(last)), "{told:#?}");
    assert!(is_gone(runner));
    assert_eq!(stage.lab.set("knock_ssh_v4"), "");
}

#[test]
fn a_stop_waits_for_the_last_commands() {
    needs!(root);
    let house = House::new();
    let close = house.script("close", "sleep 1; echo closed $2 >$FIFO");
    let stage = Stage::with(house, "60s", "10s", "/bin/true", &close);
    let daemon = stage.daemon();
    for number in 1..=8 {
        stage.open(&format!("192.0.2.{number}"));
        daemon.expect(&format!("door ssh opened for 192.0.2.{number} "));
    }
    let began = Instant::now();
    daemon.stop();
    assert!(began.elapsed() >= Duration::from_secs(2), "four at once, a second each");
    for _ in 0..8 {
        assert!(stage.house.heard_within(Duration::ZERO).is_some(), "all have run");
    }
}
