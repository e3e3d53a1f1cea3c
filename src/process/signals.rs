//! Signals as a descriptor that becomes readable.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// What signals asked for since they were last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// SIGTERM or SIGINT: shut everything and end.
    pub stop: bool,
    /// SIGHUP: read the configuration again.
    pub reload: bool,
    /// SIGCHLD: a process that we started may have ended.
    pub reap: bool,
}

/// The signals that the daemon listens to.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    reap: Arc<AtomicBool>,
}

impl Signals {
    /// Takes them over from the system's defaults.
    pub fn new() -> io::Result<Self> {
        let (wake, end) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let [stop, reload, reap] = <[Arc<AtomicBool>; 3]>::default();
        let all = [(SIGTERM, &stop), (SIGINT, &stop), (SIGHUP, &reload), (SIGCHLD, &reap)];
        for (signal, asked) in all {
            // The flag first: who wakes must find it set.
            flag::register(signal, Arc::clone(asked))?;
            pipe::register(signal, end.try_clone()?)?;
        }
        // A closed standard error is no reason to die with open doors.
        flag::register(SIGPIPE, Arc::default())?;
        Ok(Self { wake, stop, reload, reap })
    }

    /// What was asked for; each asking is told once.
    pub fn take(&mut self) -> Asked {
        let mut buffer = [0; 64];
        while matches!(self.wake.read(&mut buffer), Ok(1..)) {}
        Asked {
            stop: self.stop.swap(false, Ordering::Relaxed),
            reload: self.reload.swap(false, Ordering::Relaxed),
            reap: self.reap.swap(false, Ordering::Relaxed),
        }
    }
}

/// Leaves them to our parent, which tells us what they ask for: a terminal
/// sends them to all of us at once.
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
