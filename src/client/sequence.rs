//! Sends knock sequences without raw sockets, as any user can.
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};

use super::ClientError;
use super::send::unspecified;
use crate::core::sighting::{Port, Protocol};

/// Sends the knocks to `host` in order, `delay` between them, and calls `sent`
/// after each. The port of `host` does not count.
///
/// # Errors
/// At the first knock that cannot be sent; later ones stay unsent.
pub fn send(
    knocks: &[Port],
    delay: Duration,
    host: SocketAddr,
    mut sent: impl FnMut(Port, IpAddr),
) -> Result<(), ClientError> {
    for (index, knock) in knocks.iter().enumerate() {
        if index > 0 && !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut to = host;
        to.set_port(knock.number);
        match knock.protocol {
            Protocol::Tcp => send_syn(to),
            Protocol::Udp => send_datagram(to),
        }
        .map_err(|error| {
            ClientError::new(format!("cannot knock at {} port {knock}: {error}", host.ip()))
        })?;
        sent(*knock, host.ip());
    }
    Ok(())
}

/// Sends one SYN: the socket is closed before it can send another.
fn send_syn(to: SocketAddr) -> io::Result<()> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let stream = socket(family, SockType::Stream, SockFlag::empty(), None)?;
    fcntl(&stream, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    match connect(stream.as_raw_fd(), &SockaddrStorage::from(to)) {
        // A refusal is an answer to a SYN that arrived.
        Ok(()) | Err(Errno::EINPROGRESS | Errno::ECONNREFUSED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sends one empty datagram from a port of its own, so that an ICMP error for an
/// earlier knock does not make this one fail.
fn send_datagram(to: SocketAddr) -> io::Result<()> {
    UdpSocket::bind(unspecified(to.ip()))?.send_to(&[], to).map(drop)
}
