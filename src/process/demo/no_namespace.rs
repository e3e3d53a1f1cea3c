//! Systems where a process cannot have a network of its own.

use std::io;
use std::time::Duration;

const TEXT: &str =
    "the demonstration needs Linux, where a process can have a network of its own";

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, TEXT))
}

/// Refused.
pub fn enter() -> io::Result<()> {
    unsupported()
}

/// Refused.
pub fn sockets() -> io::Result<usize> {
    unsupported()
}

/// Never made here.
pub struct Wiretap;

impl Wiretap {
    /// Refused.
    pub fn on(_: u16) -> io::Result<Self> {
        unsupported()
    }

    /// Refused.
    pub fn first(self, _: Duration) -> io::Result<Vec<u8>> {
        unsupported()
    }
}
