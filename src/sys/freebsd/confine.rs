//! FreeBSD: capsicum(4). Root's processes cannot enter capability mode: they open
//! devices by name when interfaces appear, and files at a reload. FreeBSD has no
//! other way to give up a part of root's rights.

use std::ffi::c_ulong;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc::{self, rlim_t};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::capsicum::{enter_capability_mode, limit};
use crate::sys::confine::ConfineError;
pub use crate::sys::shared::confine::{
    empty_directory, keeper, make_empty, parent, restore_memory_limit, runner,
};
pub use crate::sys::shared::ids::{become_user, forbid_processes, is_only};
use crate::sys::shared::limit::lower;

/// Ioctls on a capture descriptor (net/bpf.h): the length of its buffer, and its
/// counters.
const CAPTURE_IOCTLS: &[c_ulong] = &[BIOCGBLEN, BIOCGSTATS];
const BIOCGBLEN: c_ulong = 0x4004_4266;
const BIOCGSTATS: c_ulong = 0x4008_426f;

/// Does nothing: capability mode needs no files.
pub fn prepare() {}

/// Limits the address space. Locked memory is limited to the same: all of it may be
/// locked, and an allocation beyond the limit of that would fail.
pub fn limit_memory(most: rlim_t) -> io::Result<()> {
    lower(Resource::RLIMIT_VMEM, most)?;
    lower(Resource::RLIMIT_MEMLOCK, most)
}

/// Enters capability mode. Standard output and error keep no rights.
pub fn sandbox() -> Result<(), ConfineError> {
    let channel = [libc::CAP_READ, libc::CAP_WRITE, libc::CAP_EVENT];
    limit(io::stdin().as_fd(), (&channel, None))
        .map_err(ConfineError::at("limit the channel"))?;
    limit(io::stdout().as_fd(), (&[], None))
        .map_err(ConfineError::at("limit standard output"))?;
    limit(io::stderr().as_fd(), (&[], None))
        .map_err(ConfineError::at("limit standard error"))?;
    enter_capability_mode().map_err(ConfineError::at("enter the sandbox"))
}

pub fn limit_capture(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let rights = [libc::CAP_READ, libc::CAP_EVENT, libc::CAP_IOCTL];
    limit(descriptor, (&rights, Some(CAPTURE_IOCTLS)))
}

/// Leaves a kqueue the right to wait only. The descriptors in it need `CAP_EVENT`.
pub fn limit_queue(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    limit(descriptor, (&[libc::CAP_KQUEUE], None))
}

/// Locks memory, because swap space may not be encrypted. The limit is raised first,
/// or an allocation could fail after root is given up.
pub fn lock_memory() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok() {
        let _ = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE);
    }
}
