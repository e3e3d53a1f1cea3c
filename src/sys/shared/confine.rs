//! Steps of confinement that several systems share, most because they have nothing
//! to do.

use std::io;
#[cfg(not(target_os = "freebsd"))]
use std::os::fd::BorrowedFd;
#[cfg(not(target_os = "linux"))]
use std::path::{Path, PathBuf};

#[cfg(any(target_os = "freebsd", target_os = "linux"))]
use nix::sys::resource::Resource;

#[cfg(any(target_os = "freebsd", target_os = "linux"))]
use super::limit::lower;
#[cfg(any(target_os = "freebsd", target_os = "macos"))]
use crate::sys::confine::{ConfineError, KeeperPaths, ParentPaths};

/// The directory that the system keeps empty.
#[cfg(not(target_os = "linux"))]
pub const EMPTY: &str = "/var/empty";

/// Returns the directory that the system keeps empty.
#[cfg(not(target_os = "linux"))]
pub fn empty_directory(_: &Path) -> PathBuf {
    PathBuf::from(EMPTY)
}

/// Does nothing: the system has the directory.
#[cfg(not(target_os = "linux"))]
pub const fn make_empty(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Does nothing: rights belong to processes. The engine may make no ioctl.
#[cfg(not(target_os = "freebsd"))]
pub fn limit_capture(_: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Does nothing: rights belong to processes.
#[cfg(any(target_os = "macos", target_os = "openbsd"))]
pub fn limit_queue(_: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Does nothing: the runner has given up root. The programs that it starts must
/// not be confined.
#[cfg(any(target_os = "freebsd", target_os = "macos"))]
pub fn runner() -> Result<(), ConfineError> {
    Ok(())
}

/// Does nothing: the keeper opens files by name.
#[cfg(any(target_os = "freebsd", target_os = "macos"))]
pub fn keeper(_: &KeeperPaths<'_>) -> Result<(), ConfineError> {
    Ok(())
}

/// Does nothing: the parent opens files by name.
#[cfg(any(target_os = "freebsd", target_os = "macos"))]
pub fn parent(_: &ParentPaths<'_>) -> Result<(), ConfineError> {
    Ok(())
}

/// Does nothing: swap space is encrypted, on OpenBSD unless vm.swapencrypt of
/// sysctl(2) is off. macOS has no mlockall(2).
#[cfg(any(target_os = "macos", target_os = "openbsd"))]
pub fn lock_memory() {}

/// Does nothing: no process of root raised the limit.
#[cfg(any(target_os = "macos", target_os = "openbsd"))]
pub fn restore_memory_limit() -> io::Result<()> {
    Ok(())
}

/// Sets the limit of locked memory to 64 KB, as it is for a user by default. The
/// runner inherits the higher limit of root's processes.
#[cfg(any(target_os = "freebsd", target_os = "linux"))]
pub fn restore_memory_limit() -> io::Result<()> {
    lower(Resource::RLIMIT_MEMLOCK, 64 << 10)
}
