//! The users that the engine and the runner become.

use nix::unistd::{Gid, Uid, User};

use super::ConfineError;
use crate::sys::SYSTEM;

/// An ordinary user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Not that of root.
    pub uid: Uid,
    /// The user's own group, the only one that remains; not that of root.
    pub gid: Gid,
}

impl Account {
    /// Looks up the user `name` (getpwnam(3)).
    ///
    /// # Errors
    /// When there is no such user, or when it or its group is root's.
    pub fn named(name: &str) -> Result<Self, ConfineError> {
        let user = User::from_name(name)
            .map_err(|error| ConfineError::new(format_args!("look up user {name}"), error))?;
        let Some(User { uid, gid, .. }) = user else {
            let command = SYSTEM.add_user;
            return Err(ConfineError::because(format_args!(
                "no user {name}, create it with `{command} {name}`"
            )));
        };
        if uid.is_root() || gid.as_raw() == 0 {
            return Err(ConfineError::because(format_args!(
                "user {name} has root's rights, create one that has none"
            )));
        }
        Ok(Self { uid, gid })
    }
}
