//! The keeper's process: acquires, confines itself, and serves engines,
//! administrators, the runner and the parent.

mod attachments;
mod clock;
mod desk;
mod dispatch;
mod engines;
mod reload;
mod runner;
mod start;

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use super::Keeper;
use super::memory::Struck;
use super::parent::Parent;
use crate::capture::Capture;
use crate::config::Config;
use crate::control::server::{Caller, Server};
use crate::core::time::{BootId, Monotonic, Now};
use crate::log::Log;
use crate::log::event::Event;
use crate::message::VERSION;
use crate::message::channel::{Broken, Channel};
use crate::message::packet::MAX_BLOB;
use crate::message::parent::{FromKeeper, ToKeeper};
use crate::process::{Failure, complain};
use crate::sys::confine::Account;
use crate::sys::wait::{Ready, Waiter, Wish};
use crate::{faults, sys};
use clock::Clock;
use engines::Engines;
use start::Begin;

/// How soon interfaces are enumerated again when the system could not be asked,
/// or none could be captured on.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Messages of one engine that are dispatched before anything else has its turn.
const MESSAGE_BUDGET: usize = 256;

/// The keeper's life, from its first message to its exit code.
#[must_use]
pub fn run() -> ExitCode {
    faults::role("keeper");
    let mut parent = Channel::of_child(MAX_BLOB);
    let start = match parent.wait() {
        Ok(start) => start,
        Err(Broken::Senseless) => {
            complain(format_args!(
                "knockd {VERSION} was started by another version, restart it"
            ));
            return ExitCode::FAILURE;
        }
        Err(_) => return ExitCode::FAILURE,
    };
    let ToKeeper::Start { foreground, verbose, deaths, files } = start else {
        return ExitCode::FAILURE;
    };
    let begin = Begin { lock: parent.descriptor(), foreground, verbose, deaths, files };
    match Service::start(parent, begin).and_then(|mut service| service.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::FAILURE,
        Err(Failure::Because(text)) => {
            if deaths > 0 {
                Log::open(foreground, verbose).write(&Event::CannotGoOn { error: &text });
            } else {
                complain(text);
            }
            ExitCode::FAILURE
        }
    }
}

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Parent,
    Engine(u32),
    Runner,
    Interfaces,
    Caller(Caller),
}

/// Everything that the keeper's process is.
struct Service {
    keeper: Keeper,
    parent: Parent,
    capture: Capture,
    engines: Engines,
    control: Server,
    waiter: Waiter,
    config: Config,
    account: Option<Account>,
    foreground: bool,
    verbose: bool,
    began: Now,
    boot: BootId,
    clock: Clock,
    /// How many keepers died before this one.
    deaths: u32,
    engine_restarts: u64,
    reloads: u64,
    /// Packets that the kernel dropped since the start.
    dropped: u64,
    /// Those of the present descriptors that were logged already.
    logged_drops: u64,
    /// When to enumerate interfaces again although nothing announced a change.
    next_look: Option<Monotonic>,
    /// When an engine last reported that it could not read.
    last_failure: Option<Monotonic>,
    is_ready: bool,
    /// Whether the daemon cannot start.
    has_failed: bool,
    log: Log,
    /// Held together with the parent: while it is, some process will close the
    /// doors.
    _lock: Option<OwnedFd>,
}

impl Service {
    fn log_warnings(&self) {
        for warning in self.config.warnings.lines() {
            self.log.write(&Event::Doubtful { text: &warning });
        }
    }

    /// Serves until the parent says stop; then closes every door. What went wrong
    /// is in the log when it returns.
    fn serve(&mut self) -> Result<(), Failure> {
        let mut end = self.serve_until_stopped();
        // Whatever ended the loop, no door stays open.
        self.log.write(&Event::Stopping);
        let left = self.keeper.close_all(sys::now().unwrap_or(self.began));
        // Doors do not wait for this.
        self.finish_commands();
        if left > 0 && end.is_ok() {
            let text = format!("{left} entries are still in their tables, delete them by hand");
            end = Err(io::Error::other(text));
        }
        end.map_err(|error| {
            self.log.write(&Event::CannotGoOn { error: &error });
            Failure::Reported
        })
    }

