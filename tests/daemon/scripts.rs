//! Scripts that commands run, and the lines that they write for the test.
#![cfg_attr(
    not(feature = "faults"),
    allow(dead_code, reason = "the tests of commands need it")
)]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::modes::set_mode;
use crate::net::PATIENCE;
use crate::programs;

/// Whether the runner has found its channel closed: then it set its deadline, and
/// no other is within 10 seconds.
pub fn waits_without_channel(pid: u32) -> bool {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = infos.filter_map(|info| fs::read_to_string(info.unwrap().path()).ok());
    let seconds = |line: &str| -> Option<u64> {
        line.strip_prefix("it_value: (")?.split(',').next()?.parse().ok()
    };
    texts.filter_map(|text| text.lines().find_map(seconds)).any(|left| (1..=10).contains(&left))
}

/// A directory with scripts that anybody may run, and two named pipes: scripts
/// write lines to `$FIFO`, and read a line from `$GATE` to wait.
pub struct Scripts {
    directory: TempDir,
    lines: Receiver<String>,
    gate: File,
}

impl Scripts {
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
        let (fifo, gate) = (pipe("fifo"), pipe("gate"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(fifo).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        Self { directory, lines, gate }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Adds a script for sh(1). Returns its path.
    pub fn add(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let (fifo, gate) = (self.path("fifo"), self.path("gate"));
        let head = format!("FIFO={}\nGATE={}", fifo.display(), gate.display());
        programs::write(&path, &format!("#!/bin/sh\n{head}\n{text}\n"));
        path.display().to_string()
    }

    /// Returns the next line that a script wrote.
    pub fn line(&self) -> String {
        self.line_within(PATIENCE).unwrap()
    }

    /// The same; `None` if there is none within `span`.
    pub fn line_within(&self, span: Duration) -> Option<String> {
        self.lines.recv_timeout(span).ok()
    }

    /// Lets `times` scripts go on that wait.
    pub fn open_gate(&self, times: usize) {
        (&self.gate).write_all("\n".repeat(times).as_bytes()).unwrap();
    }
}
