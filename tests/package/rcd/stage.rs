//! A directory with a configuration, and a script with its rc.subr beside it.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const GOOD: &str = r#"(
    name: "gw1",
    firewall: Memory,
    doors: { "ssh": (table: "knock_ssh") },
    sequences: { "front": (steps: [Tcp(8000), Udp(7000), Tcp(9000)], opens: ["ssh"]) },
)"#;

/// A file of this source tree.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn read(path: &str) -> String {
    fs::read_to_string(source(path)).unwrap()
}

#[track_caller]
pub fn assert_runs(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = all(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// Both outputs, standard output first.
pub fn all(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

pub struct Stage {
    directory: TempDir,
}

impl Stage {
    /// With a good configuration, and `script` as it is but for the rc.subr
    /// that it sources, which is `stand_in` instead.
    pub fn new(script: &str, real: &str, stand_in: &str) -> Self {
        let stage = Self { directory: tempfile::tempdir().unwrap() };
        let text = read(script);
        assert!(text.contains(&format!("\n. {real}\n")), "{script} sources {real}");
        let stand_in = source(stand_in);
        fs::write(stage.path("knockd"), text.replace(real, stand_in.to_str().unwrap()))
            .unwrap();
        stage.configure(GOOD);
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn configure(&self, configuration: &str) {
        fs::write(self.path("knockd.ron"), configuration).unwrap();
    }

    pub fn remove_configuration(&self) {
        fs::remove_file(self.path("knockd.ron")).unwrap();
    }

    /// The script, to be run by `shell`.
    pub fn script(&self, shell: &str) -> Command {
        let mut command = Command::new(shell);
        command.arg(self.path("knockd")).env("STAGE", self.directory.path());
        command
    }
}
