//! A TCP port that refuses until it is opened.
#![forbid(unsafe_code)]

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, socket,
};

/// Bound from the start, so that nobody else gets the port.
pub struct Door(OwnedFd);

impl Door {
    /// A shut door; an error where the system lacks the family.
    pub fn on(address: &str) -> nix::Result<Self> {
        let address: SocketAddr = (address.parse::<std::net::IpAddr>().unwrap(), 0).into();
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = socket(family, SockType::Stream, SockFlag::empty(), None)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
        Ok(Self(socket))
    }

    pub fn address(&self) -> SocketAddr {
        // What a shut and an open socket are bound to is reported alike.
        TcpListener::from(self.0.try_clone().unwrap()).local_addr().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.address().port()
    }

    pub fn open(self) -> TcpListener {
        listen(&self.0, Backlog::new(8).unwrap()).unwrap();
        self.0.into()
    }
}
