//! A host of a test's own: a network namespace, gone when dropped.
#![allow(dead_code, reason = "each program uses what it needs")]
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Runs a command that must succeed; returns what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A network namespace.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new(role: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("knockd-{}-{number}-{role}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `ip` on this host.
    pub fn ip(&self, arguments: &[&str]) -> String {
        run("ip", &[&["-n", &self.name], arguments].concat())
    }

    /// Runs nft commands on this host.
    pub fn nft(&self, commands: &str) -> String {
        run("ip", &["netns", "exec", &self.name, "nft", commands])
    }

    /// A cable to another host, both ends up.
    pub fn cable(&self, near: &str, other: &Self, far: &str) {
        let ends = ["type", "veth", "peer", "name", far, "netns", &other.name];
        run("ip", &[&["link", "add", near, "netns", &self.name][..], &ends].concat());
        self.ip(&["link", "set", near, "up"]);
        other.ip(&["link", "set", far, "up"]);
    }

    /// One more address on an interface.
    pub fn add_address(&self, address: &str, interface: &str) {
        let is_v6 = address.contains(':');
        let network = format!("{address}/{}", if is_v6 { 64 } else { 24 });
        // Usable at once.
        let duplicates: &[&str] = if is_v6 { &["nodad"] } else { &[] };
        self.ip(&[&["address", "add", &network, "dev", interface], duplicates].concat());
    }

    /// A command on this host.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs `work` in a thread on this host; sockets made there stay there.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = fs::File::open(format!("/run/netns/{}", self.name)).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}
