//! Limits of what a process may take (setrlimit(2)).

use std::io;

use nix::libc::rlim_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Sets a limit for good. A lower one stays: it is as good, and only root can raise
/// it.
pub fn lower(resource: Resource, most: rlim_t) -> io::Result<()> {
    let most = getrlimit(resource).map_or(most, |(_, hard)| hard.min(most));
    Ok(setrlimit(resource, most, most)?)
}
