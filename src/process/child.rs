//! How engine and runner confine themselves.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::unistd::{Gid, Uid};

use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::Broken;
use crate::sys;
use crate::sys::confine::{Account, ConfineError};

/// Connects standard output and standard error to /dev/null, and confines the
/// process by `confine`, which receives the account to become.
///
/// # Errors
/// Why the process cannot be confined, which is also logged.
pub fn confine(
    foreground: bool,
    account: Option<(u32, u32)>,
    confine: impl FnOnce(Option<&Account>) -> Result<(), ConfineError>,
) -> Result<(), Broken> {
    // A copy that can be closed. In the background the engine's is the terminal until
    // the daemon is ready, and the runner's is /dev/null.
    let terminal = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let mut logs = vec![Log::to_lines(terminal, false)];
    if !foreground {
        logs.push(Log::to_syslog(false));
    }
    sys::silence(sys::Silence::Output)?;
    let account =
        account.map(|(uid, gid)| Account { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) });
    confine(account.as_ref()).map_err(|error| {
        logs.iter().for_each(|log| log.write(&Event::CannotConfine { error: &error }));
        Broken::System(io::Error::other(error.to_string()))
    })
}
