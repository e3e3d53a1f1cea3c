//! macOS: a sandbox(7) profile that denies everything. pf asks for root at each
//! ioctl, so keeper and parent stay root; a profile of theirs would have to
//! name what launchd, syslogd and the directory service need of each release.

use nix::unistd::{getegid, geteuid, getgid, getuid, setgid, setuid};

pub use super::sandbox::forbid_processes;
use super::sandbox::{groups, load_sandbox, set_group};
use crate::sys::confine::{Account, Error};
pub use crate::sys::shared::confine::{
    empty_directory, keeper, limit_capture, lock_memory, parent, restore_memory_limit, runner,
};

/// What is open already may be used; nothing else may be done.
const PROFILE: &std::ffi::CStr = c"(version 1) (deny default)";

/// The library would not be found under another root directory.
pub fn prepare() {
    load_sandbox();
}

pub fn sandbox() -> Result<(), Error> {
    super::sandbox::sandbox(PROFILE).map_err(Error::at("enter the sandbox"))
}

/// For root, setuid(2) and setgid(2) set the saved ids, too.
pub fn become_user(account: &Account) -> Result<(), Error> {
    let Account { uid, gid } = *account;
    set_group(gid.as_raw()).map_err(Error::at("give up groups"))?;
    setgid(gid).map_err(Error::at(format_args!("become group {gid}")))?;
    setuid(uid).map_err(Error::at(format_args!("become user {uid}")))
}

/// Whether the process has no other user and group than these, as far as can
/// be asked; a saved one would have shown as a way back.
pub fn is_only(account: &Account) -> Result<bool, Error> {
    let more = groups().map_err(Error::at("ask for groups"))?;
    Ok([getuid(), geteuid()].iter().all(|uid| *uid == account.uid)
        && [getgid(), getegid()].iter().all(|gid| *gid == account.gid)
        && more.iter().all(|gid| *gid == account.gid.as_raw()))
}
