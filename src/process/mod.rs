//! The running daemon: an engine that decides, a keeper that acts, a parent that
//! starts both and closes what a dead keeper left open, and a runner if doors
//! have commands.
//!
//! Each is a process: it acquires what it needs, confines itself, then loops.
//! Their messages are in [`crate::message`].
#![forbid(unsafe_code)]

mod backoff;
mod child;
mod complaints;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod judge;
pub mod keeper;
mod locks;
pub mod options;
mod parent;
mod pidfile;
pub mod reference;
pub mod runner;
mod signals;
pub mod tables;

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use nix::unistd::geteuid;

use crate::config::{self, Config};
use crate::sys::{Side, confine};
use crate::{faults, review, sys};
use options::Options;

/// A process that the parent starts, known by its first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decides about packets.
    Engine,
    /// Opens and closes doors.
    Keeper,
    /// Runs the commands of doors.
    Runner,
}

impl Role {
    const ALL: [Self; 3] = [Self::Engine, Self::Keeper, Self::Runner];

    /// The first argument. Only the parent has the one that users type, so rc(8)
    /// finds the parent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "knockd: engine",
            Self::Keeper => "knockd: keeper",
            Self::Runner => "knockd: runner",
        }
    }

    /// Returns the role of this process; `None` in the parent and in commands.
    fn of_this_process() -> Option<Self> {
        let name = std::env::args_os().next()?;
        Self::ALL.into_iter().find(|role| name == role.name())
    }
}

/// Why the daemon did not start, or ended with an error.
#[derive(Debug)]
pub enum Failure {
    /// The reason, to be printed.
    Because(String),
    /// The reason was already logged, or printed by another process.
    Reported,
}

impl Failure {
    fn new(what: impl Display, error: impl Display) -> Self {
        Self::Because(format!("{what}: {error}"))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Because(text) => f.write_str(text),
            Self::Reported => f.write_str("see the log"),
        }
    }
}

/// Runs knockd. The exit code is 0 for success, 1 for a failure and 2 for a wrong
/// command line.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(role) = Role::of_this_process() {
        return run_as(role);
    }
    let options = Options::parse();
    #[cfg(feature = "demo")]
    if options.demo {
        return demo::run();
    }
    // Before any key is read.
    if let Err(error) = sys::forbid_core_files() {
        complain(format_args!("cannot forbid core files: {error}"));
        return ExitCode::FAILURE;
    }
    let config = match config::load(&options.config) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems.lines() {
                complain(problem);
            }
            return ExitCode::FAILURE;
        }
    };
    let done = if options.check {
        check(&config)
    } else if let Some(path) = &options.savefile {
        let judged = judge::judge(&config.policy, path, &mut io::stdout().lock());
        judged.map_err(|error| Failure::Because(error.to_string()))
    } else {
        run(&options, &config)
    };
    match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Reported) => {}
        Err(Failure::Because(text)) => complain(text),
    }
    ExitCode::FAILURE
}

/// Does all that a start checks, and changes nothing.
fn check(config: &Config) -> Result<(), Failure> {
    for warning in config.warnings.lines() {
        complain(warning);
    }
    config
        .firewall
        .check(config.enable_pf)
        .map_err(|error| Failure::Because(format!("cannot use the firewall: {error}")))?;
    // Only root can read rules, and of some firewalls none are read.
    if config.firewall.backend().judge.is_some() && geteuid().is_root() {
        for finding in review::guard_rails(config) {
            complain(finding);
        }
    }
    drop(writeln!(io::stderr(), "configuration OK"));
    Ok(())
}

fn run_as(role: Role) -> ExitCode {
    if let Err(error) = begin(role) {
        complain(format_args!("cannot begin: {error}"));
        return ExitCode::FAILURE;
    }
    match role {
        Role::Engine => engine::run(),
        Role::Keeper => keeper::run(),
        Role::Runner => runner::run(),
    }
}

/// Prepares a process that the parent started, before it reads any key.
///
/// # Errors
/// Those of the system calls.
pub fn begin(role: Role) -> io::Result<()> {
    sys::name_process();
    sys::close_inherited()?;
    sys::forbid_core_files()?;
    if role != Role::Runner {
        confine::lock_memory();
    }
    Ok(())
}

/// Runs the daemon in the foreground or the background. In the background, the
/// process that the user started returns when the daemon is ready.
fn run(options: &Options, config: &Config) -> Result<(), Failure> {
    // First of all, because later errors would not name this reason.
    if config.firewall.backend().enforces && !geteuid().is_root() {
        let text = "only root can capture and filter, start knockd as root";
        return Err(Failure::Because(text.to_owned()));
    }
    sys::close_inherited().map_err(|error| Failure::new("cannot close descriptors", error))?;
    faults::role("parent");
    if options.foreground {
        return parent::run(options, config, None);
    }
    match sys::split().map_err(|error| Failure::new("cannot become a daemon", error))? {
        Side::Daemon(command) => parent::run(options, config, Some(command)),
        Side::Command(command) => wait_until_ready(command),
    }
}

/// Waits until the daemon is ready, or has printed why it is not.
fn wait_until_ready(mut daemon: File) -> Result<(), Failure> {
    let mut byte = [0; 1];
    daemon.read_exact(&mut byte).map_err(|_| Failure::Reported)
}

fn complain(problem: impl Display) {
    // If standard error is closed, nothing can report it.
    drop(writeln!(io::stderr(), "knockd: {problem}"));
}
