//! Sleeps until a descriptor is ready or a moment has come.

use std::os::fd::{AsFd, BorrowedFd};

pub use super::here::Waiter;

/// A descriptor to wait on, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a, W> {
    /// What the caller knows the descriptor by.
    pub who: W,
    /// The descriptor. That it can be read is always waited for.
    pub fd: BorrowedFd<'a>,
    /// Whether that it can be written to is waited for, too.
    pub write: bool,
}

impl<'a, W> Wish<'a, W> {
    /// To read from `fd`.
    pub fn read(who: W, fd: &'a impl AsFd) -> Self {
        Self { who, fd: fd.as_fd(), write: false }
    }
}

/// What is worth a try. Errors and ends are found by reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready<W> {
    /// The `who` of the wish.
    pub who: W,
    /// To read.
    pub read: bool,
    /// To write.
    pub write: bool,
}
