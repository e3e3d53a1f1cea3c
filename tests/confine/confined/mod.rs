//! A process that confines itself, and the test that watches it.

mod life;
#[cfg(feature = "faults")]
mod program;

use std::fs;
use std::io::{BufRead, BufReader, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use knockd::capture::interfaces;
use knockd::capture::system::Attachment;
use knockd::core::interest::{Interest, Packets, Ports};
use knockd::core::sighting::Protocol;
use knockd::sys::confine::empty_directory;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::net::{Lab, PATIENCE, SPA_PORT};

pub use life::{MEGABYTES, live};
#[cfg(feature = "faults")]
pub use program::taken_over;

/// What the child is to do. It confines itself as an engine, but for one.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// An engine's work.
    Engine,
    /// To end as by a panic.
    Aborts,
    /// An engine's work as any user, for tables in memory.
    Trying,
    /// To confine itself as keeper, then as parent, and open a file.
    Root,
    /// To tell why it could not confine itself.
    Refused,
    /// The same, as a user that is not root.
    Unprivileged,
    /// Everything that is forbidden.
    Hostile,
}

/// What an intruder must at least have tried.
pub const FORBIDDEN: &[&str] = &[
    "open-read",
    "open-write",
    "open-create",
    "open-pf",
    "open-proc",
    "open-up",
    "mkdir",
    "socket-unix",
    "socket-tcp",
    "socket-udp",
    "socket-raw",
    "socket-tcp6",
    "socket-udp6",
    "socket-netlink",
    "socket-packet",
    "socketpair",
    "connect",
    "listen",
    "bind",
    "capture-write",
    "capture-writev",
    "capture-sendto",
    "capture-sendmsg",
    "capture-sendmmsg",
    "sendfile",
    "splice",
    "attach-filter",
    "detach-filter",
    "unlock-filter",
    "hide-drops",
    "clone",
    "clone3",
    "execve",
    "execveat",
    "setuid",
    "setgid",
    "seteuid",
    "setgroups",
    "chroot",
    "fchdir",
    "chdir-up",
    "ptrace",
    "traceme",
    "kill",
    "kill-all",
    "tgkill",
    "mount",
    "unshare",
    "setns",
    "be-dumpable",
    "raise-core",
    "raise-processes",
    "write-stdout",
    "write-stderr",
    "memfd",
    "io-uring",
    "bpf",
    "personality",
    "map-code",
    "make-code",
    "keyctl",
    "reboot",
    "set-time",
    "sethostname",
    "close-channel",
    "close-channel-wide",
    "dup3",
    "push-input",
    "kernel-log",
    "map-much",
    "map-locked",
    "hoard",
    "lock",
    "raise-memory",
];

/// A running child. It is killed when dropped.
pub struct Child {
    process: std::process::Child,
    channel: BufReader<UnixStream>,
}

impl Child {
    /// Starts one that lives in the empty directory below `run`.
    pub fn start(role: Role, run: &Path) -> Self {
        // A test may have put something else there.
        if !run.join("empty").exists() {
            empty_directory(run).unwrap();
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["engine::the_child", "--exact", "--nocapture", "--test-threads=1"])
            .env(life::ROLE, format!("{role:?}"))
            .env(life::CELL, run.join("empty"))
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, channel: BufReader::new(ours) }
    }

    /// Gives it a capture descriptor.
    pub fn hand_over(&self, capture: &Captured) {
        let numbers = [capture.fd().as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&numbers)];
        let index = capture.index.to_be_bytes();
        let bytes = [IoSlice::new(&index)];
        let channel = self.channel.get_ref().as_raw_fd();
        sendmsg::<()>(channel, &bytes, &rights, MsgFlags::empty(), None).unwrap();
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.channel.read_line(&mut line).unwrap();
        line.strip_suffix('\n').unwrap_or_else(|| panic!("it ended: {line:?}")).to_owned()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The path of one of its files in /proc.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.id()))
    }

    /// Closes the channel and waits until it ended.
    pub fn end(mut self) -> ExitStatus {
        self.channel.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An attachment, and to which interface.
pub struct Captured {
    attachment: Attachment,
    index: u32,
}

impl Captured {
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.attachment.fd()
    }
}

/// Captures what comes to the server's SPA port.
pub fn capture(lab: &Lab) -> Captured {
    let interest = Interest {
        protocol: Protocol::Udp,
        ports: Ports::Of(vec![SPA_PORT]),
        packets: Packets::All,
    };
    lab.server.enter(|| {
        let all = interfaces::list().unwrap();
        let eth0 = all.iter().find(|interface| interface.name == "eth0").unwrap();
        let attachment = Attachment::open(eth0, &[interest]).unwrap();
        Captured { attachment, index: eth0.index }
    })
}

/// The kernel's line about a capture descriptor: protocol, interface and all.
pub fn bound(lab: &Lab, capture: &Captured) -> String {
    let link = fs::read_link(format!("/proc/self/fd/{}", capture.fd().as_raw_fd())).unwrap();
    let inode = link.to_str().unwrap().trim_matches(|letter: char| !letter.is_ascii_digit());
    let sockets =
        lab.server.enter(|| fs::read_to_string("/proc/thread-self/net/packet").unwrap());
    let line = sockets.lines().find(|line| line.trim_end().ends_with(&format!(" {inode}")));
    let fields: Vec<_> = line.unwrap().split_ascii_whitespace().skip(2).take(3).collect();
    fields.join(" ")
}
