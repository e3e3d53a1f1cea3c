//! Capture on FreeBSD, OpenBSD and macOS: one bpf descriptor per interface.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Link;
use super::bpf::{self, Abi, device};
use super::filter::{Direction, compile};
use super::interfaces::Interface;
use crate::core::interest::Interest;

pub use super::watch_bsd::{Watch, egress};

/// The bpf of this system.
#[cfg(all(target_os = "freebsd", target_pointer_width = "64"))]
pub(super) const ABI: &Abi = &bpf::freebsd::ABI;
#[cfg(all(target_os = "freebsd", target_pointer_width = "32", not(target_arch = "x86")))]
pub(super) const ABI: &Abi = &bpf::freebsd32::ABI;
#[cfg(all(target_os = "freebsd", target_arch = "x86"))]
pub(super) const ABI: &Abi = &bpf::freebsd_i386::ABI;
#[cfg(target_os = "openbsd")]
pub(super) const ABI: &Abi = &bpf::openbsd::ABI;
#[cfg(target_os = "macos")]
pub(super) const ABI: &Abi = &bpf::macos::ABI;

/// A descriptor that delivers the frames of one interface that the filter
/// lets pass, and only those that came in.
pub struct Attachment {
    name: String,
    index: u32,
    link: Link,
    reader: device::Reader,
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
        let (fd, link) = device::open(ABI, &interface.name, interface.loopback, program)?;
        Self::adopt(fd, &interface.name, interface.index, link)
    }

    /// Takes over a descriptor that [`open`](Self::open) made, perhaps in
    /// another process.
    ///
    /// # Errors
    /// When it is none of bpf's.
    pub fn adopt(fd: OwnedFd, name: &str, index: u32, link: Link) -> io::Result<Self> {
        let reader = device::Reader::new(ABI, fd)?;
        Ok(Self { name: name.to_owned(), index, link, reader })
    }

    /// The interface's name at the time of opening.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface's index.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// What its frames begin with.
    #[must_use]
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The descriptor: to wait on, or to hand to another process.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Reads frames that are there, and says how many: `budget`, and what the
    /// same buffer of the kernel holds beyond it.
    ///
    /// # Errors
    /// `ENXIO` or `EIO` when the interface is gone.
    pub fn read(&mut self, budget: usize, each: impl FnMut(&[u8])) -> io::Result<usize> {
        self.reader.read(budget, each)
    }

    /// Frames dropped since the start because nobody read them in time.
    pub fn dropped(&mut self) -> u64 {
        self.reader.dropped()
    }
}
