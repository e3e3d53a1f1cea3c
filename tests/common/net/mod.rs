//! Two hosts in network namespaces, joined by a cable, and the real programs
//! on them. Everything goes away when dropped, after a failure too.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "tests may")]

pub mod daemon;
pub mod frames;
pub mod furnish;
pub mod namespace;
pub mod proc;
pub mod survival;
pub mod tcpdump;

use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, socket,
    sockopt,
};
use tempfile::TempDir;

pub use daemon::Daemon;
#[allow(unused_imports, reason = "each test file uses what it needs")]
pub use furnish::Plan;
pub use namespace::Namespace;
#[allow(unused_imports, reason = "each test file uses what it needs")]
pub use namespace::run;

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

/// Two hosts and a cable.
pub struct Lab {
    pub server: Namespace,
    pub client: Namespace,
    pub files: TempDir,
    marks: AtomicU32,
}

impl Lab {
    /// The server drops what comes to ports 22 and 80 from addresses outside
    /// the sets knock_ssh_* and knock_web_*, and everything else too.
    pub fn new() -> Self {
        let lab = Self {
            server: Namespace::new("s"),
            client: Namespace::new("c"),
            files: tempfile::tempdir().unwrap(),
            marks: AtomicU32::default(),
        };
        lab.server.cable("eth0", &lab.client, "eth0");
        for (host, addresses) in
            [(&lab.server, [SERVER4, SERVER6]), (&lab.client, [CLIENT4, CLIENT6])]
        {
            host.add_address(addresses[0], "eth0");
            host.add_address(addresses[1], "eth0");
        }
        // Marks come from any of these, with no address for each.
        lab.client.ip(&["route", "add", "local", "198.18.0.0/15", "dev", "lo"]);
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
        let daemon = self.start(config, &[]);
        daemon.ready();
        daemon
    }

    /// Starts the daemon on the server in the foreground, with more options.
    pub fn start(&self, config: &Path, options: &[&str]) -> Daemon {
        self.start_in(config, options, &[])
    }

    /// The same in an environment that tells a build for tests what to do.
    pub fn start_in(
        &self,
        config: &Path,
        options: &[&str],
        environment: &[(&str, &OsStr)],
    ) -> Daemon {
        let mut command = self.server.command(KNOCKD);
        command.args(["-d", "-f"]).arg(config).args(options).envs(environment.iter().copied());
        Daemon::spawn(command)
    }

    /// Runs the client on the client's host.
    pub fn knock(&self, arguments: &[&str]) -> Output {
        let mut command = self.client.command(KNOCK);
        command.env("XDG_CONFIG_HOME", self.files.path()).args(arguments);
        command.output().unwrap()
    }

    /// Sends a datagram from an address of the client to the server's SPA port.
    pub fn send(&self, from: &str, datagram: &[u8]) {
        let from: IpAddr = from.parse().unwrap();
        let server = if from.is_ipv4() { SERVER4 } else { SERVER6 };
        self.client.enter(|| {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            socket.send_to(datagram, (server, SPA_PORT)).unwrap();
        });
    }

    /// Whether the client can connect. Dropped packets take 300 ms to tell.
    pub fn connects(&self, address: &str, port: u16) -> bool {
        let from = if address.contains(':') { CLIENT6 } else { CLIENT4 };
        self.connects_from(from, address, port)
    }

    /// Whether the client can connect from one of its addresses.
    pub fn connects_from(&self, from: &str, address: &str, port: u16) -> bool {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        self.client.enter(|| {
            let dialled = dial(from.parse().unwrap(), address);
            let mut ready = [PollFd::new(dialled.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut ready, PollTimeout::from(300_u16)).unwrap() == 0 {
                return false;
            }
            let error = getsockopt(&dialled, sockopt::SocketError).unwrap();
            assert_eq!(error, 0, "dropped, not refused: {}", Errno::from_raw(error));
            true
        })
    }

    /// A service on the server.
    pub fn listen(&self, port: u16) -> TcpListener {
        self.server.enter(|| TcpListener::bind((IpAddr::from([0u8; 16]), port)).unwrap())
    }

    /// The addresses in a set of the server, with commas between them.
    pub fn set(&self, name: &str) -> String {
        let listed = self.server.nft(&format!("list set inet filter {name}"));
        let elements = listed.split_once("elements = {");
        let elements = elements.map_or("", |(_, rest)| rest.split('}').next().unwrap());
        elements.split_ascii_whitespace().collect()
    }
}

/// The address of [`hide_behind`].
pub const HIDDEN: &str = "10.0.0.2";

/// A host behind the lab's client, which hides it behind its own address.
pub fn hide_behind(lab: &Lab) -> Namespace {
    let hidden = Namespace::new("n");
    lab.client.cable("eth1", &hidden, "eth0");
    lab.client.add_address("10.0.0.1", "eth1");
    hidden.add_address(HIDDEN, "eth0");
    hidden.ip(&["route", "add", "default", "via", "10.0.0.1"]);
    lab.client.enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    lab.client.nft(
        "table ip nat {
            chain postrouting {
                type nat hook postrouting priority srcnat;
                oifname eth0 masquerade
            }
        }",
    );
    hidden
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

/// Starts to connect from one of this host's addresses, without waiting. The
/// attempt goes on until the socket is closed.
pub fn dial(from: IpAddr, to: SocketAddr) -> OwnedFd {
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let dialled = socket(family, SockType::Stream, flags, None).unwrap();
    bind(dialled.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0))).unwrap();
    let started = connect(dialled.as_raw_fd(), &SockaddrStorage::from(to));
    assert!(matches!(started, Ok(()) | Err(Errno::EINPROGRESS)), "{to}: {started:?}");
    dialled
}

/// How often a test with something random in it is repeated.
pub fn rounds() -> u64 {
    let rounds = std::env::var("KNOCKD_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().unwrap())
}
