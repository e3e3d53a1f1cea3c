//! Reads frames from descriptors that another process attached.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::system::Reader;
use super::{Capture, Handout};
use crate::core::link::Link;

/// A descriptor to read from.
struct Source {
    id: u32,
    index: u32,
    link: Link,
    reader: Reader,
}

/// All descriptors to read from.
#[derive(Default)]
pub struct Frames {
    sources: Vec<Source>,
}

impl Frames {
    /// Reads from copies of all descriptors of `capture`.
    ///
    /// # Errors
    /// When there are too many descriptors, or when there is no room to read.
    pub fn of(capture: &Capture) -> io::Result<Self> {
        let mut frames = Self::default();
        for Handout { id, index, link, buffer, fd } in capture.attached() {
            frames.adopt(id, fd.try_clone_to_owned()?, index, link, buffer)?;
        }
        Ok(frames)
    }

    /// Adds the descriptor `fd` with the number `id`. It is attached to the interface
    /// `index`, its frames have the link type `link`, and the kernel's buffer has
    /// `buffer` bytes.
    ///
    /// # Errors
    /// When there is no room to read.
    pub fn adopt(
        &mut self,
        id: u32,
        fd: OwnedFd,
        index: u32,
        link: Link,
        buffer: u32,
    ) -> io::Result<()> {
        let reader = Reader::adopt(fd, buffer)?;
        self.sources.push(Source { id, index, link, reader });
        Ok(())
    }

    /// Closes the descriptor with the number `id`.
    pub fn release(&mut self, id: u32) {
        self.sources.retain(|source| source.id != id);
    }

    /// Returns the descriptors, to wait on.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|source| source.reader.fd())
    }

    /// Reads at most `budget` frames from each descriptor, without waiting.
    /// `each` gets the frame's bytes, its link type and the interface's index.
    /// Closes those that cannot be read any more, and returns their numbers.
    pub fn read(&mut self, budget: usize, mut each: impl FnMut(&[u8], Link, u32)) -> Vec<u32> {
        let mut failed = Vec::new();
        self.sources.retain_mut(|source| {
            let (link, index) = (source.link, source.index);
            let read = source.reader.read(budget, |frame| each(frame, link, index));
            if read.is_err() {
                failed.push(source.id);
            }
            read.is_ok()
        });
        failed
    }
}
