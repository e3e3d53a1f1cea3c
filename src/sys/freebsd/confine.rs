//! FreeBSD: capsicum(4). The root processes cannot enter capability mode: they
//! open devices by name when interfaces come, and files at reload. There is no
//! other way here to give up part of root's rights.

use std::ffi::c_ulong;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::capsicum::{enter_capability_mode, limit};
use crate::sys::confine::Error;
pub use crate::sys::shared::confine::{
    empty_directory, keeper, parent, restore_memory_limit, runner,
};
pub use crate::sys::shared::ids::{become_user, forbid_processes, is_only};

/// Reading a bpf(4) device starts with the length of its buffer; its own
/// counters are the only other thing a reader asks for (net/bpf.h).
const CAPTURE_IOCTLS: &[c_ulong] = &[BIOCGBLEN, BIOCGSTATS];
const BIOCGBLEN: c_ulong = 0x4004_4266;
const BIOCGSTATS: c_ulong = 0x4008_426f;

/// Nothing to do: capability mode needs no files.
pub fn prepare() {}

/// Standard output and error keep no right at all.
pub fn sandbox() -> Result<(), Error> {
    let channel = [libc::CAP_READ, libc::CAP_WRITE, libc::CAP_EVENT];
    limit(io::stdin().as_fd(), (&channel, None)).map_err(Error::at("limit the channel"))?;
    limit(io::stdout().as_fd(), (&[], None)).map_err(Error::at("limit standard output"))?;
    limit(io::stderr().as_fd(), (&[], None)).map_err(Error::at("limit standard error"))?;
    enter_capability_mode().map_err(Error::at("enter the sandbox"))
}

pub fn limit_capture(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let rights = [libc::CAP_READ, libc::CAP_EVENT, libc::CAP_IOCTL];
    limit(descriptor, (&rights, Some(CAPTURE_IOCTLS)))
}

/// Swap space is not encrypted unless it is set up so. The limit goes first:
/// with it, memory would run out for a user who is not root.
pub fn lock_memory() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok() {
        let _ = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE);
    }
}