    fn serve_until_stopped(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Waits for something to do, and does it. Returns whether to go on.
    fn turn(&mut self) -> io::Result<bool> {
        let ready = self.wait()?;
        // Doors first: they close on time under any traffic.
        let now = sys::now()?;
        self.keeper.tick(now.monotonic);
        self.keeper.memory.retry(now);
        self.clock.compare(now);
        let (mut are_changed, mut callers) = (false, Vec::new());
        for Ready { who, write, .. } in ready {
            match who {
                Who::Parent if !self.dispatch_parent(now) => return Ok(false),
                Who::Parent => {}
                Who::Engine(id) => self.dispatch_engine(id, write, now),
                Who::Runner => self.dispatch_runner(now.monotonic),
                Who::Interfaces => are_changed = self.capture.has_changed(),
                Who::Caller(caller) => callers.push(caller),
            }
        }
        self.keep_struck();
        self.look(are_changed, now.monotonic);
        self.serve_control(&callers, now);
        self.replace_engines(now);
        if self.has_failed {
            return Err(io::Error::other("no engine could start"));
        }
        Ok(true)
    }

    fn wait(&mut self) -> io::Result<Vec<Ready<Who>>> {
        let deadline = [
            self.keeper.next_deadline(),
            self.engines.next_deadline(),
            self.control.next_deadline(),
            self.next_look,
        ];
        // The system does not announce again what was read into memory.
        let mut unread: Vec<_> =
            self.parent.has_input().then_some(Who::Parent).into_iter().collect();
        let engines = self.engines.iter().filter(|engine| engine.channel().has_input());
        unread.extend(engines.map(|engine| Who::Engine(engine.id)));
        let deadline = match unread.is_empty() {
            true => deadline.into_iter().flatten().min(),
            false => Some(Monotonic::default()),
        };
        let mut wishes: Vec<Wish<'_, Who>> = vec![
            Wish::read(Who::Parent, &self.parent),
            Wish { who: Who::Interfaces, fd: self.capture.watch(), write: false },
        ];
        wishes.extend(self.engines.iter().map(|engine| Wish {
            write: engine.channel().has_output(),
            ..Wish::read(Who::Engine(engine.id), engine.channel())
        }));
        wishes.extend(self.keeper.doors.commands().wish(Who::Runner));
        let callers = self.control.fds();
        wishes.extend(callers.map(|(who, fd, write)| Wish {
            who: Who::Caller(who),
            fd,
            write,
        }));
        let mut ready = self.waiter.wait(&wishes, deadline)?;
        for who in unread {
            if !ready.iter().any(|ready| ready.who == who) {
                ready.push(Ready { who, read: true, write: false });
            }
        }
        Ok(ready)
    }

    /// Returns whether to go on.
    fn dispatch_parent(&mut self, now: Now) -> bool {
        loop {
            match self.parent.recv() {
                Ok(None) => return true,
                Ok(Some(ToKeeper::Reload)) => drop(self.reload(now)),
                Ok(Some(ToKeeper::Runner { id })) => self.adopt_runner(id, now.monotonic),
                // Without a parent nobody would delete what we leave.
                Ok(Some(ToKeeper::Stop | ToKeeper::Start { .. })) | Err(_) => return false,
            }
        }
    }

    /// Passes on which lines were struck out, to whatever starts later.
    fn keep_struck(&mut self) {
        let struck = self.keeper.memory.take_struck();
        if struck.is_empty() {
            return;
        }
        for Struck { path, offset } in struck {
            self.config.files.strike(&path, offset);
        }
        self.parent.notify(&FromKeeper::Keep { files: self.config.files.encode() });
    }
}
