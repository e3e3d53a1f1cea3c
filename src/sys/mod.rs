//! What each operating system does in its own way: clocks, waiting, confinement,
//! becoming a daemon.
//!
//! Each system has a folder. Its `native` has the functions for its kernel, its
//! [`System`] has words and paths and compiles on every host. `shared` has what
//! several systems do alike. `unsafe` is only in these folders and in the ioctls
//! of pf and bpf.

pub mod boot;
pub mod confine;
pub mod descriptor;
pub mod freebsd;
pub mod linux;
pub mod macos;
pub mod openbsd;
pub mod ours;
mod shared;
mod system;
pub mod wait;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, setrlimit};
use nix::time::clock_gettime;
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe, write};

use crate::core::time::{Monotonic, Now, Wall};

pub use here::{close_inherited, name_process, peer, program};
pub use system::System;

/// Chooses the system that this is compiled for.
macro_rules! systems {
    ($($target:literal => $folder:ident,)+) => {
        $(
            #[cfg(target_os = $target)]
            use $folder::native as here;
            /// The system that this is compiled for.
            #[cfg(target_os = $target)]
            pub static SYSTEM: &System = &$folder::SYSTEM;
        )+
        /// All systems.
        pub static SYSTEMS: &[&System] = &[$(&$folder::SYSTEM),+];
    };
}

systems! {
    "freebsd" => freebsd,
    "linux" => linux,
    "macos" => macos,
    "openbsd" => openbsd,
}

/// Returns the time of both clocks.
///
/// # Errors
/// When the kernel has no such clock.
pub fn now() -> io::Result<Now> {
    let spans = Duration::from(clock_gettime(here::SPANS)?);
    let nanos = u64::try_from(spans.as_nanos()).unwrap_or(u64::MAX);
    Ok(Now { monotonic: Monotonic::from_nanos(nanos), wall: wall() })
}

/// Returns civil time; 1970 if the clock is before it.
#[must_use]
pub fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Forbids core files, which could hold keys.
///
/// # Errors
/// The kernel's refusal.
pub fn forbid_core_files() -> io::Result<()> {
    here::forbid_dumps()?;
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)
}

/// The side of a [`split`] that a process is on.
#[derive(Debug)]
pub enum Side {
    /// The command that was typed. It reads whether its child is ready.
    Command(File),
    /// The daemon. It writes a byte when it is ready. If it ends before, the other
    /// side reads nothing.
    Daemon(OwnedFd),
}

/// Splits the process into the command, which waits, and the daemon. Call it while
/// there is one thread.
///
/// # Errors
/// When the system cannot create a process.
pub fn split() -> io::Result<Side> {
    let (reader, writer) = pipe()?;
    // SAFETY: there is no other thread that could hold a lock across the fork.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(Side::Command(reader.into())),
        ForkResult::Child => {
            nix::unistd::setsid()?;
            Ok(Side::Daemon(writer))
        }
    }
}

/// The standard streams to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Output and errors.
    Output,
    /// Errors only, when the others are closed already.
    Errors,
}

/// Replaces standard streams by /dev/null.
///
/// # Errors
/// When /dev/null cannot be opened.
pub fn silence(which: Silence) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    if which == Silence::Output {
        dup2_stdout(&null)?;
    }
    Ok(dup2_stderr(&null)?)
}

/// Closes the standard streams, and lets the command that waits at the other end
/// of `command` return.
///
/// # Errors
/// The system's.
pub fn detach(command: &OwnedFd) -> io::Result<()> {
    let null = File::options().read(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    silence(Silence::Output)?;
    write(command, b"\n")?;
    Ok(())
}
