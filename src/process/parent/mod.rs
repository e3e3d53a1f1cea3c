//! The process that rc sees: starts the others, and deletes the entries that a
//! dead keeper leaves.

mod children;
mod owned;
mod runner;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::unistd::chdir;
use zeroize::Zeroizing;

use super::Failure;
use super::backoff::Backoff;
use super::locks::Locks;
use super::options::Options;
use super::pidfile::Pidfile;
use super::signals::Signals;
use super::tables::Tables;
use crate::config::Config;
use crate::core::time::Monotonic;
use crate::log::Log;
use crate::log::event::Event;
use crate::message::channel::Broken;
use crate::message::parent::{FromKeeper, ToKeeper};
use crate::sys;
use crate::sys::confine::{self, ParentPaths};
use crate::sys::wait::{Waiter, Wish};
use children::{Children, Program};
use owned::Owned;
use runner::Runner;

/// How long a keeper may take to close all doors. Then the parent kills it and
/// deletes its entries.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the parent until the daemon ends. The command that started it waits on
/// `command` until the daemon is ready.
///
/// # Errors
/// Why the daemon cannot start, or cannot close all doors.
pub fn run(
    options: &Options,
    config: &Config,
    command: Option<OwnedFd>,
) -> Result<(), Failure> {
    // Locks of memory are not inherited by fork(2).
    confine::lock_memory();
    let pidfile = options.pidfile.as_deref().map(Pidfile::write).transpose();
    let pidfile =
        pidfile.map_err(|error| Failure::new("cannot write the process ID", error))?;
    let locks = Locks::take(&config.directories.run)
        .map_err(|error| Failure::Because(error.to_string()))?;
    let program =
        Program::current().map_err(|error| Failure::new("cannot find this program", error))?;
    let paths = ParentPaths {
        config: config.files.directory(),
        secrets: &config.directories.secrets,
        run: &config.directories.run,
        pidfile: pidfile.as_ref().map(Pidfile::path),
        program: program.path(),
    };
    let runner = Runner::of(config, options.foreground)
        .map_err(|error| Failure::Because(error.to_string()))?;
    let mut parent = Parent::start(options, config, locks, program.clone(), command)?;
    parent.runner = runner;
    // Before: once confined, it may not see that directory.
    if parent.command.is_some() {
        chdir("/").map_err(|error| Failure::new("cannot leave this directory", error))?;
    }
    confine::parent(&paths).map_err(|error| Failure::Because(error.to_string()))?;
    let end = parent.supervise();
    drop(pidfile);
    end
}

/// The parent's state.
struct Parent {
    children: Children,
    /// The process that runs commands, if a door has one.
    runner: Option<Runner>,
    owned: Owned,
    tables: Tables,
    log: Log,
    signals: Signals,
    waiter: Waiter,
    locks: Locks,
    /// The configuration for the next keeper.
    files: Zeroizing<Vec<u8>>,
    foreground: bool,
    verbose: bool,
    /// Closed when the daemon is ready.
    command: Option<OwnedFd>,
    /// Whether a keeper was ever ready.
    was_ready: bool,
    backoff: Backoff,
    /// How many keepers died.
    deaths: u32,
    /// When to replace a keeper that died.
    restart: Option<Monotonic>,
    /// SIGHUP came while there was no keeper.
    wants_reload: bool,
    /// Set when the daemon stops: until when the keeper may take.
    stop: Option<Monotonic>,
}

/// What a turn of the loop waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Signals,
    Keeper,
}

/// How a turn of the loop ends.
enum Turn {
    GoOn,
    End(Result<(), Failure>),
}

