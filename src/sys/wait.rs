//! Sleeps until a descriptor is ready or a moment has come.

use std::os::fd::{AsFd, BorrowedFd};

pub use super::here::Waiter;

/// A descriptor to wait on, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Which. That it can be read is always waited for.
    pub fd: BorrowedFd<'a>,
    /// Whether that it can be written to is waited for, too.
    pub write: bool,
}

impl<'a> Wish<'a> {
    /// To read.
    pub fn read(fd: &'a impl AsFd) -> Self {
        Self::read_fd(fd.as_fd())
    }

    /// To read.
    pub const fn read_fd(fd: BorrowedFd<'a>) -> Self {
        Self { fd, write: false }
    }
}

/// What is worth a try. Errors and ends are told by reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// To read.
    pub read: bool,
    /// To write.
    pub write: bool,
}
