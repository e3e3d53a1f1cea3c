//! Notices that interfaces, addresses or routes changed.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::system;

/// A socket that the kernel sends a message to at each change. Of the messages
/// only the start is read.
pub struct Watch(OwnedFd);

/// The most messages that one call drops. Those that remain keep the descriptor
/// readable.
const BUDGET: usize = 4096;

impl Watch {
    /// Starts to watch.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn open() -> io::Result<Self> {
        Ok(Self(system::watch_socket()?))
    }

    /// Returns the descriptor, which is readable after a change.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Drops the messages that arrived. Returns whether any reported a change; those
    /// that the kernel could not queue (`ENOBUFS`) count.
    pub fn drain(&mut self) -> bool {
        let mut changed = false;
        for _ in 0..BUDGET {
            // recv takes a whole message, however small the buffer is.
            let mut start = [0; 16];
            match recv(self.0.as_raw_fd(), &mut start, MsgFlags::empty()) {
                Ok(_) => changed |= system::is_change(&start),
                Err(Errno::ENOBUFS) => changed = true,
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        changed
    }
}
