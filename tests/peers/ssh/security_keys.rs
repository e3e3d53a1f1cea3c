//! Security keys: touched, known to their owner, and only one of each.

use super::lab::{SshLab, said};
use crate::net::*;
use crate::security_key::SecurityKey;

/// A lab in which ada's key is a security key; `options` stand before it.
fn lab(options: &str) -> (SshLab, SecurityKey) {
    let mut lab = SshLab::new();
    let key = SecurityKey::plug_in(&lab.path("sk.sock"), "ssh:");
    lab.lab.write("ada.pub", &format!("{}\n", key.line()));
    let line = format!("{options}{}", key.line());
    lab.user("ada", &format!("AuthorizedKey({line:?})"), "ada.pub", "");
    (lab, key)
}

fn knock(lab: &SshLab, key: &SecurityKey) {
    let sent = lab.knock(&[("SSH_AUTH_SOCK", key.socket())], &["ada4", "ssh"]);
    assert!(sent.status.success(), "{}", said(&sent));
}

#[test]
fn a_security_key_opens_once_for_each_touch_and_what_it_says_of_itself_counts() {
    needs!(root);
    let (lab, key) = lab("");
    let daemon = lab.daemon();
    key.set(|mood| mood.counter = 7);
    knock(&lab, &key);
    daemon.expect("door ssh opened for 192.0.2.100 by ada");
    for (change, expected) in [
        (&|mood: &mut crate::security_key::Mood| mood.flags = 0, "untouched"),
        (&|mood: &mut crate::security_key::Mood| mood.flags = 0x81, "invalid"),
        (
            &|mood: &mut crate::security_key::Mood| mood.application = "ssh:work".into(),
            "unproven",
        ),
        (&|mood: &mut crate::security_key::Mood| mood.counter = 6, "counter"),
        (&|mood: &mut crate::security_key::Mood| mood.counter = 7, "counter"),
        (&|mood: &mut crate::security_key::Mood| mood.counter = 0, "counter"),
    ] as [(&dyn Fn(&mut crate::security_key::Mood), &str); 6]
    {
        key.set(|mood| {
            mood.flags = 1;
            mood.counter = 8;
            mood.application = "ssh:".into();
            change(mood);
        });
        let before = lab.refused(expected);
        knock(&lab, &key);
        until(expected, || lab.refused(expected) == before + 1);
    }
    let log = daemon.stop();
    assert_eq!(log.iter().filter(|line| line.contains("door ssh opened")).count(), 1);
}

#[test]
fn a_key_that_must_know_its_owner_does() {
    needs!(root);
    let (lab, key) = lab("verify-required ");
    let daemon = lab.daemon();
    knock(&lab, &key);
    daemon.expect("in the name of ada from 192.0.2.100 refused, unverified");
    key.set(|mood| mood.flags = 5);
    knock(&lab, &key);
    daemon.expect("door ssh opened for 192.0.2.100 by ada");
}

#[test]
fn a_counter_is_remembered_across_a_kill_and_a_restart() {
    needs!(root);
    let (lab, key) = lab("");
    let daemon = lab.daemon();
    key.set(|mood| mood.counter = 41);
    knock(&lab, &key);
    daemon.expect("door ssh opened for 192.0.2.100 by ada");
    daemon.kill_parent(true);
    for counter in [41, 40] {
        let daemon = lab.daemon();
        key.set(|mood| mood.counter = counter);
        knock(&lab, &key);
        daemon.expect("refused, counter, there may be a copy of the security key");
        daemon.stop();
    }
    let daemon = lab.daemon();
    key.set(|mood| mood.counter = 42);
    knock(&lab, &key);
    daemon.expect("for 192.0.2.100 by ada");
}
