//! While there is no lease and no packet, no process of the daemon runs.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;

use crate::net::*;

/// How long no process may run: longer than the pause between two checks of the
/// tables. Only time that passes shows it.
const REST: Duration = Duration::from_secs(10);

/// Counts the context switches of each process, voluntary and not.
fn runs(daemon: &Daemon) -> BTreeMap<Pid, [u64; 2]> {
    let of = |pid: Pid| {
        let fields = ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"];
        (pid, fields.map(|field| proc::status(pid, field).parse().unwrap()))
    };
    daemon.family().into_iter().map(of).collect()
}

/// Waits until none has run for a second.
fn settled(daemon: &Daemon) -> BTreeMap<Pid, [u64; 2]> {
    let mut before = runs(daemon);
    until("rest", || {
        thread::sleep(Duration::from_secs(1));
        let now = runs(daemon);
        std::mem::replace(&mut before, now.clone()) == now
    });
    before
}

#[test]
fn no_process_runs_until_somebody_knocks_nor_after_its_door_is_closed() {
    needs!(root);
    let lab = Lab::new();
    let daemon = lab.daemon(&Plan::default().furnish(&lab));
    // The kernel announces addresses until they are no longer tentative.
    until("settled addresses", || !lab.server.ip(&["address"]).contains("tentative"));
    for _ in 0..2 {
        let before = settled(&daemon);
        assert_eq!(before.len(), 3, "parent, keeper and engine");
        thread::sleep(REST);
        assert_eq!(runs(&daemon), before);
        // One packet wakes all: the keeper sends the parent what it intends.
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened");
        daemon.expect("door ssh closed");
        let after = settled(&daemon);
        for (pid, [voluntary, _]) in before {
            assert!(after[&pid][0] > voluntary, "{pid} slept");
        }
    }
    daemon.stop();
}
