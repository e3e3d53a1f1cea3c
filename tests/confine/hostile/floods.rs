//! More of everything than fits.

use std::time::{Duration, Instant};

use knockd::log::summary::MAX_LINES;

use super::{Attack, hosts, refusals};
use crate::net::until;

#[test]
fn no_grants_faster_than_the_rate() {
    needs!(root);
    let attack = Attack::prepare("rate");
    let files = attack.files();
    let began = Instant::now();
    attack.begin();
    attack.daemon.expect("by dave");
    // 64 at once, and one each 50 ms.
    let most = 64 + usize::try_from(began.elapsed().as_millis()).unwrap() / 50 + 1;
    let said = |what| attack.daemon.count(&format!("door ssh {what} for 203.0.113.1 by bob"));
    let granted = said("opened") + said("extended");
    assert!((64..=most).contains(&granted), "{granted} of {most}");
    assert_eq!(attack.table("ssh"), hosts(&["203.0.113.1"]));
    assert_eq!(attack.files(), files);
    let log = attack.end();
    assert_eq!(refusals(&log, "throttled"), 2_000 - granted, "{log:#?}");
}

#[test]
fn the_log_stays_within_its_bounds() {
    needs!(root);
    let attack = Attack::prepare("refusals");
    let files = attack.files();
    attack.begin();
    attack.daemon.expect("by dave");
    assert_eq!(attack.files(), files);
    assert_eq!((attack.table("ssh"), attack.table("web")), (hosts(&[]), hosts(&[])));
    let log = attack.end();
    let of_packets =
        |line: &&String| line.contains("token in the name") || line.contains("packet");
    let lines = log.iter().filter(of_packets).count();
    // A slow machine sees the end of a minute.
    assert!((40..=2 * MAX_LINES).contains(&lines), "{lines}");
    let all = ["stranger", "replayed", "stale"].map(|reason| refusals(&log, reason));
    assert_eq!(all.iter().sum::<usize>(), 100_000, "none is hidden");
}

#[test]
fn counters_have_no_end_and_who_serves_serves_once() {
    needs!(root);
    let attack = Attack::done("counts");
    let log = attack.end();
    let ready = log.iter().filter(|line| line.contains(" ready, ")).count();
    assert_eq!(ready, 1, "{log:#?}");
}

#[test]
fn who_cannot_read_all_the_time_is_given_new_descriptors_at_times() {
    needs!(root);
    let attack = Attack::prepare("failures");
    attack.begin();
    attack.daemon.expect("starting another engine: it closed its channel");
    // What came before was perhaps lost with the descriptor.
    until("it serves", || {
        attack.begin();
        attack.daemon.expect_within("by dave", Duration::from_millis(50)).is_some()
    });
    let again = attack.daemon.count("capturing on eth0") - 1;
    assert!(again <= 2, "{again}");
    attack.end();
}
