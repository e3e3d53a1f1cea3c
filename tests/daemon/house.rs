//! Programs that commands may be, and what they tell the test.
#![cfg_attr(not(feature = "faults"), allow(dead_code, reason = "of the commands' tests"))]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::net::PATIENCE;
use crate::programs;

/// Whether the runner has seen that its channel is closed: its deadline is set,
/// the only one that is so near.
pub fn waits_without_channel(pid: u32) -> bool {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = infos.filter_map(|info| fs::read_to_string(info.unwrap().path()).ok());
    let seconds = |line: &str| -> Option<u64> {
        line.strip_prefix("it_value: (")?.split(',').next()?.parse().ok()
    };
    texts.filter_map(|text| text.lines().find_map(seconds)).any(|left| (1..=10).contains(&left))
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A directory with scripts that anybody may run, and two pipes: `$FIFO`, by
/// which they tell a line, and `$GATE`, where they wait for one.
pub struct House {
    directory: TempDir,
    lines: Receiver<String>,
    gate: File,
}

impl House {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        set_mode(directory.path(), 0o755);
        let pipe = |name: &str| {
            let path = directory.path().join(name);
            mkfifo(&path, Mode::S_IRUSR).unwrap();
            set_mode(&path, 0o666);
            // Both ends, so that neither is ever closed.
            OpenOptions::new().read(true).write(true).open(path).unwrap()
        };
        let (told, gate) = (pipe("told"), pipe("gate"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(told).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Self { directory, lines, gate }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A script for sh(1); returns its path.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let (told, gate) = (self.path("told"), self.path("gate"));
        let head = format!("FIFO={}\nGATE={}", told.display(), gate.display());
        programs::write(&path, &format!("#!/bin/sh\n{head}\n{text}\n"));
        path.display().to_string()
    }

    /// The next line that a script tells.
    pub fn heard(&self) -> String {
        self.heard_within(PATIENCE).unwrap()
    }

    /// The same, if there is one in time.
    pub fn heard_within(&self, span: Duration) -> Option<String> {
        self.lines.recv_timeout(span).ok()
    }

    /// Lets so many scripts go on that wait at the gate.
    pub fn open_gate(&self, times: usize) {
        (&self.gate).write_all("\n".repeat(times).as_bytes()).unwrap();
    }
}