impl Parent {
    fn start(
        options: &Options,
        config: &Config,
        locks: Locks,
        program: Program,
        command: Option<OwnedFd>,
    ) -> Result<Self, Failure> {
        let cannot = |error| Failure::new("cannot use the firewall", error);
        let mut firewall = config.firewall.open().map_err(cannot)?;
        // It must work at the moment when a keeper dies.
        let _ = firewall.status().map_err(cannot)?;
        let signals =
            Signals::new().map_err(|error| Failure::new("cannot listen to signals", error))?;
        let waiter = Waiter::new().map_err(|error| Failure::new("cannot wait", error))?;
        let log = Log::open(options.foreground, options.verbose);
        Ok(Self {
            children: Children::new(program),
            runner: None,
            owned: Owned::default(),
            tables: Tables::new(firewall, log.clone()),
            log,
            signals,
            waiter,
            locks,
            files: config.files.encode(),
            foreground: options.foreground,
            verbose: options.verbose,
            command,
            was_ready: false,
            backoff: Backoff::default(),
            deaths: 0,
            restart: None,
            wants_reload: false,
            stop: None,
        })
    }

    fn supervise(&mut self) -> Result<(), Failure> {
        self.start_keeper().map_err(|error| Failure::new("cannot start the keeper", error))?;
        if let Ok(now) = sys::now() {
            self.supervise_runner(now.monotonic);
        }
        loop {
            match self.turn() {
                Ok(Turn::GoOn) => {}
                Ok(Turn::End(end)) => {
                    self.end_runner();
                    return end;
                }
                Err(error) => {
                    // No process would close the doors later.
                    self.children.kill_all();
                    if let Ok(now) = sys::now() {
                        self.shut(now.monotonic);
                    }
                    self.log.write(&Event::CannotGoOn { error: &error });
                    self.end_runner();
                    return Err(Failure::Reported);
                }
            }
        }
    }

    fn turn(&mut self) -> io::Result<Turn> {
        let may_start = self.stop.is_none() && self.children.keeper().is_some();
        let deadline = [
            self.restart,
            self.stop,
            self.tables.next_retry(),
            self.log.next_deadline(),
            self.runner.as_ref().and_then(|runner| runner.next_deadline(may_start)),
        ];
        let mut wishes = vec![Wish::read(Who::Signals, &self.signals)];
        wishes.extend(self.children.keeper().map(|keeper| Wish::read(Who::Keeper, keeper)));
        let ready = self.waiter.wait(&wishes, deadline.into_iter().flatten().min())?;
        let is_ready = |who| ready.iter().any(|ready| ready.who == who);
        let now = sys::now()?.monotonic;
        if is_ready(Who::Signals) {
            self.dispatch_signals(now);
        }
        if is_ready(Who::Keeper)
            && let Some(end) = self.dispatch_keeper(now)?
        {
            return Ok(Turn::End(end));
        }
        self.children.reap(&self.log);
        drop(self.tables.retry(now));
        self.log.tick(now);
        if self.stop.is_some_and(|due| due <= now) {
            return Ok(Turn::End(self.give_up(now)));
        }
        if self.restart.is_some_and(|due| due <= now) {
            self.restart = None;
            if let Err(error) = self.start_keeper() {
                self.log.write(&Event::CannotStart { what: "the keeper", error: &error });
                self.restart = Some(self.backoff.after_death(now));
            }
        }
        self.supervise_runner(now);
        Ok(Turn::GoOn)
    }

    /// Ends the daemon: the keeper is late, or died before and left only entries
    /// that could not be deleted.
    fn give_up(&mut self, now: Monotonic) -> Result<(), Failure> {
        let is_stuck = self.children.keeper().is_some();
        self.children.kill_all();
        self.shut(now);
        if is_stuck {
            self.log.write(&Event::KeeperStuck);
        }
        if is_stuck || self.tables.stuck() > 0 { Err(Failure::Reported) } else { Ok(()) }
    }

