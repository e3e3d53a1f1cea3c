//! Whatever becomes of the journal, no token opens twice, and the daemon
//! lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::{self, Clock};
use crate::net::furnish::{MARK, ahead, named, token};
use crate::net::*;

/// A lab whose daemon has honoured a token of bob's, and was killed with its
/// power.
fn after_power_loss(site: &Site) -> Vec<u8> {
    let Site { lab, .. } = site;
    let daemon = site.boot("one");
    daemon.ready();
    let token = lab.token("bob", CLIENT4);
    lab.send(CLIENT4, &token);
    daemon.expect("door ssh opened for 192.0.2.100 by bob");
    daemon.kill_parent(true);
    for set in ["knock_ssh_v4", "knock_web_v4"] {
        lab.server.nft(&format!("flush set inet filter {set}"));
    }
    token
}

/// A server that boots.
struct Site {
    lab: Lab,
    config: PathBuf,
    clock: Clock,
}

impl Site {
    fn new() -> Self {
        let lab = Lab::new();
        let config = Plan { sequences: MARK, ..Plan::default() }.furnish(&lab);
        let clock = Clock::new(&lab);
        Self { lab, config, clock }
    }

    /// Starts a daemon in the boot with this name.
    fn boot(&self, name: &str) -> Daemon {
        machine::start(&self.lab, &self.config, &["-v"], Some(name), Some(&self.clock))
    }
}

/// A used token stays refused, and one issued after the start is accepted.
fn assert_no_replay(site: &Site, daemon: Daemon, used: &[u8]) {
    let Site { lab, clock, .. } = site;
    lab.send(CLIENT4, used);
    lab.mark(&daemon);
    assert_eq!(daemon.count("door ssh opened"), 0);
    clock.set(1_000_000_000, 1_000);
    let issued = ahead() + Duration::from_secs(1);
    lab.send(CLIENT4, &token(&lab.access("bob"), "ssh", named(CLIENT4), issued));
    // It may extend what lived on in the same boot.
    daemon.expect("for 192.0.2.100 by bob, 2s");
    daemon.stop();
}

#[test]
fn after_a_loss_of_power_nothing_older_than_the_start_is_believed() {
    needs!(root);
    let site = Site::new();
    let token = after_power_loss(&site);
    let daemon = site.boot("two");
    daemon.expect("uncertain: the machine went down while the daemon ran");
    daemon.expect("ready, ");
    assert_eq!(daemon.count("open again"), 0, "leases do not survive a boot");
    assert_no_replay(&site, daemon, &token);
}

#[test]
fn after_a_stop_in_order_another_boot_is_no_loss() {
    needs!(root);
    let site = Site::new();
    let token = after_power_loss(&site);
    let daemon = site.boot("two");
    daemon.expect("ready, ");
    // It runs until every token that it does not know is stale.
    site.clock.set(61_000_000_000, 61_000);
    daemon.stop();
    site.clock.set(0, 0);
    let daemon = site.boot("three");
    daemon.expect("ready, ");
    assert_eq!(daemon.count("uncertain"), 0);
    assert_no_replay(&site, daemon, &token);
}

#[test]
fn a_journal_that_is_torn_missing_or_anothers_is_a_loss_that_is_said() {
    needs!(root);
    type Harm = fn(&Path, &[u8]);
    let harms: [(&str, Harm); 6] = [
        ("damaged", |path, bytes| fs::write(path, &bytes[..bytes.len() - 1]).unwrap()),
        ("damaged", |path, bytes| fs::write(path, &bytes[..64]).unwrap()),
        ("damaged", |path, bytes| fs::write(path, &bytes[..20]).unwrap()),
        ("damaged", |path, bytes| {
            let mut bytes = bytes.to_vec();
            bytes[64..128].fill(0);
            fs::write(path, bytes).unwrap();
        }),
        ("there is no journal", |path, _| fs::remove_file(path).unwrap()),
        ("cannot be read", |path, _| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (word, harm) in harms {
        let site = Site::new();
        let token = after_power_loss(&site);
        let path = site.lab.path("state/journal");
        harm(&path, &fs::read(&path).unwrap());
        // The same boot: with a sound journal nothing would be uncertain.
        let daemon = site.boot("one");
        let (_, line) = daemon.expect("uncertain: ");
        assert!(line.contains(word), "{line}");
        daemon.expect("ready, ");
        if path.is_dir() {
            assert_eq!(daemon.count("every token is refused"), 1);
            fs::remove_dir(&path).unwrap();
            daemon.expect("the journal can be written again");
        }
        assert_no_replay(&site, daemon, &token);
    }
}

/// A tiny file system in the state directory, gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        run(
            "mount",
            &["-t", "tmpfs", "-o", "size=128k,mode=0700", "none", path.to_str().unwrap()],
        );
        Self(path)
    }

    fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let path = self.0.to_str().unwrap();
        let _ = std::process::Command::new("umount").args(["-l", path]).status();
    }
}

#[test]
fn on_a_full_or_read_only_disk_tokens_are_refused_until_there_is_room() {
    needs!(root);
    for is_full in [true, false] {
        let site = Site::new();
        let lab = &site.lab;
        let disk = Disk::new(lab.path("state"));
        lab.empty_journal();
        if is_full {
            let _ = fs::write(lab.path("state/big"), [7; 140_000]);
        } else {
            disk.remount("ro");
        }
        let daemon = site.boot("one");
        daemon.expect("every token is refused until the journal can be written: cannot write ");
        daemon.ready();
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh not opened for 192.0.2.100 by bob, failed");
        // Who only knows a sequence gets in.
        lab.mark(&daemon);
        if is_full {
            fs::remove_file(lab.path("state/big")).unwrap();
        } else {
            disk.remount("rw");
            // The daemon has mounts of its own, as `ip netns exec` gives them.
            let (id, path) = (daemon.child.id().to_string(), lab.path("state"));
            let path = path.to_str().unwrap();
            run("nsenter", &["-t", &id, "-m", "mount", "-o", "remount,rw", path]);
        }
        daemon.expect("the journal can be written again");
        lab.send(CLIENT4, &lab.token("bob", CLIENT4));
        daemon.expect("door ssh opened for 192.0.2.100 by bob");
        daemon.stop();
    }
}
