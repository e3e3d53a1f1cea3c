//! `SO_PEERCRED` (unix(7)): who connected, as it was then.

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Uid};

use super::listener::Peer;

/// Who is at the other end.
pub fn of(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = getsockopt(stream, PeerCredentials)?;
    Ok(Peer { uid: Uid::from_raw(credentials.uid()), gid: Gid::from_raw(credentials.gid()) })
}
