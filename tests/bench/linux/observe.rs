//! When something happened, as others see it: the kernel's own events, and
//! connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockopt,
    recv, setsockopt, socket, sockopt,
};

use super::net::{Namespace, SERVER4, dial};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Changes of tables (linux/netfilter/nfnetlink.h).
const NFNLGRP_NFTABLES: u32 = 7;

/// When something happened.
pub struct Events(Receiver<Instant>);

impl Events {
    /// Changes of the tables of this host.
    pub fn of_tables(host: &Namespace) -> Self {
        let listener = host.enter(|| {
            let family = AddressFamily::Netlink;
            let protocol = SockProtocol::NetlinkNetFilter;
            let listener =
                socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).unwrap();
            let address = NetlinkAddr::new(0, 1 << (NFNLGRP_NFTABLES - 1));
            bind(listener.as_raw_fd(), &address).unwrap();
            setsockopt(&listener, sockopt::RcvBufForce, &(256 << 20)).unwrap();
            listener
        });
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut message = vec![0; 65_536];
            // A thread that nobody listens to ends with the next event.
            while matches!(
                recv(listener.as_raw_fd(), &mut message, MsgFlags::empty()),
                Ok(_) | Err(Errno::ENOBUFS)
            ) && sender.send(Instant::now()).is_ok()
            {}
        });
        Self(receiver)
    }

    /// Starts of a program.
    pub fn of_starts(program: &Path) -> Self {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC).unwrap();
        watch.add_watch(program, AddWatchFlags::IN_OPEN).unwrap();
        let (sender, receiver) = channel();
        thread::spawn(move || {
            while watch.read_events().is_ok() && sender.send(Instant::now()).is_ok() {}
        });
        Self(receiver)
    }

    /// Forgets all that happened so far.
    pub fn forget(&self) {
        while self.0.try_recv().is_ok() {}
    }

    /// The next one, if it comes in time.
    pub fn next(&self, patience: Duration) -> Option<Instant> {
        self.0.recv_timeout(patience).ok()
    }

    /// The last one before so long a pause.
    pub fn last(&self, pause: Duration) -> Option<Instant> {
        let mut last = None;
        while let Some(event) = self.next(pause) {
            last = Some(event);
        }
        last
    }
}

/// Connects from an address of this host to port 22 of the server, again and
/// again until it works, and says when that was.
pub fn first_connect(from: Ipv4Addr, patience: Duration) -> Option<Instant> {
    let to = SocketAddr::new(SERVER4.parse().unwrap(), 22);
    let end = Instant::now() + patience;
    while Instant::now() < end {
        // Between namespaces the answer is there when the call returns.
        let dialled = dial(IpAddr::V4(from), to);
        let mut ready = [PollFd::new(dialled.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut ready, PollTimeout::ZERO).unwrap() == 1
            && getsockopt(&dialled, sockopt::SocketError).unwrap() == 0
        {
            return Some(Instant::now());
        }
    }
    None
}
