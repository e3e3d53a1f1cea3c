//! What OpenBSD does in its own way.

use std::env;
use std::io;
use std::path::{self, PathBuf};

use nix::sys::socket::MsgFlags;

pub(in crate::sys) use super::confine;
use super::pledge;
pub use crate::sys::shared::boot::boot;
pub use crate::sys::shared::kqueue::{SPANS, Waiter};
pub use crate::sys::shared::peer::peer;
use crate::sys::shared::process;
pub use crate::sys::shared::process::{forbid_dumps, name_process};

/// How descriptors are received: they are closed on exec.
pub const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_CMSG_CLOEXEC);

/// Closes every descriptor but the three standard ones. Call it before anything is
/// opened: these descriptors were inherited.
///
/// # Errors
/// None are expected.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: it takes a number only; nothing owns a descriptor yet.
    unsafe { pledge::closefrom(3) };
    Ok(())
}

/// Returns the path of the program that runs.
///
/// # Errors
/// When it is no longer there.
pub fn program() -> io::Result<PathBuf> {
    let program = process::program()?;
    // The system knows only the word that was typed, which a shell looks up so.
    let searched = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&searched)
        .map(|directory| directory.join(&program))
        .find(|program| program.is_file())
        .ok_or_else(|| io::ErrorKind::NotFound.into())
        .and_then(path::absolute)
}
