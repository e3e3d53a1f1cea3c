//! Linux on machines whose system calls nobody has listed for the engine.

use std::env::consts::ARCH;
use std::io;

/// Takes nothing.
///
/// # Errors
/// Always: an engine that is not confined must not run.
pub fn install() -> io::Result<()> {
    let text = format!("not known for {ARCH}, use amd64 or arm64");
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}
