//! tcpdump on a host.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Namespace;

/// Capturing until it is asked for what it saw.
pub struct Tcpdump {
    child: Child,
    stderr: BufReader<ChildStderr>,
    printed: BufReader<ChildStdout>,
}

impl Tcpdump {
    /// Starts it with these arguments and waits until it captures on eth0.
    pub fn start(host: &Namespace, arguments: &[&str]) -> Self {
        let mut command = host.command("tcpdump");
        command.args(["-n", "-i", "eth0", "--immediate-mode"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "tcpdump ended");
        }
        let printed = BufReader::new(child.stdout.take().unwrap());
        Self { child, stderr, printed }
    }

    /// Writes packets that come in to a file, each at once.
    pub fn record(host: &Namespace, file: &Path, more: &[&str]) -> Self {
        let arguments = ["-U", "-Q", "in", "-Z", "root", "-w", file.to_str().unwrap()];
        Self::start(host, &[&arguments[..], more].concat())
    }

    /// Waits for the next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.printed.read_line(&mut line).unwrap(), 0, "tcpdump ended");
        line
    }

    /// Ends it; returns what else it printed.
    pub fn stop(mut self) -> String {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        assert!(stderr.contains("0 packets dropped by kernel"), "{stderr}");
        let mut printed = String::new();
        self.printed.read_to_string(&mut printed).unwrap();
        assert!(self.child.wait().unwrap().success());
        printed.trim().to_owned()
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
