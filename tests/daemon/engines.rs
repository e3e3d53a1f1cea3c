//! How one engine follows another: at a reload, and after a death.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::net::furnish::edit;
use crate::net::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BOB: &str = r#""bob": (credential: Secret("bob.key"), doors: ["ssh"]"#;
/// As many proofs as are checked at once.
const BURST: usize = 32;

/// The only engine, once it is another than `old`.
fn successor(daemon: &Daemon, old: Pid) -> Pid {
    until("another engine", || {
        let engines = daemon.children("engine");
        engines.len() == 1 && engines[0] != old
    });
    daemon.one("engine")
}

fn reload(lab: &Lab) {
    let mut command = lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
    let output = command.arg("-s").arg(lab.path("run/knockd.sock")).arg("reload").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn many_reloads_never_make_more_than_two_engines_and_leave_one() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan { span: "60s", ..Plan::default() }.furnish(&lab));
    let pid = daemon.pid();
    let is_over = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                most = most.max(proc::children(pid, "engine").len());
            }
            most
        });
        for _ in 0..20 {
            reload(&lab);
        }
        is_over.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    assert!(most <= 2, "{most} engines");
    until("one engine", || daemon.children("engine").len() == 1);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    daemon.stop();
}

#[test]
fn a_retired_engine_that_does_not_end_is_ended_soon() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    let old = daemon.one("engine");
    kill(old, Signal::SIGSTOP).unwrap();
    reload(&lab);
    let reloaded = Instant::now();
    successor(&daemon, old);
    assert!(reloaded.elapsed() < Duration::from_secs(10), "{:?}", reloaded.elapsed());
    daemon.stop();
}

#[test]
fn a_token_that_another_engine_honoured_costs_no_proof() {
    needs!(root);
    for reloads in [true, false] {
        let lab = Lab::new();
        let config = Plan { span: "60s", ..Plan::default() }.furnish(&lab);
        edit(&config, BOB, &format!("{BOB}, proofs_per_second: 1"));
        let daemon = lab.daemon(&config);
        let old = daemon.one("engine");
        let tokens: Vec<_> = (0..BURST).map(|_| lab.token("bob", CLIENT4)).collect();
        tokens.iter().for_each(|token| lab.send(CLIENT4, token));
        until("all of them honoured", || daemon.count("for 192.0.2.100 by bob") == BURST);
        if reloads {
            reload(&lab);
        } else {
            kill(old, Signal::SIGKILL).unwrap();
        }
        successor(&daemon, old);
        tokens.iter().for_each(|token| lab.send(CLIENT4, token));
        lab.send(CLIENT6, &lab.token("bob", CLIENT6));
        daemon.expect("door ssh opened for 2001:db8::100 by bob");
        assert_eq!(daemon.count("for 192.0.2.100 by bob"), BURST, "none counts twice");
        daemon.stop();
    }
}
