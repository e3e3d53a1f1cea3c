//! A directory with keys, and configurations to check in it.
#![forbid(unsafe_code)]
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use knockd::config::{self, Config, Problems};
use knockd::keyfile::{self, KeyBytes, KeyKind};
use tempfile::TempDir;

/// An ordinary Ed25519 public key (RFC 8032, section 7.1, test 1).
pub const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// A directory with a configuration's keys, and the base64 of each.
pub struct House {
    pub directory: TempDir,
    pub secrets: Vec<String>,
}

impl House {
    pub fn new() -> Self {
        let mut house =
            Self { directory: tempfile::tempdir().unwrap(), secrets: vec![PUBLIC.to_owned()] };
        for (number, (name, kind)) in [
            ("gate.key", KeyKind::Gate),
            ("old-gate.key", KeyKind::Gate),
            ("alice.key", KeyKind::Secret),
            ("bob.key", KeyKind::Secret),
            ("seed.key", KeyKind::Ed25519),
        ]
        .into_iter()
        .enumerate()
        {
            house.add_key(name, kind, u8::try_from(number).unwrap());
        }
        house
    }

    pub fn add_key(&mut self, name: &str, kind: KeyKind, number: u8) {
        let mut key = KeyBytes::default();
        for (place, byte) in key.iter_mut().enumerate() {
            *byte = (place as u8).wrapping_mul(37) ^ number.wrapping_mul(101);
        }
        keyfile::write_new(&self.path(name), kind, &key, "").unwrap();
        self.secrets.push(keyfile::public_to_text(&key));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("knockd").join(name)
    }

    pub fn parse(&self, text: &str) -> Result<Config, Problems> {
        let directory = self.directory.path();
        config::parse(text, Path::new("knockd.ron"), directory)
    }

    /// `line:column: text` of everything that is wrong with `text`.
    pub fn problems(&self, text: &str) -> Vec<String> {
        let problems = self.parse(text).expect_err("a mistake").to_string();
        self.assert_discreet(&problems);
        let own = self.directory.path().display().to_string();
        problems
            .lines()
            .map(|line| line.strip_prefix("knockd.ron:").unwrap().replace(&own, "ETC"))
            .collect()
    }

    pub fn warnings(&self, text: &str) -> Vec<String> {
        let warnings = self.parse(text).unwrap().warnings.to_string();
        warnings.lines().map(|line| line.strip_prefix("knockd.ron:").unwrap().into()).collect()
    }

    /// No eight characters in a row of any key.
    pub fn assert_discreet(&self, text: &str) {
        for secret in &self.secrets {
            for start in 0..secret.len() - 8 {
                assert!(!text.contains(&secret[start..start + 8]), "a key shows in: {text}");
            }
        }
    }
}

/// A configuration with one stanza a line; those given replace the usual ones.
pub fn conf(stanzas: &[&str]) -> String {
    let mut lines = vec![
        String::from("name: \"gw1.example.org\""),
        String::from("firewall: Memory"),
        String::from("doors: {\"ssh\": (table: \"knock_ssh\")}"),
        String::from("spa: (port: 40123, gate_keys: [\"gate.key\"])"),
        String::from(
            "users: {\"alice\": (credential: Secret(\"alice.key\"), doors: [\"ssh\"])}",
        ),
    ];
    for stanza in stanzas {
        let name = stanza.split_once(':').unwrap().0;
        match lines.iter_mut().find(|line| line.starts_with(&format!("{name}:"))) {
            Some(line) => *line = (*stanza).to_owned(),
            None => lines.push((*stanza).to_owned()),
        }
    }
    format!("(\n{},\n)", lines.join(",\n"))
}

#[track_caller]
pub fn assert_problems(stanzas: &[&str], expected: &[&str]) {
    assert_eq!(House::new().problems(&conf(stanzas)), expected);
}

pub fn sample(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conf");
    fs::read_to_string(directory.join(name)).unwrap()
}
