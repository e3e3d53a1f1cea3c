//! A network namespace of a test's own, gone when the test ends.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use knockd::capture::Watch;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrLike, SockaddrStorage, sendto, socket,
};

pub struct Namespace(String);

impl Namespace {
    /// Runs `test` in a thread inside a new namespace; skips without root.
    pub fn run(test: impl FnOnce(&Self) + Send) {
        needs!(root);
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("knockd-capture-{}-{number}", std::process::id());
        command("ip", &["netns", "add", &name]);
        let namespace = Self(name);
        // A thread of its own: its namespace cannot be left behind.
        let result = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let file = File::open(format!("/run/netns/{}", namespace.0)).unwrap();
                setns(file, CloneFlags::CLONE_NEWNET).unwrap();
                test(&namespace);
            });
            thread.join()
        });
        drop(namespace);
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }

    /// Runs ip(8) inside.
    pub fn ip(&self, arguments: &str) {
        let arguments: Vec<_> =
            ["-n", &self.0].into_iter().chain(arguments.split_ascii_whitespace()).collect();
        command("ip", &arguments);
    }

    /// Runs many commands of ip(8) inside, in one process.
    pub fn ip_batch(&self, commands: &[String]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), commands.join("\n")).unwrap();
        command("ip", &["-n", &self.0, "-batch", file.path().to_str().unwrap()]);
    }

    /// Both ends of a cable, up; frames sent on `near` arrive on `far`. No
    /// addresses, so that the kernel itself sends nothing.
    pub fn cable(&self, near: &str, far: &str) {
        let mut watch = Watch::open().unwrap();
        self.ip(&format!("link add {near} type veth peer name {far}"));
        for name in [near, far] {
            self.ip(&format!("link set {name} addrgenmode none"));
            self.ip(&format!("link set {name} up"));
        }
        // Before the kernel has noticed the carrier, it drops what is sent.
        while !(is_running(near) && is_running(far)) {
            wait(&watch.fd());
            watch.drain();
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn is_running(name: &str) -> bool {
    nix::ifaddrs::getifaddrs().unwrap().any(|entry| {
        entry.interface_name == name && entry.flags.contains(InterfaceFlags::IFF_RUNNING)
    })
}

fn command(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
}

/// Sends raw frames out of one interface.
pub struct Sender {
    socket: OwnedFd,
    address: SockaddrStorage,
}

impl Sender {
    pub fn new(interface: &str) -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None).unwrap();
        let address = nix::ifaddrs::getifaddrs()
            .unwrap()
            .filter(|entry| entry.interface_name == interface)
            .find_map(|entry| entry.address.filter(|address| address.as_link_addr().is_some()))
            .unwrap();
        Self { socket, address }
    }

    pub fn send(&self, frame: &[u8]) {
        let link = self.address.as_link_addr().unwrap();
        assert!(link.len() > 0);
        let sent = sendto(self.socket.as_raw_fd(), frame, link, MsgFlags::empty()).unwrap();
        assert_eq!(sent, frame.len());
    }
}

/// Waits until `fd` has something to say; panics after five seconds.
pub fn wait(fd: &impl AsFd) {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut fds, PollTimeout::from(5000_u16)).unwrap();
    assert_eq!(ready, 1, "nothing happened for five seconds");
}
