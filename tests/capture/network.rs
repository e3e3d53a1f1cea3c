//! Interfaces to capture on.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use knockd::capture::Watch;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrLike, SockaddrStorage, sendto, socket,
};

use crate::namespace::Namespace;

/// A network of this test's own: interfaces in a namespace, which the thread of
/// the test is in.
pub struct Network(Namespace);

impl Network {
    /// Runs `test` in a new one; skips it without root.
    pub fn run(test: impl FnOnce(&Self) + Send) {
        needs!(root);
        let network = Self(Namespace::new("n"));
        network.0.enter(|| test(&network));
    }

    /// Runs ip(8) inside.
    pub fn ip(&self, arguments: &str) {
        self.0.ip(&arguments.split_ascii_whitespace().collect::<Vec<_>>());
    }

    /// Runs many commands of ip(8) inside, in one process.
    pub fn ip_batch(&self, commands: &[String]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), commands.join("\n")).unwrap();
        self.0.ip(&["-batch", file.path().to_str().unwrap()]);
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

fn is_running(name: &str) -> bool {
    nix::ifaddrs::getifaddrs().unwrap().any(|entry| {
        entry.interface_name == name && entry.flags.contains(InterfaceFlags::IFF_RUNNING)
    })
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
