//! Where capture on interfaces is missing: everything says so.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::Link;
use super::interfaces::Interface;
use crate::core::interest::Interest;

fn unsupported() -> io::Error {
    let text = "capture is not supported on this system yet";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

/// Never there.
pub struct Attachment(Infallible);

impl Attachment {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(_: &Interface, _: &[Interest]) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn adopt(_: OwnedFd, _: &str, _: u32, _: Link) -> io::Result<Self> {
        Err(unsupported())
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.0 {}
    }

    /// The interface's index.
    #[must_use]
    pub const fn index(&self) -> u32 {
        match self.0 {}
    }

    /// What its frames begin with.
    #[must_use]
    pub const fn link(&self) -> Link {
        match self.0 {}
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    /// Reads frames.
    ///
    /// # Errors
    /// None.
    pub fn read(&mut self, _: usize, _: impl FnMut(&[u8])) -> io::Result<usize> {
        match self.0 {}
    }

    /// Frames dropped.
    pub fn dropped(&mut self) -> u64 {
        match self.0 {}
    }
}

/// Never there.
pub struct Watch(Infallible);

impl Watch {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub fn open() -> io::Result<Self> {
        Err(unsupported())
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    /// Makes it silent again.
    pub fn drain(&mut self) -> bool {
        match self.0 {}
    }
}

/// Fails.
///
/// # Errors
/// Always.
pub fn egress() -> io::Result<Vec<String>> {
    Err(unsupported())
}
