//! Signals, as a descriptor that becomes readable.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// The signals that were received since the last call of [`Signals::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// SIGTERM or SIGINT: close all doors and end.
    pub stop: bool,
    /// SIGHUP: read the configuration again.
    pub reload: bool,
    /// SIGCHLD: a child may have ended.
    pub reap: bool,
}

/// The signals that the process handles.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    reap: Arc<AtomicBool>,
}

impl Signals {
    /// Handles SIGTERM, SIGINT, SIGHUP and SIGCHLD, and ignores SIGPIPE.
    pub fn new() -> io::Result<Self> {
        let (wake, end) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let [stop, reload, reap] = <[Arc<AtomicBool>; 3]>::default();
        let all = [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &reload), (SIGCHLD, &reap)];
        for (signal, received) in all {
            // The flag first: it must be set when the descriptor becomes readable.
            flag::register(signal, Arc::clone(received))?;
            pipe::register(signal, end.try_clone()?)?;
        }
        // The process must not die because standard error is closed.
        flag::register(SIGPIPE, Arc::default())?;
        Ok(Self { wake, stop, reload, reap })
    }

    /// Returns the signals that were received since the last call.
    pub fn take(&mut self) -> Received {
        let mut buffer = [0; 64];
        while matches!(self.wake.read(&mut buffer), Ok(1..)) {}
        Received {
            stop: self.stop.swap(false, Ordering::Relaxed),
            reload: self.reload.swap(false, Ordering::Relaxed),
            reap: self.reap.swap(false, Ordering::Relaxed),
        }
    }
}

/// Ignores the signals that the parent handles for all: a terminal sends them to
/// every process at once.
pub fn leave_to_parent() -> io::Result<()> {
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGPIPE] {
        flag::register(signal, Arc::default())?;
    }
    Ok(())
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
