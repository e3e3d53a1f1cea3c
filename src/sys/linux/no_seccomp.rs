//! Linux on architectures for which the engine's system calls are not listed.

use std::env::consts::ARCH;
use std::io;

/// Fails: an engine that is not confined must not run.
///
/// # Errors
/// Always.
pub fn install() -> io::Result<()> {
    let text = format!("not known for {ARCH}, use amd64 or arm64");
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}
