//! What BSDs and macOS do by themselves, and the path of the program.

use std::io;
use std::path::PathBuf;

/// Does nothing: the limit of core files is enough.
///
/// # Errors
/// None.
pub const fn forbid_dumps() -> io::Result<()> {
    Ok(())
}

/// Does nothing: a process has the name of its program.
pub const fn name_process() {}

/// Returns the path of the running program.
///
/// # Errors
/// When the system does not know it.
pub fn program() -> io::Result<PathBuf> {
    // Where it really is: unveil(2) and a later start go by this path.
    std::env::current_exe()?.canonicalize()
}
