//! The pf.conf examples say which system they are for, and keep to its words.
//! Whether pfctl takes them, tests/pf asks it on that system.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Name and text of every example.
fn examples() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/examples");
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    let named = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    let mut all: Vec<_> =
        files.map(|file| (named(&file), fs::read_to_string(&file).unwrap())).collect();
    all.sort();
    all
}

/// What pf reads of `text`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The names in angle brackets.
fn tables(line: &str) -> impl Iterator<Item = &str> {
    line.split('<').skip(1).filter_map(|rest| Some(rest.split_once('>')?.0))
}

#[test]
fn the_first_line_of_every_example_names_its_systems() {
    let systems = examples().into_iter().map(|(name, text)| {
        let first = text.lines().next().unwrap();
        let named = ["FreeBSD", "OpenBSD", "macOS"].into_iter().filter(|it| first.contains(it));
        (name, named.collect::<Vec<_>>().join(" "))
    });
    let expected = [
        ("pf.conf.carp", "OpenBSD"),
        ("pf.conf.gateway", "OpenBSD"),
        ("pf.conf.gateway.freebsd", "FreeBSD"),
        ("pf.conf.host", "FreeBSD OpenBSD"),
        ("pf.conf.macos", "macOS"),
        ("pf.conf.rdomain", "OpenBSD"),
        ("pf.conf.vnet", "FreeBSD"),
    ];
    let expected = expected.map(|(name, systems)| (name.to_owned(), systems.to_owned()));
    assert_eq!(systems.collect::<Vec<_>>(), expected);
}

#[test]
fn every_table_of_an_example_is_persistent_and_has_a_pass_line() {
    for (name, text) in examples() {
        let (defined, used): (Vec<_>, Vec<_>) =
            lines(&text).partition(|line| line.starts_with("table "));
        for line in &defined {
            assert!(line.ends_with(" persist"), "{name}: {line}");
        }
        let defined: BTreeSet<_> = defined.into_iter().flat_map(tables).collect();
        let passed = used.into_iter().filter(|line| line.starts_with("pass in "));
        let passed: BTreeSet<_> = passed.flat_map(tables).collect();
        assert!(!defined.is_empty(), "{name}");
        assert_eq!(defined, passed, "{name}");
    }
}

#[test]
fn every_example_drops_what_it_does_not_pass() {
    for (name, text) in examples() {
        let drops =
            |line: &str| line == "set block-policy drop" || line.starts_with("block drop ");
        assert!(lines(&text).any(drops), "{name}");
        assert!(lines(&text).any(|line| line.starts_with("block ")), "{name}");
        assert!(!text.contains("block return"), "{name}");
    }
}

#[test]
fn an_example_uses_the_words_of_its_own_system_only() {
    for (name, text) in examples() {
        let foreign: &[&str] = match text.lines().next().unwrap() {
            first if first.contains("FreeBSD") && first.contains("OpenBSD") => {
                &["nat", "rdr", "->", "match", "nat-to", "rdr-to"]
            }
            first if first.contains("OpenBSD") => &["nat", "rdr", "->"],
            _ => &["match", "nat-to", "rdr-to", "egress", "rdomain"],
        };
        for word in lines(&text).flat_map(str::split_whitespace) {
            assert!(!foreign.contains(&word), "{name}: {word}");
        }
    }
}

/// With `block in`, IPv6 has no neighbours unless they are let in.
#[test]
fn an_example_that_blocks_everything_lets_neighbours_be_discovered() {
    for (name, text) in examples() {
        if lines(&text).any(|line| line.starts_with("block in")) {
            assert!(text.contains("neighbrsol neighbradv routeradv"), "{name}");
        }
    }
}