    /// Does what signals ask for.
    fn dispatch_signals(&mut self, now: Monotonic) {
        let asked = self.signals.take();
        if asked.reload {
            self.wants_reload = !self.children.send(&ToKeeper::Reload);
        }
        if asked.stop && self.stop.is_none() {
            // Another daemon that starts now waits for our end, and is not refused.
            self.locks.unlock_running();
            // A keeper that is dying receives nothing; its end is noticed later.
            let has_keeper = self.children.keeper().is_some();
            self.children.send(&ToKeeper::Stop);
            self.stop = Some(if has_keeper { now + PATIENCE } else { now });
        }
    }

    /// Dispatches the keeper's messages. Returns how the daemon ends, if it does.
    fn dispatch_keeper(&mut self, now: Monotonic) -> io::Result<Option<Result<(), Failure>>> {
        loop {
            match self.children.recv() {
                Ok(Some(message)) => self.dispatch(message)?,
                Ok(None) => return Ok(None),
                Err(broken) => return Ok(self.lose_keeper(&broken, now)),
            }
        }
    }

    fn dispatch(&mut self, message: FromKeeper) -> io::Result<()> {
        match message {
            FromKeeper::Ready => self.be_ready()?,
            FromKeeper::Table { index, table } => {
                self.owned.name(index, self.tables.names_mut().index(&table));
            }
            FromKeeper::Intend { slot, foreign } => {
                if let Some(slot) = self.owned.intend(slot, foreign) {
                    self.tables.forget(slot);
                }
            }
            FromKeeper::Gone { slot } => self.owned.gone(slot),
            FromKeeper::Engine { id } => {
                if let Err(error) = self.children.start_engine(id) {
                    self.log.write(&Event::CannotStart { what: "an engine", error: &error });
                }
            }
            FromKeeper::End { id } => self.children.end_engine(id),
            FromKeeper::Keep { files } => self.files = files,
            FromKeeper::EndRunner { id } => {
                if let Some(runner) = &mut self.runner {
                    runner.kill(id);
                }
            }
        }
        Ok(())
    }

    /// Lets the waiting command return, the first time.
    fn be_ready(&mut self) -> io::Result<()> {
        self.was_ready = true;
        if let Some(command) = self.command.take() {
            sys::detach(&command)?;
        }
        if std::mem::take(&mut self.wants_reload) {
            self.wants_reload = !self.children.send(&ToKeeper::Reload);
        }
        Ok(())
    }

    /// Deletes what the keeper left, and has another one started, unless the daemon
    /// stops. Returns how the daemon ends, if it does.
    fn lose_keeper(&mut self, broken: &Broken, now: Monotonic) -> Option<Result<(), Failure>> {
        let status = self.children.end_keeper();
        if let Some(runner) = &mut self.runner {
            runner.leave(now);
        }
        let shut = self.shut(now);
        let ended_well = status.is_some_and(|status| status.success());
        // A keeper that fails at the start reports why; one that is killed cannot.
        if !ended_well
            && (self.was_ready || status.is_none_or(|status| status.code().is_none()))
        {
            let how = status.map_or_else(|| broken.to_string(), |status| status.to_string());
            self.log.write(&Event::KeeperDied { how: &how, shut });
        }
        if self.stop.is_some() || (ended_well && shut == 0) || !self.was_ready {
            let is_good = ended_well && self.tables.stuck() == 0;
            return Some(if is_good { Ok(()) } else { Err(Failure::Reported) });
        }
        self.deaths = self.deaths.saturating_add(1);
        self.restart = Some(self.backoff.after_death(now));
        None
    }

    /// Deletes every entry that is ours. What cannot be deleted is tried again.
    fn shut(&mut self, now: Monotonic) -> usize {
        let ours: Vec<_> = self.owned.take().into_iter().collect();
        self.tables.delete(&ours, now);
        ours.len()
    }

    fn start_keeper(&mut self) -> Result<(), Broken> {
        let start = ToKeeper::Start {
            foreground: self.foreground,
            verbose: self.verbose,
            deaths: self.deaths,
            files: self.files.clone(),
        };
        self.children.start_keeper(&start, self.locks.share()?)
    }
}
