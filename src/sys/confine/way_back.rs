//! Checks that root's rights are gone.

use nix::unistd::{Gid, Uid, setegid, seteuid, setgid, setuid};

use super::{Account, ConfineError};
use crate::sys::here::confine as system;

/// Tries every way to become root again, and checks the ids that remain.
///
/// # Errors
/// When a way is open, or another user or group remains.
pub fn is_closed(account: &Account) -> Result<(), ConfineError> {
    let (root, wheel) = (Uid::from_raw(0), Gid::from_raw(0));
    for (way, refused) in [
        ("setuid", setuid(root).is_err()),
        ("seteuid", seteuid(root).is_err()),
        ("setgid", setgid(wheel).is_err()),
        ("setegid", setegid(wheel).is_err()),
    ] {
        if !refused {
            return Err(ConfineError::because(format_args!("{way} leads back to root")));
        }
    }
    if system::is_only(account)? {
        Ok(())
    } else {
        Err(ConfineError::because("another user or group is left in the process"))
    }
}
