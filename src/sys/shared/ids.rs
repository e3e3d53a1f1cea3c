//! setresuid(2), which sets real, effective and saved ids, and a limit of processes
//! with a safe wrapper. macOS has neither.

use std::io;

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

use crate::sys::confine::{Account, ConfineError};

/// Forbids new processes. The limit does not apply to root.
pub fn forbid_processes() -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_NPROC, 0, 0)?)
}

/// Becomes the user. Groups come first, because only root can change them.
pub fn become_user(account: &Account) -> Result<(), ConfineError> {
    let Account { uid, gid } = *account;
    setgroups(&[gid]).map_err(ConfineError::at("give up groups"))?;
    setresgid(gid, gid, gid).map_err(ConfineError::at(format_args!("become group {gid}")))?;
    setresuid(uid, uid, uid).map_err(ConfineError::at(format_args!("become user {uid}")))
}

/// Whether the process has no other user and group than these.
pub fn is_only(account: &Account) -> Result<bool, ConfineError> {
    let users = getresuid().map_err(ConfineError::at("ask for the user"))?;
    let groups = getresgid().map_err(ConfineError::at("ask for the group"))?;
    let more = getgroups().map_err(ConfineError::at("ask for groups"))?;
    Ok([users.real, users.effective, users.saved].iter().all(|uid| *uid == account.uid)
        && [groups.real, groups.effective, groups.saved].iter().all(|gid| *gid == account.gid)
        && more.iter().all(|gid| *gid == account.gid))
}
