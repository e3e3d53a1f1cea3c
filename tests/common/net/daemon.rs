//! The daemon as a child of the test.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{PATIENCE, proc, until};

/// A running daemon and what it says.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<(Instant, String)>,
    seen: RefCell<Vec<String>>,
}

impl Daemon {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: RefCell::default() }
    }

    /// The next line, if one comes in time.
    fn next(&self, end: Instant) -> Result<(Instant, String), RecvTimeoutError> {
        let left = end.saturating_duration_since(Instant::now());
        let (at, line) = self.lines.recv_timeout(left)?;
        self.seen.borrow_mut().push(line.clone());
        Ok((at, line))
    }

    /// Waits for a line with `part` in it; returns when it came and the line.
    pub fn expect(&self, part: &str) -> (Instant, String) {
        self.expect_within(part, PATIENCE)
            .unwrap_or_else(|| panic!("no line with \"{part}\" in {:#?}", self.seen.borrow()))
    }

    /// Waits for a line with `part` in it, for so long.
    pub fn expect_within(&self, part: &str, patience: Duration) -> Option<(Instant, String)> {
        let end = Instant::now() + patience;
        loop {
            let (at, line) = self.next(end).ok()?;
            if line.contains(part) {
                return Some((at, line));
            }
        }
    }

    /// Waits until it is ready.
    pub fn ready(&self) {
        self.expect("ready, ");
    }

    /// How many of the lines that were read so far hold `part`.
    pub fn count(&self, part: &str) -> usize {
        while self.next(Instant::now()).is_ok() {}
        self.seen.borrow().iter().filter(|line| line.contains(part)).count()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Kills its processes with this name, as soon as there is one.
    pub fn kill(&self, name: &str) {
        until(name, || !self.children(name).is_empty());
        for pid in self.children(name) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    /// Kills the parent, or all at once, and waits until none is left.
    pub fn kill_parent(mut self, all: bool) -> Vec<String> {
        // None is to see another's end, nor to start what is not listed.
        self.signal(Signal::SIGSTOP);
        let mut doomed = self.family();
        if !all {
            doomed.truncate(1);
        }
        // The parent last: its end lets the stopped others go on, as members of
        // orphaned process groups.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in doomed.iter().rev() {
                let _ = kill(*pid, signal);
            }
        }
        self.child.wait().unwrap();
        let end = Instant::now() + PATIENCE;
        while !matches!(self.next(end), Err(RecvTimeoutError::Disconnected)) {
            assert!(Instant::now() < end, "still running after {:#?}", self.seen.borrow());
        }
        self.seen.take()
    }

    /// Sends SIGTERM and waits; returns all that it said since its start.
    pub fn stop(self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        self.end()
    }

    /// Waits for a good end; returns all that it said since its start.
    pub fn end(mut self) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        while !matches!(self.next(end), Err(RecvTimeoutError::Disconnected)) {
            assert!(Instant::now() < end, "still running after {:#?}", self.seen.borrow());
        }
        let seen = self.seen.take();
        assert!(self.child.wait().unwrap().success(), "{seen:#?}");
        seen
    }

    /// A file of the process in /proc.
    pub fn proc(&self, name: &str) -> Vec<u8> {
        fs::read(format!("/proc/{}/{name}", self.child.id())).unwrap()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// The processes that it started, by their names: keeper, engine, runner.
    pub fn children(&self, name: &str) -> Vec<Pid> {
        proc::children(self.pid(), name)
    }

    /// The one process with this name.
    pub fn one(&self, name: &str) -> Pid {
        proc::child(self.pid(), name)
    }

    /// All its processes.
    pub fn family(&self) -> Vec<Pid> {
        let mut family = vec![self.pid()];
        family.extend(self.children("keeper"));
        family.extend(self.children("engine"));
        family.extend(self.children("runner"));
        family
    }

    /// The sum of what /proc/PID/status gives for `field`, of all of them.
    pub fn status(&self, field: &str) -> u64 {
        let of = |pid: Pid| -> u64 {
            let line = proc::status(pid, field);
            line.split_ascii_whitespace().next().unwrap().parse().unwrap()
        };
        self.family().into_iter().map(of).sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A daemon that has left its terminal, killed if the test fails.
pub struct Detached(pub Pid);

impl Detached {
    /// The daemon that wrote this file.
    pub fn of(pidfile: &Path) -> Self {
        Self(Pid::from_raw(fs::read_to_string(pidfile).unwrap().trim().parse().unwrap()))
    }

    /// The path of one of its files in /proc.
    pub fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(name)
    }

    pub fn runs(&self) -> bool {
        !proc::is_gone(self.0)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if self.runs() {
            let _ = kill(self.0, Signal::SIGKILL);
        }
    }
}
