//! A journal that a disk did not keep as it was written, or that somebody put
//! back: no token opens twice, and the daemon lives.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::machine::{self, Clock};
use crate::net::furnish::{MARK, ahead, clock, named, token};
use crate::net::*;

/// Length of the head, and of every slot behind it.
const SLOT: usize = 64;

fn furnish() -> (Lab, PathBuf) {
    let lab = Lab::new();
    let config = Plan { span: "60s", sequences: MARK, ..Plan::default() }.furnish(&lab);
    (lab, config)
}

/// Starts a daemon in a boot of the machine.
fn in_boot(lab: &Lab, config: &Path, boot: &str) -> Daemon {
    machine::start(lab, config, &["-v"], Some(boot), None)
}

/// What the kernel forgets when the machine goes down.
fn flush(lab: &Lab) {
    for set in ["knock_ssh_v4", "knock_web_v4"] {
        lab.server.nft(&format!("flush set inet filter {set}"));
    }
}

/// Has a token of bob's honoured, and returns it.
fn use_token(lab: &Lab, daemon: &Daemon) -> Vec<u8> {
    let token = lab.token("bob", CLIENT4);
    lab.send(CLIENT4, &token);
    daemon.expect("for 192.0.2.100 by bob, 60s");
    token
}

/// Starts a daemon in the boot that the lab's journal is of, and sends it
/// `token`, which was used. It is refused, and the daemon says `word` once.
fn assert_refused(lab: &Lab, config: &Path, token: &[u8], word: &str, what: &str) {
    // Nothing else of an earlier run.
    let _ = fs::remove_file(lab.path("run/leases"));
    flush(lab);
    let daemon = in_boot(lab, config, "one");
    daemon.expect("ready, ");
    lab.send(CLIENT4, token);
    lab.mark(&daemon);
    assert_eq!(lab.set("knock_ssh_v4"), "", "{what}");
    assert_eq!(daemon.count("uncertain: "), 1, "{what}");
    assert_eq!(daemon.count(word), 1, "{what}");
    daemon.kill_parent(true);
}

/// How long a token serves to tell whether it opens anything: well within the
/// time for which it would be believed.
const SERVES: Duration = Duration::from_secs(20);

/// Has a run honour two tokens and die; then for each of `harms`, which are so
/// many, does it to the journal and looks what the next run makes of the last
/// token. In the same boot: had the journal come to no harm, nothing would be
/// doubted.
fn assert_harmless<T: Copy + Debug>(
    harms: impl Iterator<Item = T>,
    harm: impl Fn(&mut Vec<u8>, T),
) {
    let (lab, config) = furnish();
    let mut used: Option<(Instant, Vec<u8>, Vec<u8>)> = None;
    for what in harms {
        if used.as_ref().is_none_or(|(at, ..)| at.elapsed() > SERVES) {
            lab.empty_journal();
            let daemon = in_boot(&lab, &config, "one");
            daemon.ready();
            use_token(&lab, &daemon);
            let (at, token) = (Instant::now(), use_token(&lab, &daemon));
            daemon.kill_parent(true);
            used = Some((at, fs::read(lab.path("state/journal")).unwrap(), token));
        }
        let (_, journal, token) = used.as_ref().unwrap();
        let mut bytes = journal.clone();
        harm(&mut bytes, what);
        assert_ne!(bytes, *journal);
        fs::write(lab.path("state/journal"), &bytes).unwrap();
        assert_refused(&lab, &config, token, "is damaged", &format!("{what:?}"));
    }
}

/// Every byte when there is time, a few in each slot when not.
fn stride() -> usize {
    if rounds() >= 20 { 1 } else { 23 }
}

#[test]
fn a_byte_that_changed_anywhere_is_a_loss_that_is_said_and_no_replay() {
    needs!(root);
    // In the head, the two slots in use, and one that is not.
    let places = (0..4 * SLOT).step_by(stride());
    assert_harmless(places, |bytes, at| bytes[at] ^= 0x10);
}

#[test]
fn a_journal_cut_off_anywhere_is_a_loss_that_is_said_and_no_replay() {
    needs!(root);
    let within = (0..4 * SLOT).step_by(3 * stride());
    let between = (1..8).map(|slots| slots * SLOT);
    assert_harmless(within.chain(between), Vec::truncate);
}

#[test]
fn slots_that_never_came_to_the_disk_are_a_loss_that_is_said_and_no_replay() {
    needs!(root);
    assert_harmless(0..4, |bytes, slot| bytes[slot * SLOT..][..SLOT].fill(0));
}

/// Copies the files of a directory.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn what_the_disk_had_when_the_power_went_believes_nothing_older_than_the_start() {
    needs!(root);
    let (lab, config) = furnish();
    let daemon = in_boot(&lab, &config, "one");
    daemon.ready();
    let known = use_token(&lab, &daemon);
    // What is written from now on stays in memory.
    copy(&lab.path("state"), &lab.path("disk"));
    let unknown = use_token(&lab, &daemon);
    let unused = lab.token("bob", CLIENT4);
    daemon.kill_parent(true);
    copy(&lab.path("disk"), &lab.path("state"));
    flush(&lab);

    let clocks = Clock::new(&lab);
    let daemon = machine::start(&lab, &config, &["-v"], Some("two"), Some(&clocks));
    daemon.expect("uncertain: the machine went down while the daemon ran");
    daemon.expect("ready, ");
    for token in [&known, &unknown, &unused] {
        lab.send(CLIENT4, token);
    }
    lab.mark(&daemon);
    assert_eq!(daemon.count("door ssh opened"), 0);
    assert_eq!(lab.set("knock_ssh_v4"), "");
    assert!(daemon.count("by bob") == 0 && daemon.count("of bob from 192.0.2.100 refused") > 0);
    // One issued after the start is accepted.
    clocks.set(1_000_000_000, 1_000);
    let issued = ahead() + Duration::from_secs(1);
    lab.send(CLIENT4, &token(&lab.access("bob"), "ssh", named(CLIENT4), issued));
    daemon.expect("for 192.0.2.100 by bob, 60s");
    daemon.stop();
}

#[test]
fn after_a_stop_in_order_another_boot_believes_what_is_new_at_once() {
    needs!(root);
    let (lab, config) = furnish();
    let daemon = in_boot(&lab, &config, "one");
    daemon.ready();
    // As the real client makes them: issued now.
    let plain = || token(&lab.access("bob"), "ssh", named(CLIENT4), clock());
    let used = plain();
    lab.send(CLIENT4, &used);
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    daemon.stop();
    flush(&lab);

    let daemon = in_boot(&lab, &config, "two");
    daemon.ready();
    lab.send(CLIENT4, &used);
    daemon.expect("bob from 192.0.2.100 refused, replayed");
    lab.send(CLIENT4, &plain());
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    let lines = daemon.stop();
    assert!(!lines.iter().any(|line| line.contains("uncertain")), "{lines:#?}");
}
