//! A command that runs, with all that it started.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::queue::{JobKey, key};
use crate::core::time::Monotonic;
use crate::message::runner::{Outcome, Run};

/// Where a command finds programs that it names without a path.
const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/sbin";

/// A program in a process group of its own.
#[derive(Debug)]
pub struct Program {
    /// What the keeper calls it.
    pub id: u32,
    /// What it is run for.
    pub key: JobKey,
    /// When its time is over; none once it is killed.
    pub end: Option<Monotonic>,
    child: Child,
    is_killed: bool,
}

impl Program {
    /// Starts what `run` says: no shell, nothing of our environment, `null`
    /// in place of all three standard streams.
    ///
    /// # Errors
    /// [`Outcome::NotStarted`].
    pub fn start(run: &Run, null: &File, now: Monotonic) -> Result<Self, Outcome> {
        let child = spawn(run, null).map_err(|error| {
            let number = error.raw_os_error().and_then(|number| u32::try_from(number).ok());
            Outcome::NotStarted(number.unwrap_or_default())
        })?;
        let end = Some(now + run.limit);
        Ok(Self { id: run.id, key: key(run), end, child, is_killed: false })
    }

    /// Kills it and all of its group.
    pub fn kill(&mut self) {
        self.is_killed = true;
        self.end = None;
        self.kill_group();
    }

    /// How it ended, if it has. What it left in its group is killed: a
    /// command's end is the end of all of it.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let status = self.child.try_wait().transpose()?;
        self.kill_group();
        Some(match status {
            Ok(status) => outcome(status, self.is_killed),
            // Nobody else waits for it, so it is there.
            Err(_) => Outcome::Killed,
        })
    }

    fn kill_group(&self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            // Mostly nobody is left in it.
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
    let is_ours = is_killed && status.signal() == Some(Signal::SIGKILL as i32);
    match (status.code(), status.signal()) {
        _ if is_ours => Outcome::Killed,
        (Some(code), _) => Outcome::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => {
            let signal = signal.and_then(|number| u8::try_from(number).ok());
            Outcome::Signalled(signal.unwrap_or_default())
        }
    }
}
