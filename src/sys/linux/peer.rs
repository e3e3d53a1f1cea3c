//! `SO_PEERCRED` (unix(7)): the user and group at the time of the connection.

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Uid};

/// Returns user and group of the process at the other end.
///
/// # Errors
/// The system's.
pub fn peer(stream: &UnixStream) -> io::Result<(Uid, Gid)> {
    let credentials = getsockopt(stream, PeerCredentials)?;
    Ok((Uid::from_raw(credentials.uid()), Gid::from_raw(credentials.gid())))
}
