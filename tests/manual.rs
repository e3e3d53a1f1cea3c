//! The manuals and samples against the programs: every flag, field and reason
//! is documented, nothing else is, and every example is accepted.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use knockd::client::hosts;
use knockd::core::reason::Reason;
use knockd::keyfile::{self, Key, Kind};
use tempfile::TempDir;

const KNOCKD: &str = include_str!("../man/knockd.8");
const KNOCK: &str = include_str!("../man/knock.1");
const CONFIGURATION: &str = include_str!("../man/knockd.ron.5");
const README: &str = include_str!("../README.md");
const SAMPLE: &str = include_str!("../etc/knockd.ron.sample");
const NFT_SAMPLE: &str = include_str!("../etc/nftables.conf.sample");

/// What follows `.It` on every line of `page` that describes an item.
fn items<'a>(page: &'a str, macro_name: &str) -> Vec<&'a str> {
    let start = format!(".It {macro_name} ");
    page.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
}

fn first_words<'a>(page: &'a str, macro_name: &str) -> Vec<&'a str> {
    items(page, macro_name)
        .iter()
        .filter_map(|item| item.split_ascii_whitespace().next())
        .collect()
}

fn documented_flags(page: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for item in items(page, "Fl") {
        let words: Vec<_> = "Fl".split(' ').chain(item.split_ascii_whitespace()).collect();
        let mut dashes = String::new();
        for word in words {
            if word == "Fl" {
                dashes.push('-');
            } else if !dashes.is_empty() {
                flags.insert(format!("{}{word}", std::mem::take(&mut dashes)));
            }
        }
    }
    flags
}

/// The flags that the help of a program lists.
fn offered_flags(program: &str) -> BTreeSet<String> {
    let output = Command::new(program).arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let options = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    options
        .flat_map(|line| line.split_ascii_whitespace().take_while(|word| word.starts_with('-')))
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

#[test]
fn every_flag_of_knockd_is_in_its_manual_and_no_other() {
    let mut documented = documented_flags(KNOCKD);
    if !cfg!(feature = "demo") {
        documented.remove("--demo");
    }
    assert_eq!(documented, offered_flags(env!("CARGO_BIN_EXE_knockd")));
}

#[test]
fn every_flag_of_knock_is_in_its_manual_and_no_other() {
    assert_eq!(documented_flags(KNOCK), offered_flags(env!("CARGO_BIN_EXE_knock")));
}

/// The lines between the braces of every public item that begins with `start`.
fn bodies<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let mut lines = source.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with(start) && line.ends_with('{') {
            found.extend(lines.by_ref().take_while(|line| *line != "}").map(str::trim));
        }
    }
    found
}

fn is_field(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Names of the fields in lines of structures and of variants with fields.
fn fields<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let words = lines.iter().flat_map(|line| line.split_ascii_whitespace());
    let names = words.filter_map(|word| word.strip_suffix(':'));
    let mut names: Vec<_> = names.filter(|name| is_field(name)).collect();
    names.sort_unstable();
    names
}

fn documented_fields(page: &str) -> Vec<&str> {
    let mut names = first_words(page, "Ic");
    names.sort_unstable();
    names
}

const RAW: &str = include_str!("../src/config/raw.rs");

#[test]
fn every_field_of_the_configuration_is_in_its_manual_and_no_other() {
    let mut lines = bodies(RAW, "pub struct");
    lines.extend(bodies(RAW, "pub enum"));
    let fields = fields(&lines);
    assert!(fields.contains(&"gate_keys"), "the source is read as it is written");
    assert_eq!(documented_fields(CONFIGURATION), fields);
}

#[test]
fn every_alternative_of_the_configuration_is_in_its_manual_and_no_other() {
    let variants: BTreeSet<_> = bodies(RAW, "pub enum")
        .iter()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .filter_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .collect();
    let documented: BTreeSet<_> = CONFIGURATION
        .lines()
        .filter_map(|line| line.split_once("Cm "))
        .flat_map(|(_, rest)| rest.split_ascii_whitespace())
        .filter(|word| word.starts_with("\\&") || word.len() > 2)
        .map(|word| word.trim_start_matches("\\&"))
        .filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase()))
        .collect();
    assert!(variants.contains("Ed25519"), "the source is read as it is written");
    assert_eq!(documented, variants);
}

#[test]
fn every_field_of_the_hosts_file_is_in_its_manual_and_no_other() {
    let source = include_str!("../src/client/hosts.rs");
    assert_eq!(documented_fields(KNOCK), fields(&bodies(source, "pub struct Host {")));
}

#[test]
fn every_reason_is_in_the_manual_in_the_order_of_the_packets_way() {
    let words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    let (_, reasons) = KNOCKD.split_once(".Ss Reasons").unwrap();
    let (reasons, _) = reasons.split_once(".Ss").unwrap();
    assert_eq!(first_words(reasons, "Sy"), words);
}

/// The literal blocks of a manual or of a Markdown file.
fn blocks<'a>(text: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let after = text.split(begin).skip(1);
    after.filter_map(|rest| rest.split_once('\n')?.1.split_once(end)).map(|(one, _)| one).collect()
}

/// Every literal block that begins with `start`, each with where it stands.
fn examples(start: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for (place, text) in [("knockd.8", KNOCKD), ("knock.1", KNOCK), ("knockd.ron.5", CONFIGURATION)]
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
    let text: String = configuration
        .lines()
        .map(|line| if is_firewall(line) { "firewall: Memory,\n".into() } else { format!("{line}\n") })
        .collect();
    assert!(text.contains("firewall: Memory"), "the example names its firewall");
    fs::write(&file, text).unwrap();
    (directory, file)
}

/// Makes the key files that `configuration` names.
fn make_keys(configuration: &str, secrets: &Path) {
    let mut before = "";
    for (number, text) in configuration.split('"').enumerate() {
        if number % 2 == 1 && text.ends_with(".key") {
            let kind = if before.ends_with("Secret(") { Kind::Secret } else { Kind::Gate };
            let key = Key::new([u8::try_from(number).unwrap(); 32]);
            keyfile::write_new(&secrets.join(text), kind, &key, "").unwrap();
        }
        before = text;
    }
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
    assert_eq!(places, BTreeSet::from(["README.md", "knockd.8", "knockd.ron.5"]));
    for (place, configuration) in examples {
        assert_accepted(place, configuration);
    }
}

#[test]
fn every_hosts_file_that_the_manuals_show_is_accepted() {
    let examples = examples("{\n");
    assert_eq!(examples.len(), 2);
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
    for key in ["gate.key", "alice.key"] {
        assert!(said.contains(key), "{said}");
    }
    assert_accepted("knockd.ron.sample", SAMPLE);
}

fn is_skipped(needs: &str, is_there: bool) -> bool {
    if !is_there {
        assert!(std::env::var_os("KNOCKD_TESTS_STRICT").is_none(), "needs {needs}");
        eprintln!("skipped: needs {needs}");
    }
    !is_there
}

#[test]
fn nft_accepts_the_rulesets_that_are_shown() {
    if is_skipped("root", nix::unistd::geteuid().is_root()) {
        return;
    }
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

#[test]
fn the_manuals_are_clean() {
    let lint = Command::new("mandoc")
        .args(["-T", "lint", "-W", "warning"])
        .args(["knockd.8", "knock.1", "knockd.ron.5", "spa.7"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("man"))
        .output();
    if is_skipped("mandoc", lint.is_ok()) {
        return;
    }
    let lint = lint.unwrap();
    assert_eq!(String::from_utf8(lint.stdout).unwrap(), "");
    assert!(lint.status.success());
}
