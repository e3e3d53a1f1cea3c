//! Files with a mode, whatever the umask is.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "each program uses what it needs")]
#![allow(clippy::unwrap_used, reason = "tests may")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Writes a file that only its owner can read, as key files must be.
pub fn write_secret(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    fs::write(&path, content).unwrap();
    set_mode(path, 0o600);
}
