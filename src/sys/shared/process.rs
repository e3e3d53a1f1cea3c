//! What the BSDs and macOS need not be asked for.

use std::io;
use std::path::PathBuf;

/// Nothing: the limit of core files is enough.
///
/// # Errors
/// None.
pub const fn forbid_dumps() -> io::Result<()> {
    Ok(())
}

/// Nothing: a process has the name of its program.
pub const fn name_process() {}

/// The program that runs.
///
/// # Errors
/// When the system does not know.
pub fn program() -> io::Result<PathBuf> {
    // Where it really is: unveil(2) and a later start go by this path.
    std::env::current_exe()?.canonicalize()
}
