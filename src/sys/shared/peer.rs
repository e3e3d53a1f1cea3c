//! getpeereid(3): who connected, as it was then.

use std::io;
use std::os::unix::net::UnixStream;

use nix::unistd::{Gid, Uid, getpeereid};

/// User and group of the process at the other end.
///
/// # Errors
/// The system's.
pub fn peer(stream: &UnixStream) -> io::Result<(Uid, Gid)> {
    Ok(getpeereid(stream)?)
}
