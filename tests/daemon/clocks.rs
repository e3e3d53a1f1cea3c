//! Clocks that step, and a machine that sleeps.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::machine::{self, Clock};
use crate::net::furnish::{MARK, ahead, named, token};
use crate::net::survival::assert_remaining;
use crate::net::*;

const DAY: i64 = 86_400_000;
/// In milliseconds.
const SECOND: i64 = 1_000;

fn lab(span: &str) -> (Lab, PathBuf, Clock) {
    let lab = Lab::new();
    let config = Plan { span, sequences: MARK, ..Plan::default() }.furnish(&lab);
    let clock = Clock::new(&lab);
    (lab, config, clock)
}

/// Starts a daemon with these clocks and waits until it is ready.
fn start(lab: &Lab, config: &Path, clock: &Clock) -> Daemon {
    let daemon = machine::start(lab, config, &["-v"], None, Some(clock));
    daemon.ready();
    daemon
}

#[test]
fn a_clock_that_steps_by_a_day_changes_no_lease_and_revives_no_token() {
    needs!(root);
    for (millis, has_journal) in [(DAY, true), (-DAY, true), (-DAY, false)] {
        let (lab, config, clock) = lab("3s");
        if !has_journal {
            fs::remove_file(lab.path("state/journal")).unwrap();
        }
        let daemon = start(&lab, &config, &clock);
        // Without a journal, tokens are accepted that are newer than the start.
        clock.set(SECOND * 1_000_000, SECOND);
        let ahead = || ahead() + Duration::from_secs(1);
        let used = token(&lab.access("bob"), "ssh", named(CLIENT4), ahead());
        lab.send(CLIENT4, &used);
        let (opened, _) = daemon.expect("door ssh opened for 192.0.2.100 by bob");
        clock.set(SECOND * 1_000_000, SECOND + millis);
        // A new token is judged by the clock as it is now.
        let step = Duration::from_millis(millis.unsigned_abs());
        let issued = if millis > 0 { ahead() + step } else { ahead() - step };
        let fresh = token(&lab.access("dave"), "ssh", named("192.0.2.101"), issued);
        lab.send(CLIENT4, &fresh);
        if has_journal {
            daemon.expect("door ssh opened for 192.0.2.101 by dave");
        } else {
            // Older than the start, and what was accepted before is not known.
            daemon.expect("dave from 192.0.2.100 refused, uncertain");
        }
        let (closed, _) = daemon.expect("door ssh closed for 192.0.2.100 after 3s, expired");
        let lasted = closed.duration_since(opened);
        assert!(lasted >= Duration::from_millis(2_900), "{lasted:?}");
        clock.set(SECOND * 1_000_000, SECOND);
        for token in [&used, &fresh] {
            lab.send(CLIENT4, token);
        }
        lab.mark(&daemon);
        assert_eq!(daemon.count("door ssh opened for 192.0.2.100"), 1);
        assert!(daemon.count("door ssh opened for 192.0.2.101") <= 1);
        daemon.stop();
    }
}

#[test]
fn time_asleep_counts() {
    needs!(root);
    let (lab, config, clock) = lab("1h");
    let daemon = start(&lab, &config, &clock);
    lab.send(CLIENT4, &lab.token("bob", CLIENT4));
    daemon.expect("door ssh opened");
    clock.set(3_599_000_000_000, 3_599_000);
    lab.mark(&daemon);
    assert_eq!(daemon.count("door ssh closed"), 0);
    clock.set(3_600_000_000_000, 3_600_000);
    daemon.expect("door ssh closed for 192.0.2.100 after 3600s, expired");
    assert_eq!(lab.set("knock_ssh_v4"), "");
    daemon.stop();
}

#[test]
fn a_clock_that_steps_while_the_daemon_is_down_revives_no_token_and_changes_no_lease() {
    needs!(root);
    for (millis, is_stopped) in [(DAY, true), (DAY, false), (-DAY, true), (-DAY, false)] {
        let (lab, config, clock) = lab("60s");
        let daemon = start(&lab, &config, &clock);
        let used = lab.token("bob", CLIENT4);
        lab.send(CLIENT4, &used);
        daemon.expect("door ssh opened for 192.0.2.100 by bob");
        let opened = Instant::now();
        if is_stopped {
            daemon.stop();
        } else {
            daemon.kill_parent(true);
        }
        // Once on the way there, and once on the way back.
        for step in [millis, 0] {
            clock.set(0, step);
            let daemon = machine::start(&lab, &config, &["-v"], None, Some(&clock));
            let (_, line) = daemon.expect("door ssh open again for 192.0.2.100 by bob, ");
            assert_remaining(&line, opened);
            daemon.expect("ready, ");
            lab.send(CLIENT4, &used);
            daemon.expect("bob from 192.0.2.100 refused, ");
            lab.mark(&daemon);
            assert_eq!(daemon.count("by bob, 60s"), 0);
            daemon.stop();
        }
    }
}
