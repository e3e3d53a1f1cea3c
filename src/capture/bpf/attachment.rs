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

/// A descriptor that delivers the frames of one interface that the filter
/// lets pass, and only those that came in. Whoever has a copy of it can read
/// them.
pub struct Attachment {
    link: Link,
    buffer: u32,
    counter: device::Counter,
}

impl Attachment {
    /// Opens a descriptor, filters and attaches it, for good where the system
    /// can forbid changes.
    ///
    /// # Errors
    /// When the interface has an unknown link type, when the filter gets too
    /// long, or when a system call fails (bpf's devices are root's).
    pub fn open(interface: &Interface, interests: &[Interest]) -> io::Result<Self> {
        let program = |link| {
            // The descriptor knows the direction, but not that of what pf
            // logged: there the frame says it.
            let direction = match link {
                Link::Pflog => Direction::Incoming,
                _ => Direction::Both,
            };
            compile(link, interests, direction).map_err(io::Error::other)
        };
        let (fd, link) = device::open(&ABI, &interface.name, interface.loopback, program)?;
        let mut counter = device::Counter::new(&ABI, fd);
        let buffer = counter.buffer_length()?;
        Ok(Self { link, buffer, counter })
    }

    /// What its frames begin with.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The size of the kernel's buffer: bpf refuses to read any other length.
    #[must_use]
    pub const fn buffer(&self) -> u32 {
        self.buffer
    }

    /// The descriptor, to hand a copy of it to who reads.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }

    /// Frames dropped since the start because nobody read them in time.
    pub fn dropped(&mut self) -> u64 {
        self.counter.dropped()
    }
}

/// Reads what a copy of an attachment's descriptor delivers. It makes no
/// request of bpf: pledge(2) forbids them to who reads.
pub struct Reader(device::Reader);

impl Reader {
    /// Takes over a copy of an attachment's descriptor, whose kernel buffer
    /// has `buffer` bytes.
    #[must_use]
    pub fn adopt(fd: OwnedFd, buffer: u32) -> Self {
        Self(device::Reader::new(&ABI, fd, buffer))
    }

    /// The descriptor, to wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reads frames that are there, and says how many: `budget`, and what the
    /// same buffer of the kernel holds beyond it.
    ///
    /// # Errors
    /// `ENXIO` or `EIO` when the interface is gone.
    pub fn read(&mut self, budget: usize, each: impl FnMut(&[u8])) -> io::Result<usize> {
        self.0.read(budget, each)
    }
}
