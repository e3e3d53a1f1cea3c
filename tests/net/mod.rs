//! Two hosts in network namespaces, joined by a cable, and the real programs
//! on them. Everything goes away when dropped, after a failure too.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

pub const KNOCKD: &str = env!("CARGO_BIN_EXE_knockd");
pub const KNOCK: &str = env!("CARGO_BIN_EXE_knock");

/// The server's and the client's addresses, by family.
pub const SERVER4: &str = "192.0.2.1";
pub const SERVER6: &str = "2001:db8::1";
pub const CLIENT4: &str = "192.0.2.100";
pub const CLIENT6: &str = "2001:db8::100";
/// Where tokens go.
pub const SPA_PORT: u16 = 40123;
/// What should happen at once may take this long on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this test can run here; says so when it cannot. Where nothing may
/// be skipped, that is a failure.
pub fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        assert!(std::env::var_os("KNOCKD_TESTS_STRICT").is_none(), "needs root");
        eprintln!("skipped: needs root, for network namespaces");
    }
    root
}

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
    fn new(role: &str) -> Self {
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

    /// A command on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
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

/// Two hosts and a cable.
pub struct Lab {
    pub server: Namespace,
    pub client: Namespace,
    pub files: TempDir,
}

impl Lab {
    /// The server drops what comes to ports 22 and 80 from addresses outside
    /// the sets knock_ssh_* and knock_web_*, and everything else too.
    pub fn new() -> Self {
        let lab = Self {
            server: Namespace::new("s"),
            client: Namespace::new("c"),
            files: tempfile::tempdir().unwrap(),
        };
        let (server, client) = (&lab.server.name, &lab.client.name);
        run(
            "ip",
            &[
                "link", "add", "eth0", "netns", server, "type", "veth", "peer", "name", "eth0",
                "netns", client,
            ],
        );
        for (host, addresses) in
            [(&lab.server, [SERVER4, SERVER6]), (&lab.client, [CLIENT4, CLIENT6])]
        {
            host.ip(&["link", "set", "eth0", "up"]);
            host.add_address(addresses[0]);
            host.add_address(addresses[1]);
        }
        lab.server.nft(
            "table inet filter {
                set knock_ssh_v4 { type ipv4_addr; }
                set knock_ssh_v6 { type ipv6_addr; }
                set knock_web_v4 { type ipv4_addr; }
                set knock_web_v6 { type ipv6_addr; }
                chain input {
                    type filter hook input priority 0; policy drop;
                    iif lo accept
                    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
                    ct state established accept
                    tcp dport 22 ip saddr @knock_ssh_v4 accept
                    tcp dport 22 ip6 saddr @knock_ssh_v6 accept
                    tcp dport 80 ip saddr @knock_web_v4 accept
                    tcp dport 80 ip6 saddr @knock_web_v6 accept
                }
            }",
        );
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Makes a key with the real client; returns the file's name and what was
    /// printed.
    pub fn keygen(&self, name: &str, kind: &[&str]) -> String {
        let output = Command::new(KNOCK)
            .arg("--keygen")
            .args(kind)
            .arg(self.path(name))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the daemon on the server in the foreground and waits until it
    /// is ready.
    pub fn daemon(&self, config: &Path) -> Daemon {
        let daemon = self.daemon_unready(config);
        daemon.expect("ready, ");
        daemon
    }

    /// Starts the daemon on the server in the foreground.
    pub fn daemon_unready(&self, config: &Path) -> Daemon {
        let mut command = self.server.command(KNOCKD);
        command.args(["-d", "-f"]).arg(config);
        Daemon::spawn(command)
    }

    /// Runs the client on the client's host.
    pub fn knock(&self, arguments: &[&str]) -> Output {
        let mut command = self.client.command(KNOCK);
        command.env("XDG_CONFIG_HOME", self.files.path()).args(arguments);
        command.output().unwrap()
    }

    /// Whether the client can connect. Dropped packets take 300 ms to tell.
    pub fn connects(&self, address: &str, port: u16) -> bool {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        self.client.enter(|| {
            match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "dropped, not refused");
                    false
                }
            }
        })
    }

    /// A service on the server.
    pub fn listen(&self, port: u16) -> TcpListener {
        self.server.enter(|| TcpListener::bind((IpAddr::from([0u8; 16]), port)).unwrap())
    }

    /// The addresses in a set of the server.
    pub fn set(&self, name: &str) -> String {
        let listed = self.server.nft(&format!("list set inet filter {name}"));
        let elements = listed.split_once("elements = {");
        elements
            .map_or(String::new(), |(_, rest)| rest.split('}').next().unwrap().trim().into())
    }
}

impl Namespace {
    /// One more address on the cable.
    pub fn add_address(&self, address: &str) {
        let prefix = if address.contains(':') { "64" } else { "24" };
        let network = format!("{address}/{prefix}");
        let mut arguments = vec!["address", "add", &network, "dev", "eth0"];
        if address.contains(':') {
            arguments.push("nodad");
        }
        self.ip(&arguments);
    }
}

/// A running daemon and what it says.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<(Instant, String)>,
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
        Self { child, lines }
    }

    /// Waits for a line with `part` in it; returns when it came and the line.
    pub fn expect(&self, part: &str) -> (Instant, String) {
        let mut seen = Vec::new();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((at, line)) if line.contains(part) => return (at, line),
                Ok((_, line)) => seen.push(line),
                Err(_) => panic!("no line with \"{part}\" in {seen:#?}"),
            }
        }
    }

    /// Everything it said by now, as far as it has arrived.
    pub fn said(&self) -> Vec<String> {
        self.lines.try_iter().map(|(_, line)| line).collect()
    }

    /// Everything until it ends.
    pub fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((_, line)) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("still running after {rest:#?}"),
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Sends SIGTERM and waits; returns what it still said.
    pub fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        let rest = self.rest();
        assert!(self.child.wait().unwrap().success(), "{rest:#?}");
        rest
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `done` says so, looking every few milliseconds at something
/// that has no event to wait for.
pub fn until(what: &str, mut done: impl FnMut() -> bool) -> Instant {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
    Instant::now()
}
