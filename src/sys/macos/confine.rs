//! macOS: a sandbox(7) profile that denies everything. pf checks for root at each
//! ioctl, so keeper and parent stay root. A profile for them would have to name
//! what launchd, syslogd and the directory service need in each release.

use std::io;

use nix::libc::rlim_t;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{getegid, geteuid, getgid, getuid, setgid, setuid};

pub use super::sandbox::forbid_processes;
use super::sandbox::{forbid_locks, groups, load_sandbox, set_group};
use crate::sys::confine::{Account, ConfineError};
pub use crate::sys::shared::confine::{
    empty_directory, keeper, limit_capture, limit_queue, lock_memory, make_empty, parent,
    restore_memory_limit, runner,
};

/// Open descriptors can be used. Everything else is denied.
const PROFILE: &std::ffi::CStr = c"(version 1) (deny default)";

/// Loads the library, which would not be found in another root directory.
pub fn prepare() {
    load_sandbox();
}

/// Limits the address space, and forbids to lock memory. The system refuses a limit
/// below what is mapped already, and the libraries that all processes share are
/// gigabytes: then the limit is the first that it accepts of twice, four times and so
/// on.
pub fn limit_memory(mut most: rlim_t) -> io::Result<()> {
    forbid_locks()?;
    while let Err(error) = setrlimit(Resource::RLIMIT_AS, most, most) {
        most = most.checked_mul(2).ok_or(error)?;
    }
    Ok(())
}

pub fn sandbox() -> Result<(), ConfineError> {
    super::sandbox::sandbox(PROFILE).map_err(ConfineError::at("enter the sandbox"))
}

/// Becomes the user. For root, setuid(2) and setgid(2) set the saved ids, too.
pub fn become_user(account: &Account) -> Result<(), ConfineError> {
    let Account { uid, gid } = *account;
    set_group(gid.as_raw()).map_err(ConfineError::at("give up groups"))?;
    setgid(gid).map_err(ConfineError::at(format_args!("become group {gid}")))?;
    setuid(uid).map_err(ConfineError::at(format_args!("become user {uid}")))
}

/// Whether the process has no other user and group than these. The saved ones cannot
/// be asked for; `way_back` tries to become them.
pub fn is_only(account: &Account) -> Result<bool, ConfineError> {
    let more = groups().map_err(ConfineError::at("ask for groups"))?;
    Ok([getuid(), geteuid()].iter().all(|uid| *uid == account.uid)
        && [getgid(), getegid()].iter().all(|gid| *gid == account.gid)
        && more.iter().all(|gid| *gid == account.gid.as_raw()))
}
