//! Systems on which a process cannot have a network of its own.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

const TEXT: &str =
    "the demonstration needs Linux, where a process can have a network of its own";

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, TEXT))
}

/// Fails.
pub fn enter() -> io::Result<PathBuf> {
    unsupported()
}

/// Fails.
pub fn sockets() -> io::Result<usize> {
    unsupported()
}

/// Cannot be created.
pub struct Wiretap;

impl Wiretap {
    /// Fails.
    pub fn on(_: u16) -> io::Result<Self> {
        unsupported()
    }

    /// Fails.
    pub fn first(self, _: Duration) -> io::Result<Vec<u8>> {
        unsupported()
    }
}
