//! Capture on FreeBSD, OpenBSD and macOS: one bpf descriptor per interface.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::device;
use super::native::ABI;
use crate::capture::filter::{Direction, compile};
use crate::core::interest::Interest;
use crate::core::interface::Interface;
use crate::core::link::Link;

pub use super::routes::{egress, is_change, watch_socket};

/// A descriptor that delivers the incoming frames of one interface that the filter
/// accepts. A process with a copy of it can read them.
pub struct Attachment {
    link: Link,
    buffer: u32,
    counter: device::Counter,
}

impl Attachment {
    /// Opens a descriptor, filters and attaches it, and locks it where the system
    /// can do that.
    ///
    /// # Errors
    /// When the interface has an unknown link type, or when a system call fails
    /// (bpf's devices are root's).
    pub fn open(interface: &Interface, interests: &[Interest]) -> io::Result<Self> {
        let program = |link| {
            // The descriptor selects the direction, except of what pf logged: that
            // is in the frame.
            let direction = match link {
                Link::Pflog => Direction::Incoming,
                _ => Direction::Both,
            };
            compile(link, interests, direction)
        };
        let (fd, link) = device::open(&ABI, &interface.name, interface.loopback, program)?;
        let mut counter = device::Counter::new(&ABI, fd);
        let buffer = counter.buffer_length()?;
        Ok(Self { link, buffer, counter })
    }

    /// Returns the link type of its frames.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// Returns the size of the kernel's buffer. bpf refuses to read any other length.
    #[must_use]
    pub const fn buffer(&self) -> u32 {
        self.buffer
    }

    /// Returns the descriptor, to send a copy of it to the process that reads.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }

    /// Returns how many frames were dropped since the start because they were not
    /// read in time.
    pub fn dropped(&mut self) -> u64 {
        self.counter.dropped()
    }
}

/// Reads what a copy of an attachment's descriptor delivers. It makes no ioctl:
/// pledge(2) forbids them to the process that reads.
pub struct Reader(device::Reader);

impl Reader {
    /// Reads from a copy of an attachment's descriptor, whose kernel buffer has
    /// `buffer` bytes.
    ///
    /// # Errors
    /// None.
    pub fn adopt(fd: OwnedFd, buffer: u32) -> io::Result<Self> {
        Ok(Self(device::Reader::new(&ABI, fd, buffer)))
    }

    /// Returns the descriptor, to wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reads frames that have arrived: `budget`, and those after them in the same
    /// buffer of the kernel. Returns how many.
    ///
    /// # Errors
    /// `ENXIO` or `EIO` when the interface is gone.
    pub fn read(&mut self, budget: usize, each: impl FnMut(&[u8])) -> io::Result<usize> {
        self.0.read(budget, each)
    }
}
