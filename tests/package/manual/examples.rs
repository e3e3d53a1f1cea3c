//! What the manuals, the README and the samples show works as it stands.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use knockd::client::hosts;
use knockd::config;
use knockd::firewall::pf::dialect::OPENBSD;
use knockd::import::{Frame, translate};
use knockd::keyfile::{self, KeyBytes, KeyKind};
use tempfile::TempDir;

use super::{CONFIGURATION, KNOCK, MIGRATE};
use crate::modes;

const README: &str = include_str!("../../../README.md");
const SAMPLE: &str = include_str!("../../../etc/knockd.ron.sample");
const NFT_SAMPLE: &str = include_str!("../../../etc/nftables.conf.sample");

/// The literal blocks of a manual or of a Markdown file.
fn blocks<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let after = text.split(begin).skip(1);
    after
        .filter_map(|rest| rest.split_once('\n')?.1.split_once(end))
        .map(|(one, _)| one)
        .collect()
}

/// Every literal block that begins with `start`, each with where it stands.
fn examples(start: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for (place, text) in
        [("knockd-migrate.7", MIGRATE), ("knock.1", KNOCK), ("knockd.ron.5", CONFIGURATION)]
    {
        found.extend(blocks(text, "\n.Bd -literal", ".Ed").into_iter().map(|it| (place, it)));
    }
    found.extend(blocks(README, "\n```ron", "```").into_iter().map(|it| ("README.md", it)));
    found.retain(|(_, block)| block.starts_with(start));
    found
}

/// A directory with a configuration, in memory instead of the packet filter of
/// some machine.
fn house(configuration: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("knockd.ron");
    let is_firewall = |line: &str| line.trim_start().starts_with("firewall:");
    let text: String =
        configuration
            .lines()
            .map(|line| {
                if is_firewall(line) {
                    "firewall: Memory,\n".into()
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
    assert!(text.contains("firewall: Memory"), "the example names its firewall");
    fs::write(&file, text).unwrap();
    (directory, file)
}

/// Makes the key files that `configuration` names.
fn make_keys(configuration: &str, secrets: &Path) {
    let mut before = "";
    for (number, text) in configuration.split('"').enumerate() {
        if number % 2 == 1 && (text.ends_with(".key") || text.ends_with(".secret")) {
            let kind =
                if before.ends_with("Secret(") { KeyKind::Secret } else { KeyKind::Gate };
            let key = KeyBytes::new([u8::try_from(number).unwrap(); 32]);
            keyfile::write_new(&secrets.join(text), kind, &key, "").unwrap();
        } else if number % 2 == 1 && text.ends_with(".keys") {
            // The lines that the example of access.conf has.
            let lines = MIGRATE.lines().filter(|line| line.contains("KEY_BASE64  "));
            write_secret(secrets, text, &lines.collect::<Vec<_>>().join("\n"));
        } else if number % 2 == 1 && text.ends_with(".psk") {
            write_secret(secrets, text, "correct horse battery staple\n");
        }
        before = text;
    }
}

fn write_secret(secrets: &Path, name: &str, text: &str) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(secrets).unwrap();
    modes::write_secret(secrets.join(name), text);
}

fn check(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_knockd")).arg("-n").arg("-f").arg(file).output().unwrap()
}

#[track_caller]
fn assert_accepted(place: &str, configuration: &str) {
    let (directory, file) = house(configuration);
    make_keys(configuration, &directory.path().join("knockd"));
    let output = check(&file);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "configuration OK\n", "{place}:\n{configuration}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_configuration_that_the_manuals_show_is_accepted() {
    let examples = examples("(\n");
    let places: BTreeSet<_> = examples.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, BTreeSet::from(["README.md", "knockd-migrate.7", "knockd.ron.5"]));
    for (place, configuration) in examples {
        let is_legacy = ["Fwknop", "Pyknock"].iter().any(|kind| configuration.contains(kind));
        if cfg!(feature = "legacy") || !is_legacy {
            assert_accepted(place, configuration);
        }
    }
}

/// The example of the old daemon's configuration becomes the one of ours.
#[test]
fn the_example_of_the_old_daemon_is_taken_over_as_the_manual_shows() {
    let literal = blocks(MIGRATE, "\n.Bd -literal", ".Ed");
    let old = literal.iter().find(|text| text.starts_with("[openSSH]")).unwrap();
    let ours = literal.iter().find(|text| text.contains("\"openssh\": (table")).unwrap();
    let frame = Frame { from: "knockd.conf", host: "gw1.example.org", dialect: &OPENBSD };
    let imported = translate(old.as_bytes(), frame).unwrap().text;
    let understood = |text: &str| {
        let (_directory, file) = house(text);
        let config = config::load(&file).unwrap();
        let policy = &config.policy;
        (policy.doors.clone(), policy.sequences.clone(), config.name.clone())
    };
    assert_eq!(understood(&imported), understood(ours));
}

#[test]
fn every_hosts_file_that_the_manuals_show_is_accepted() {
    let examples = examples("{\n");
    assert_eq!(examples.len(), 1);
    for (place, text) in examples {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hosts.ron");
        fs::write(&file, text).unwrap();
        let found = hosts::find(&file, "gw1");
        assert!(found.is_ok(), "{place}: {}", found.unwrap_err());
    }
}

#[test]
fn the_sample_opens_for_nobody_until_keys_are_made() {
    let (_directory, file) = house(SAMPLE);
    let output = check(&file);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for key in ["gate.key", "alice.secret"] {
        assert!(said.contains(key), "{said}");
    }
    assert_accepted("knockd.ron.sample", SAMPLE);
}

#[test]
fn nft_accepts_the_rulesets_that_are_shown() {
    needs!(system(cfg!(target_os = "linux"), "nftables"), root);
    let mut rulesets = examples("table inet");
    assert_eq!(rulesets.len(), 1);
    rulesets.push(("nftables.conf.sample", NFT_SAMPLE));
    for (place, ruleset) in rulesets {
        let mut nft = Command::new("unshare")
            .args(["--net", "nft", "--check", "--file", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin.take().unwrap().write_all(ruleset.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "{place}");
    }
}
