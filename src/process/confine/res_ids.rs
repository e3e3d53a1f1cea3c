//! Real, effective and saved ids, where setresuid(2) sets all three.

use nix::unistd::{getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::{Account, Error};

/// Groups first: without root's uid nobody can change them.
pub fn become_user(account: &Account) -> Result<(), Error> {
    let Account { uid, gid } = *account;
    setgroups(&[gid]).map_err(Error::at("give up groups"))?;
    setresgid(gid, gid, gid).map_err(Error::at(format_args!("become group {gid}")))?;
    setresuid(uid, uid, uid).map_err(Error::at(format_args!("become user {uid}")))
}

/// Whether the process has no other user and group than these.
pub fn is_only(account: &Account) -> Result<bool, Error> {
    let users = getresuid().map_err(Error::at("ask for the user"))?;
    let groups = getresgid().map_err(Error::at("ask for the group"))?;
    let more = getgroups().map_err(Error::at("ask for groups"))?;
    Ok([users.real, users.effective, users.saved].iter().all(|uid| *uid == account.uid)
        && [groups.real, groups.effective, groups.saved].iter().all(|gid| *gid == account.gid)
        && more.iter().all(|gid| *gid == account.gid))
}
