//! The keeper and the engines, as child processes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::Signal;

use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::{Broken, Channel};
use crate::message::packet::MAX_BLOB;
use crate::message::parent::{FromKeeper, ToKeeper};
use crate::process::Role;
use crate::{faults, sys};

/// This program, to start it in another role.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
}

impl Program {
    /// The running program.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn current() -> io::Result<Self> {
        Ok(Self { path: sys::program()? })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it in a process group of its own: signals of a terminal reach only
    /// the parent.
    ///
    /// # Errors
    /// The system's.
    pub fn start(&self, role: Role, channel: OwnedFd, stderr: Stdio) -> io::Result<Child> {
        let other = if role == Role::Engine { faults::engine() } else { None };
        let mut command = Command::new(other.as_ref().unwrap_or(&self.path));
        command.arg0(role.name()).stdin(channel).stdout(Stdio::null()).stderr(stderr);
        command.process_group(0).spawn()
    }
}

/// All children that were not reaped yet.
pub struct Children {
    program: Program,
    keeper: Option<(Child, Channel<UnixStream>)>,
    engines: BTreeMap<u32, Engine>,
}

struct Engine {
    child: Child,
    /// Whether we killed it: then its exit status is not logged.
    is_killed: bool,
}

impl Engine {
    fn kill(&mut self) {
        self.is_killed = true;
        // This fails for one that ended by itself, which is reaped later.
        drop(self.child.kill());
    }
}

impl Children {
    /// No children.
    #[must_use]
    pub const fn new(program: Program) -> Self {
        Self { program, keeper: None, engines: BTreeMap::new() }
    }

    /// The program that they run.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// The keeper's channel, to wait on.
    #[must_use]
    pub fn keeper(&self) -> Option<&Channel<UnixStream>> {
        self.keeper.as_ref().map(|(_, channel)| channel)
    }

    /// Starts a keeper, and sends it `start`.
    ///
    /// # Errors
    /// The system's.
    pub fn start_keeper(&mut self, start: &ToKeeper, lock: OwnedFd) -> Result<(), Broken> {
        let (mut channel, theirs) = Channel::pair(MAX_BLOB)?;
        // It reports to the terminal until it is ready, and longer in the
        // foreground.
        let child = self.program.start(Role::Keeper, theirs, Stdio::inherit())?;
        let sent = channel.send(start, Some(lock));
        self.keeper = Some((child, channel));
        sent
    }

    /// Starts an engine; its channel came with the keeper's last message. Those
    /// that were killed are gone by then.
    ///
    /// # Errors
    /// The system's.
    pub fn start_engine(&mut self, id: u32) -> io::Result<()> {
        for engine in self.engines.values_mut().filter(|engine| engine.is_killed) {
            drop(engine.child.wait());
        }
        let channel = self.keeper.as_mut().and_then(|(_, channel)| channel.descriptor());
        let channel = channel.ok_or(io::ErrorKind::InvalidInput)?;
        // It reports to the terminal until it is confined; once the daemon is ready,
        // in the background, there is none.
        let child = self.program.start(Role::Engine, channel, Stdio::inherit())?;
        self.engines.insert(id, Engine { child, is_killed: false });
        Ok(())
    }

    /// Kills an engine, if it is still there.
    pub fn end_engine(&mut self, id: u32) {
        if let Some(engine) = self.engines.get_mut(&id) {
            engine.kill();
        }
    }

    /// Sends the keeper a message. Returns whether there is a keeper to receive it.
    pub fn send(&mut self, message: &ToKeeper) -> bool {
        self.keeper.as_mut().is_some_and(|(_, channel)| channel.send(message, None).is_ok())
    }

    /// The same, with a descriptor.
    pub fn hand_over(&mut self, message: &ToKeeper, descriptor: OwnedFd) -> bool {
        let keeper = self.keeper.as_mut();
        keeper.is_some_and(|(_, channel)| channel.send(message, Some(descriptor)).is_ok())
    }

    /// The keeper's next message, if one has arrived.
    ///
    /// # Errors
    /// [`Broken`]: the keeper died or misbehaved.
    pub fn recv(&mut self) -> Result<Option<FromKeeper>, Broken> {
        self.keeper.as_mut().map_or(Ok(None), |(_, channel)| channel.recv())
    }

    /// Kills and reaps the keeper, and kills its engines, which nobody would serve.
    /// Returns the keeper's exit status.
    pub fn end_keeper(&mut self) -> Option<ExitStatus> {
        let (mut keeper, channel) = self.keeper.take()?;
        drop(channel);
        // A keeper that exits keeps its status; its channel closes a moment before
        // it is gone.
        drop(keeper.kill());
        self.engines.values_mut().for_each(Engine::kill);
        keeper.wait().ok()
    }

    /// Reaps engines that ended, and logs how those that died did.
    pub fn reap(&mut self, log: &Log) {
        self.engines.retain(|_, engine| match engine.child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                // It may have died by itself before we killed it.
                let is_ours =
                    engine.is_killed && status.signal() == Some(Signal::SIGKILL as i32);
                if !status.success() && !is_ours {
                    log.write(&Event::EngineDied { how: &status.to_string() });
                }
                false
            }
            Err(_) => false,
        });
    }

    /// Kills and reaps all of them.
    pub fn kill_all(&mut self) {
        let keeper = self.keeper.take().map(|(child, _)| child);
        let engines = std::mem::take(&mut self.engines).into_values();
        for mut child in keeper.into_iter().chain(engines.map(|engine| engine.child)) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
