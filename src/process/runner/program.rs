//! A running command, with all processes that it started.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::queue::{JobKey, key};
use crate::core::time::Monotonic;
use crate::message::runner::{Outcome, Run};

/// Where a command looks for programs that it names without a path.
const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin";

/// A program in a process group of its own.
#[derive(Debug)]
pub struct Program {
    /// The keeper's number for the command.
    pub id: u32,
    /// The door and the address that it runs for.
    pub key: JobKey,
    /// When to kill it; `None` once it is killed.
    pub deadline: Option<Monotonic>,
    child: Child,
    is_killed: bool,
}

impl Program {
    /// Starts the command of `run`, without a shell, with an environment of its
    /// own and `null` as all three standard streams.
    ///
    /// # Errors
    /// [`Outcome::NotStarted`].
    pub fn start(run: &Run, null: &File, now: Monotonic) -> Result<Self, Outcome> {
        let child = spawn(run, null).map_err(|error| {
            let number = error.raw_os_error().and_then(|number| u32::try_from(number).ok());
            Outcome::NotStarted(number.unwrap_or_default())
        })?;
        let deadline = Some(now + run.limit);
        Ok(Self { id: run.id, key: key(run), deadline, child, is_killed: false })
    }

    /// Kills its process group.
    pub fn kill(&mut self) {
        self.is_killed = true;
        self.deadline = None;
        self.kill_group();
    }

    /// Returns how it ended, if it has. Processes that it left in its group are
    /// killed.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let status = self.child.try_wait().transpose()?;
        self.kill_group();
        Some(match status {
            Ok(status) => outcome(status, self.is_killed),
            // Cannot happen: only this waits for the child.
            Err(_) => Outcome::Killed,
        })
    }

    fn kill_group(&self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            // It fails if the group is empty, as it mostly is.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

fn spawn(run: &Run, null: &File) -> io::Result<Child> {
    let (program, arguments) =
        run.words.split_first().ok_or(io::Error::from_raw_os_error(nix::libc::EINVAL))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).env("HOME", "/");
    command.env("KNOCKD_EVENT", run.occasion.word());
    command.env("KNOCKD_ADDRESS", run.address.to_string());
    command.env("KNOCKD_DOOR", &run.door);
    command.env("KNOCKD_USER", &run.user);
    command.env("KNOCKD_SECONDS", run.seconds.to_string());
    command.stdin(null.try_clone()?).stdout(null.try_clone()?).stderr(null.try_clone()?);
    command.process_group(0).spawn()
}

fn outcome(status: ExitStatus, is_killed: bool) -> Outcome {
    let is_by_us = is_killed && status.signal() == Some(Signal::SIGKILL as i32);
    match (status.code(), status.signal()) {
        _ if is_by_us => Outcome::Killed,
        (Some(code), _) => Outcome::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => {
            let signal = signal.and_then(|number| u8::try_from(number).ok());
            Outcome::Signalled(signal.unwrap_or_default())
        }
    }
}
