//! Claims that the configuration does not cover.

use super::{Attack, BOBS_LEASES, MAX_LEASES, hosts, refusals};

#[test]
fn no_door_and_no_user_that_is_not_configured() {
    needs!(root);
    let attack = Attack::done("strangers");
    assert_eq!((attack.table("ssh"), attack.table("web")), (hosts(&[]), hosts(&[])));
    let log = attack.end();
    assert_eq!(refusals(&log, "forbidden"), 4, "{log:#?}");
    assert_eq!(refusals(&log, "unknown"), 2, "{log:#?}");
}

#[test]
fn nothing_that_a_user_or_a_sequence_has_no_right_to() {
    needs!(root);
    let attack = Attack::done("rights");
    assert_eq!((attack.table("ssh"), attack.table("web")), (hosts(&[]), hosts(&[])));
    let log = attack.end();
    assert_eq!(refusals(&log, "forbidden"), 5, "{log:#?}");
    assert_eq!(refusals(&log, "expired"), 1, "{log:#?}");
    assert_eq!(refusals(&log, "invalid"), 1, "{log:#?}");
}

#[test]
fn no_address_that_is_not_a_hosts() {
    needs!(root);
    let attack = Attack::done("addresses");
    assert_eq!((attack.table("ssh"), attack.table("web")), (hosts(&[]), hosts(&[])));
    let log = attack.end();
    assert_eq!(refusals(&log, "address"), 2 * 13, "{log:#?}");
}

#[test]
fn no_lease_is_longer_than_the_door_allows() {
    needs!(root);
    let attack = Attack::done("lifetime");
    let log = attack.end();
    let opened: Vec<_> =
        log.iter().filter(|line| line.contains("opened for 203.0.113.1 ")).collect();
    assert_eq!(opened, ["knockd: door ssh opened for 203.0.113.1 by bob, 900s"]);
}

#[test]
fn no_more_leases_than_the_user_may_hold() {
    needs!(root);
    let attack = Attack::done("quota");
    assert_eq!(attack.table("ssh").len(), BOBS_LEASES);
    let log = attack.end();
    let full = log.iter().filter(|line| line.ends_with("by bob, full")).count();
    assert_eq!(full, 60 - BOBS_LEASES, "{log:#?}");
}

#[test]
fn no_token_counts_twice() {
    needs!(root);
    let attack = Attack::done("replay");
    assert_eq!(attack.table("ssh"), hosts(&["203.0.113.1"]));
    let log = attack.end();
    assert_eq!(refusals(&log, "replayed"), 3, "{log:#?}");
}

#[test]
fn no_token_of_another_day_and_no_packet_from_the_end_of_time() {
    needs!(root);
    let attack = Attack::done("times");
    // When a packet was read is believed, for nothing depends on it.
    assert_eq!(attack.table("ssh"), hosts(&["203.0.113.10", "203.0.113.11"]));
    let log = attack.end();
    assert_eq!(refusals(&log, "stale"), 2, "{log:#?}");
    assert_eq!(refusals(&log, "early"), 2, "{log:#?}");
}

#[test]
fn the_administrators_slots_stay_his() {
    needs!(root);
    let attack = Attack::prepare("slots");
    attack.begin();
    attack.daemon.expect("by a sequence, full");
    attack.daemon.expect("starting another engine: it closed its channel");
    let held = attack.table("ssh").len() + attack.table("web").len();
    assert!((MAX_LEASES / 2..=MAX_LEASES).contains(&held), "{held}");

    let mut knockctl = attack.lab.server.command(env!("CARGO_BIN_EXE_knockctl"));
    knockctl.arg("-s").arg(attack.lab.path("run/knockd.sock"));
    let output = knockctl.args(["open", "ssh", "192.0.2.50", "60"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(attack.table("ssh").contains("192.0.2.50"));
    attack.end();
}
