//! getpeereid(3): the user and group at the time of the connection.

use std::io;
use std::os::unix::net::UnixStream;

use nix::unistd::{Gid, Uid, getpeereid};

/// Returns user and group of the process at the other end.
///
/// # Errors
/// The system's.
pub fn peer(stream: &UnixStream) -> io::Result<(Uid, Gid)> {
    Ok(getpeereid(stream)?)
}
