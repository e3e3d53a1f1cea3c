//! getpeereid(3): who connected, as it was then.

use std::io;
use std::os::unix::net::UnixStream;

use nix::unistd::getpeereid;

use super::listener::Peer;

/// Who is at the other end.
pub fn of(stream: &UnixStream) -> io::Result<Peer> {
    let (uid, gid) = getpeereid(stream)?;
    Ok(Peer { uid, gid })
}
