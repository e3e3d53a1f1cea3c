//! Completion in bash, fish and zsh offers what the programs understand.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::needs;

/// Says what bash would offer for a line, whose last word is not finished.
const BASH: &str = r#"
source "$SCRIPTS/knockd.bash"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_knockd "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;
/// zsh's own functions would draw on a terminal. Theirs is to leave out what
/// does not begin as the last word does.
const ZSH: &str = r#"
_describe() {
    local each
    for each in ${(P)@[-1]}; do
        [[ $each != $words[CURRENT]* ]] || print -r -- ${each%%:*}
    done
}
_files() { print -rl -- $words[CURRENT]*(N) }
complete_it() {
    local -a words
    words=("$@")
    local CURRENT=$#
    source "$SCRIPTS/_knockd"
}
complete_it "$@"
"#;
const FISH: &str = r#"
set -p fish_complete_path "$SCRIPTS"
complete -C "$argv" | string replace -r '\t.*' ''
"#;

const SHELLS: [&str; 3] = ["bash", "fish", "zsh"];

/// A user's machine, with the scripts and programs of this build.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/completion");
        for name in ["knockd.bash", "_knockd"] {
            fs::copy(from.join(name), machine.path(name)).unwrap();
        }
        for program in ["knock", "knockctl", "knockd"] {
            let own = machine.path(&format!("{program}.fish"));
            fs::copy(from.join("knockd.fish"), own).unwrap();
        }
        let hosts = machine.path(".config/knock");
        fs::create_dir_all(&hosts).unwrap();
        fs::write(hosts.join("hosts.ron"), "{\n    \"gw1\": (\n        port: 1,\n    ),\n}\n")
            .unwrap();
        fs::write(machine.path("one.ron"), "").unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What `shell` offers for `line`; the last word is what comes after the
    /// last space. Nothing if there is no such shell here.
    fn offers(&self, shell: &str, line: &str) -> Option<BTreeSet<String>> {
        if !needs::tool(shell) {
            return None;
        }
        let programs = Path::new(env!("CARGO_BIN_EXE_knockd")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell);
        match shell {
            "bash" => command.args(["-c", BASH, "bash"]).args(line.split(' ')),
            "zsh" => command.args(["-f", "-c", ZSH, "zsh"]).args(line.split(' ')),
            _ => command.args(["--no-config", "-c", FISH, line]),
        };
        command.env("PATH", path).env("HOME", self.0.path()).env("SCRIPTS", self.0.path());
        command.env_remove("XDG_CONFIG_HOME").current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}: {line}");
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

#[track_caller]
fn assert_offers(line: &str, expected: &[&str]) {
    let machine = Machine::new();
    for shell in SHELLS {
        if let Some(offered) = machine.offers(shell, line) {
            let expected = expected.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(offered, expected, "{shell}: {line}");
        }
    }
}

#[test]
fn options_are_completed() {
    assert_offers("knock --ti", &["--timeout"]);
    assert_offers("knockd --v", &["--version"]);
    assert_offers("knockctl --v", &["--version"]);
}

#[test]
fn commands_are_completed_and_have_options_of_their_own() {
    assert_offers("knockctl re", &["reload", "revoke"]);
    assert_offers("knockctl setup --n", &["--name"]);
    assert_offers("knockctl -s /x setup --n", &["--name"]);
}

#[test]
fn values_are_completed() {
    assert_offers("knockctl log v", &["verbose"]);
}

#[test]
fn servers_of_the_hosts_file_are_completed() {
    assert_offers("knock g", &["gw1"]);
    assert_offers("knock --wait g", &["gw1"]);
    assert_offers("knockctl gw1", &[]);
}

#[test]
fn where_an_option_takes_a_file_files_are_completed() {
    assert_offers("knockd -f on", &["one.ron"]);
    assert_offers("knockctl setup -f on", &["one.ron"]);
}

#[test]
fn a_commands_own_file_is_completed_behind_its_other_word() {
    assert_offers("knockctl import kn", &["knockd"]);
    assert_offers("knockctl import knockd on", &["one.ron"]);
}

#[test]
fn where_an_option_takes_something_else_nothing_is_offered() {
    assert_offers("knock --for -", &[]);
    assert_offers("knock --timeout ", &[]);
}
