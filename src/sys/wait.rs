//! Waits until a descriptor is ready or a deadline has passed.

use std::os::fd::{AsFd, BorrowedFd};

pub use super::here::Waiter;

/// A descriptor to wait on, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a, W> {
    /// The caller's name for the descriptor.
    pub who: W,
    /// The descriptor. Whether it can be read is always waited for.
    pub fd: BorrowedFd<'a>,
    /// Whether to wait until it can be written to, too.
    pub write: bool,
}

impl<'a, W> Wish<'a, W> {
    /// Waits until `fd` can be read.
    pub fn read(who: W, fd: &'a impl AsFd) -> Self {
        Self { who, fd: fd.as_fd(), write: false }
    }
}

/// A descriptor that is ready. Errors and ends are found by reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready<W> {
    /// The `who` of the wish.
    pub who: W,
    /// Whether it can be read.
    pub read: bool,
    /// Whether it can be written to.
    pub write: bool,
}
