//! Linux: seccomp(2). Root's processes keep their capabilities, because without them
//! they would still own all of root's files. They cannot gain rights by set-uid
//! programs.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::libc::rlim_t;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::seccomp;
use crate::sys::confine::{ConfineError, KeeperPaths, ParentPaths};
pub use crate::sys::shared::confine::{limit_capture, restore_memory_limit};
pub use crate::sys::shared::ids::{become_user, forbid_processes, is_only};
use crate::sys::shared::limit::lower;

/// Does nothing: the filter is compiled in memory.
pub fn prepare() {}

/// Limits the address space. Locked memory is limited to the same: all of it may be
/// locked, and an allocation beyond the limit of that would fail.
pub fn limit_memory(most: rlim_t) -> io::Result<()> {
    lower(Resource::RLIMIT_AS, most)?;
    lower(Resource::RLIMIT_MEMLOCK, most)
}

pub fn sandbox() -> Result<(), ConfineError> {
    seccomp::install().map_err(ConfineError::at("enter the sandbox"))
}

pub fn runner() -> Result<(), ConfineError> {
    set_no_new_privs().map_err(ConfineError::at("give up new rights"))
}

pub fn keeper(_: &KeeperPaths<'_>) -> Result<(), ConfineError> {
    set_no_new_privs().map_err(ConfineError::at("give up new rights"))
}

pub fn parent(_: &ParentPaths<'_>) -> Result<(), ConfineError> {
    set_no_new_privs().map_err(ConfineError::at("give up new rights"))
}

pub fn empty_directory(run: &Path) -> PathBuf {
    run.join("empty")
}

pub fn make_empty(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // A umask may have cleared bits. A symbolic link is not followed.
    if fs::symlink_metadata(directory)?.is_dir() {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(directory, mode)?;
    }
    Ok(())
}

/// Locks pages once they are touched, so that memory does not grow. The limit is
/// raised first, or an allocation could fail after root is given up.
pub fn lock_memory() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok() {
        let on_fault = MlockAllFlags::from_bits_retain(nix::libc::MCL_ONFAULT);
        let all = MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE;
        let _ = mlockall(all | on_fault);
    }
}
